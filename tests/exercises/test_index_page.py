"""The first page shows how a check goes, on an exercise that counts nowhere, and each mistake in it is recognised."""

import exercise_notebooks as tool
import exercise_score as score
import nbformat
import pytest

from companion.exercises import check, cohort, hint, progress, records
from companion.exercises.catalogue import INDEX, exercises, find, of_chapter, shown
from companion.exercises.judging import prepare
from companion.exercises.worked import chapters, key

(ID,) = shown()
PAGE = tool.ROOT / "exercises" / "index.ipynb"


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_PROGRESS", str(tmp_path / "progress.jsonl"))
    monkeypatch.setattr(records, "_MEMORY", [])


def test_it_is_none_of_the_exercises():
    assert find(ID).id == ID and find(ID).chapter == INDEX
    assert ID not in exercises() and of_chapter(INDEX) == [] and INDEX not in chapters()
    before = progress()
    assert check(ID, key(find(ID)).answer) and hint(ID)
    assert progress() == before and ID not in {row.exercise for row in before.rows}


def test_no_class_is_asked_it():
    check_2027, hint_2027, _ = cohort(2027)
    for ask in (lambda: find(ID, 2027), lambda: check_2027(ID, 1), lambda: hint_2027(ID)):
        with pytest.raises(ValueError, match=f"there is no exercise '{ID}'"):
            ask()


def test_its_key_is_as_good_as_any_other():
    rubric = prepare(find(ID))
    assert rubric.key.reward and len(rubric.key.hints) >= 2 and len(rubric.key.misconceptions) >= 3
    for form in (rubric.key.answer, *rubric.key.also_right):
        assert score.submit(rubric, form)
    for position, misconception in enumerate(rubric.key.misconceptions):
        assert score.is_recognised(rubric, position), misconception.name


def test_the_page_shows_every_kind_of_answer_and_of_help():
    said = [
        output.data["text/plain"] if "data" in output else output.text
        for cell in nbformat.read(PAGE, as_version=4).cells
        for output in cell.get("outputs", [])
    ]
    reports = [text.replace("\u00a0", " ") for text in said if f" {ID}: " in text.splitlines()[0]]
    assert len(reports) == 6 and reports[0].startswith("○")
    rubric = prepare(find(ID))
    names = [m.name.lower() for m in rubric.key.misconceptions]
    assert any(name in reports[1].lower() for name in names)
    assert not any(name in reports[2].lower() for name in names) and "First difference" in reports[2]
    assert "ValueError" in reports[3] and "line " in reports[3]
    assert "Its numbers are right" in reports[4]
    assert reports[5].startswith("✓") and " ".join(rubric.key.reward.split()) in " ".join(reports[5].split())
    assert any(text.startswith(f"# {ID}, the case") for text in said)
    assert any(f"{ID}: Hint 1 of" in text for text in said)
    assert said[-1].startswith(f"0 of {len(exercises())} exercises passed\nnext: ")
