"""The repository's address: _config.yml holds it, every copy agrees, and one command changes them all."""

import re
from pathlib import Path

import pytest
from address import owner_and_name, readdress, tracked_files

ROOT = Path(__file__).resolve().parents[2]
CONFIG = (ROOT / "_config.yml").read_text(encoding="utf-8")
COPIES = ("README.md", "CITATION.cff", "pyproject.toml")
OURS = owner_and_name(CONFIG)
PLACEHOLDER = ("OWNER", "REPOSITORY")  # in instructions

SLUG = r"(?P<owner>[A-Za-z0-9-]+)/(?P<name>[\w-]+(?:\.[\w-]+)*?)(?:\.git)?(?=$|[^\w.-]|\.(?:\W|$))"
# what only an address of this project looks like: where Binder, Colab and pip fetch it, and where its pages are
SERVICES = re.compile(
    rf"(?:mybinder\.org/(?:v2|badge)/gh/|colab\.research\.google\.com/github/|raw\.githubusercontent\.com/"
    rf"|git\+https://github\.com/){SLUG}"
)
PAGES = re.compile(r"(?P<owner>[A-Za-z0-9-]+)\.github\.io/(?P<name>[\w-]+)")
GITHUB = re.compile(rf"github\.com[/:]{SLUG}")


def strangers(text: str, ours: tuple[str, str], all_of_github: bool) -> list[str]:
    """Addresses that should be this project's and are not. A chapter may cite another project on GitHub, unless it
    shares our owner's or our own name."""
    found = []
    for pattern in (SERVICES, PAGES, GITHUB):
        for match in pattern.finditer(text):
            owner, name = match["owner"], match["name"]
            may_differ = pattern is GITHUB and not all_of_github and owner != ours[0] and name != ours[1]
            if (owner, name) not in (ours, PLACEHOLDER) and not may_differ:
                found.append(match[0])
    return found


def read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None  # a picture


@pytest.mark.parametrize("name", COPIES)
def test_the_copies_hold_the_address(name):
    assert "github.com/" + "/".join(OURS) in (ROOT / name).read_text(encoding="utf-8")


def test_no_tracked_file_holds_another_address():
    wrong = {}
    for path in tracked_files(ROOT):
        text = read(path)
        parts = path.relative_to(ROOT).parts
        if text is None or parts[0] == "tests":  # tests invent addresses
            continue
        at_the_root = len(parts) == 1
        if found := strangers(text, OURS, all_of_github=at_the_root):
            wrong[path.relative_to(ROOT).as_posix()] = found
    assert wrong == {}


@pytest.mark.parametrize(
    "text",
    [
        "https://github.com/other/unrolled",
        "https://github.com/mine/other",
        "git@github.com:other/unrolled.git",
        "%pip install git+https://github.com/other/thing@main",
        "https://mybinder.org/v2/gh/other/thing/main?urlpath=lab",
        "https://colab.research.google.com/github/other/thing/blob/main/book/index.ipynb",
        "https://raw.githubusercontent.com/other/thing/main/requirements-data.txt",
        "https://mine.github.io/other/",
    ],
)
def test_another_address_is_found(text):
    assert strangers(text, ("mine", "unrolled"), all_of_github=False)


@pytest.mark.parametrize(
    "text",
    [
        "see https://github.com/mine/unrolled.",
        "https://github.com/mine/unrolled.git",
        "`https://github.com/mine/unrolled/issues`",
        "https://mine.github.io/unrolled/",
        "https://mybinder.org/badge_logo.svg",
        "https://mybinder.org/v2/gh/mine/unrolled/main",
    ],
)
def test_our_own_address_is_not(text):
    assert strangers(text, ("mine", "unrolled"), all_of_github=True) == []


def test_a_chapter_may_cite_another_project_and_the_readme_may_not():
    text = "https://github.com/karpathy/makemore"
    assert strangers(text, ("mine", "unrolled"), all_of_github=False) == []
    assert strangers(text, ("mine", "unrolled"), all_of_github=True) == ["github.com/karpathy/makemore"]


def test_one_command_moves_every_address_and_nothing_else():
    old, new = ("mine", "unrolled"), ("yours", "rnn-course")
    text = "github.com/mine/unrolled/issues mine.github.io/unrolled/ gh/mine/unrolled/main mine/unrolled-2"
    moved = "github.com/yours/rnn-course/issues yours.github.io/rnn-course/ gh/yours/rnn-course/main mine/unrolled-2"
    assert readdress(text, old, new) == moved
    assert readdress(moved, new, old) == text


def test_moving_this_repository_leaves_no_old_address():
    new = ("yours", "rnn-course")
    assert owner_and_name(readdress(CONFIG, OURS, new)) == new
    for name in ("_config.yml", *COPIES):
        assert strangers(readdress((ROOT / name).read_text(encoding="utf-8"), OURS, new), new, all_of_github=True) == []


@pytest.mark.parametrize("line", ["", "  url: not-an-address\n", "  url: https://gitlab.com/a/b\n"])
def test_a_configuration_without_an_address_is_refused(line):
    with pytest.raises(SystemExit, match=r"_config.yml: repository.url should be"):
        owner_and_name(f"title: x\nrepository:\n  branch: main\n{line}other:\n  url: https://github.com/a/b\n")
