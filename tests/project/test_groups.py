"""Tests that start kernels or many processes do not run side by side."""

from pathlib import Path

import conftest
import pytest


@pytest.mark.parametrize("name", conftest.GROUPS)
def test_the_tests_of_a_group_go_to_one_worker_and_others_wherever_there_is_room(name):
    scope = conftest.Grouped._split_scope
    files = [f"tests/{file}" for file in conftest.GROUPS[name]]
    assert {scope(None, f"{file}::test_{i}[a::b]") for file in files for i in range(3)} == {name}
    assert scope(None, "tests/test_cells.py::test_a") != scope(None, "tests/test_cells.py::test_b")


def test_the_tests_of_an_exercise_go_to_one_worker():
    scope = conftest.Grouped._split_scope
    file = f"tests/{conftest.BY_EXERCISE}"
    ids = [f"{file}::test_a[gru: z, option 1]", f"{file}::test_b[gru: class 2027]", f"{file}::test_c[gru]"]
    assert {scope(None, i) for i in ids} == {"gru"}
    assert scope(None, f"{file}::test_a[lstm: z, option 1]") == "lstm"
    assert scope(None, f"{file}::test_d") != scope(None, f"{file}::test_e")


def test_every_file_of_a_group_exists(request):
    for file in [conftest.BY_EXERCISE, *(file for files in conftest.GROUPS.values() for file in files)]:
        assert (request.config.rootpath / "tests" / file).is_file(), file


def test_the_workers_are_given_tests_by_these_groups(request):
    if hasattr(request.config, "workerinput"):
        pytest.skip("a worker does not hand out tests")
    made = request.config.pluginmanager.hook.pytest_xdist_make_scheduler
    assert any(Path(impl.function.__code__.co_filename).samefile(conftest.__file__) for impl in made.get_hookimpls())
