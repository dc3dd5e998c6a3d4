"""run.py: what it installs, when it does so again, and what it says to a Python that it cannot use."""

import os
import re
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import run  # noqa: E402  (the script in the root)


def test_the_plan_installs_the_lock_then_the_data_then_companion():
    installs = run.install_plan("PY")
    assert [command[:4] for command in installs] == [["PY", "-m", "pip", "install"]] * 3
    assert [command[-2:] for command in installs] == [
        ["-r", "requirements.txt"],
        ["-r", "requirements-data.txt"],
        ["-e", "."],
    ]
    assert "--no-deps" not in installs[0]
    for command in installs[1:]:
        assert {"--no-deps", "--no-build-isolation"} <= set(command)


def test_the_plan_names_no_index_unless_asked_for_the_cpu_build():
    assert not any("index" in word for command in run.install_plan("PY") for word in command)


@pytest.mark.parametrize(
    ("torch", "index"), [("cpu", ["--index-url", "https://download.pytorch.org/whl/cpu"]), ("cuda", [])]
)
def test_a_build_of_torch_that_is_asked_for_is_installed_alone_and_first(torch, index):
    first, *others = run.install_plan("PY", torch)
    assert others == run.install_plan("PY")
    assert first[4:] == [
        *("--disable-pip-version-check", "--no-input", "--no-deps"),
        "--force-reinstall",  # else the other build, if it is there already, would do
        *(*index, run.pinned("torch")),
    ]
    assert run.pinned("torch").startswith("torch==")


def test_an_unknown_build_of_torch_is_refused(small, monkeypatch):
    _, ran = small
    monkeypatch.setenv("UNROLLED_TORCH", "gpu")
    with pytest.raises(SystemExit, match="UNROLLED_TORCH is 'gpu'; it should be cpu, cuda, or not set"):
        run.set_up()
    assert ran == []


@pytest.mark.parametrize("version", [(3, 10), (3, 15), (2, 7)])
def test_another_python_is_refused_by_name(version):
    with pytest.raises(
        SystemExit, match=rf"This is Python {version[0]}\.{version[1]}; Unrolled needs 3\.11 to 3\.14\. .*PYTHON="
    ):
        run.require_python(version)


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13), (3, 14)])
def test_the_supported_pythons_are_accepted(version):
    run.require_python(version)


def test_the_oldest_and_the_newest_python_run_the_tests_and_companion_outlives_the_newest():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
    ends = [".".join(map(str, version)) for version in (run.OLDEST, run.NEWEST)]
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == ends
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={ends[0]}"


def test_a_python_without_venv_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else object())
    with pytest.raises(SystemExit, match=r"lacks its own module ensurepip.*apt-get install python3\.12-venv"):
        run.require_python((3, 12))


@pytest.fixture
def small(tmp_path, monkeypatch):
    """run.py over an empty directory, with commands that are recorded and not run."""
    for name in run.INPUTS:
        (tmp_path / name).write_text("torch==1.0\n", encoding="utf-8")
    ran: list[list[str]] = []
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(run, "STAMP", tmp_path / ".venv" / "unrolled-stamp")
    monkeypatch.setattr(run, "run", lambda command: ran.append(command) or 0)
    monkeypatch.setattr(run, "offered_torch", lambda python: [])
    monkeypatch.delenv("UNROLLED_TORCH", raising=False)
    (tmp_path / ".venv").mkdir()
    return tmp_path, ran


def test_a_second_set_up_installs_nothing(small):
    _, ran = small
    run.set_up()
    assert ran[0] == [sys.executable, "-m", "venv", "--clear", str(run.VENV)]  # that of the fixture is half of one
    assert ran[1:] == run.install_plan(str(run.PYTHON))
    run.set_up()
    assert len(ran) == 4


@pytest.mark.parametrize("name", run.INPUTS)
def test_a_changed_list_is_installed(small, name):
    root, ran = small
    run.set_up()
    (root / name).write_text("torch==2.0\n", encoding="utf-8")
    run.set_up()
    assert len(ran) == 8


@pytest.mark.parametrize("build", ["cpu", "cuda"])
def test_another_build_of_torch_is_installed(small, monkeypatch, build):
    _, ran = small
    run.set_up()
    monkeypatch.setenv("UNROLLED_TORCH", build)
    run.set_up()
    assert ran[5:] == run.install_plan(str(run.PYTHON), build)
    run.set_up()
    assert len(ran) == 4 + 5


def hold_torch(version: str, *needs: str) -> None:
    """An environment with this torch, as pip describes it."""
    info = run.VENV / "lib" / "python3.14" / "site-packages" / f"torch-{version}.dist-info"
    info.mkdir(parents=True)
    lines = (
        "Metadata-Version: 2.1",
        "Name: torch",
        f"Version: {version}",
        *(f"Requires-Dist: {need}" for need in needs),
    )
    (info / "METADATA").write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize(
    ("system", "offered", "build"),
    [
        ("linux", ["torch", "(2.0+cpu)", "Available", "versions:", "2.0+cpu", "1.0+cpu"], "cpu"),
        ("linux", [], ""),  # no network, or no answer
        ("linux", ["1.0", "1.0.1+cpu"], ""),  # an index of the user's, which has the build with CUDA
        ("darwin", ["1.0+cpu"], ""),
        ("win32", ["1.0+cpu"], ""),
    ],
)
def test_by_default_linux_takes_the_small_build_where_it_is_offered(small, monkeypatch, capsys, system, offered, build):
    _, ran = small
    monkeypatch.setattr(run.sys, "platform", system)
    monkeypatch.setattr(run, "offered_torch", lambda python: offered)
    run.set_up()
    assert ran[1:] == run.install_plan(str(run.PYTHON), build)
    assert ("did not offer torch 1.0+cpu" in capsys.readouterr().out) == (system == "linux" and not build)


@pytest.mark.parametrize("held", ["1.0", "1.0+cpu", "1.0+cu130"])
def test_by_default_the_torch_that_is_there_stays(small, monkeypatch, held):
    monkeypatch.setattr(run.sys, "platform", "linux")
    monkeypatch.setattr(run, "offered_torch", lambda python: pytest.fail("asked an index"))
    hold_torch(held)
    assert run.default_torch("PY") == ""


def test_by_default_a_torch_of_another_version_goes(small, monkeypatch):
    monkeypatch.setattr(run.sys, "platform", "linux")
    monkeypatch.setattr(run, "offered_torch", lambda python: ["1.0+cpu"])
    hold_torch("0.9", "nvidia-cublas==13")
    assert run.default_torch("PY") == "cpu"


def test_the_set_up_says_which_torch_it_took(small, capsys):
    hold_torch("1.0", "filelock", "nvidia-cublas==13; platform_system == 'Linux'")
    run.set_up()
    assert capsys.readouterr().out.endswith("with torch 1.0, with CUDA\n")


def test_what_an_index_offers_is_read_from_pip(tmp_path, monkeypatch):
    wheel = tmp_path / "torch" / "torch-2.0+cpu-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.touch()
    monkeypatch.setattr(run, "CPU_INDEX", tmp_path.as_uri())
    (wheel.parent / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>', encoding="utf-8")
    assert "2.0+cpu" in run.offered_torch(sys.executable)


def test_an_index_that_does_not_answer_costs_little(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the call and says nothing
        monkeypatch.setattr(run, "CPU_INDEX", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(run, "PATIENCE", 2.0)
        start = time.monotonic()
        assert run.offered_torch(sys.executable) == []
        assert time.monotonic() - start < 10


@pytest.mark.parametrize("failing", range(4))
def test_an_interrupted_set_up_starts_again(small, monkeypatch, failing):
    _, ran = small
    run.set_up()
    (run.ROOT / "requirements.txt").write_text("torch==2.0\n", encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(run, "run", lambda command: ran.append(command) or int(len(ran) == 4 + failing + 1))
        with pytest.raises(SystemExit, match="set-up failed"):
            run.set_up()
    assert not run.STAMP.exists()
    ran.clear()
    run.set_up()
    assert len(ran) == 4


def test_half_an_environment_or_one_of_another_python_is_made_anew(tmp_path):
    venv = tmp_path / ".venv"
    assert not run.is_stale(venv)
    (venv / run.SCRIPTS).mkdir(parents=True)
    assert run.is_stale(venv)
    (venv / run.SCRIPTS / f"python{run.EXE}").touch()
    assert run.is_stale(venv)
    (venv / "pyvenv.cfg").write_text("version = 3.11.0\n", encoding="utf-8")
    assert run.is_stale(venv) == (run.release() != "3.11.0")
    (venv / "pyvenv.cfg").write_text(f"version = {run.release()}\n", encoding="utf-8")
    assert not run.is_stale(venv)


@pytest.fixture
def stages(monkeypatch, tmp_path):
    """run.py with two stages of each kind, which say their name and end with the code that they are given."""

    def of(*codes):
        say = [sys.executable, "-c", "import sys; print('this is', sys.argv[1]); sys.exit(int(sys.argv[2]))"]
        commands = {name: [*say, name, str(code)] for name, code in zip("abcd", codes, strict=True)}
        monkeypatch.setattr(run, "SIDE_BY_SIDE", {name: commands[name] for name in "ab"})
        monkeypatch.setattr(run, "ALONE", {name: commands[name] for name in "cd"})
        return run.test([])

    monkeypatch.setattr(run, "set_up", lambda: None)
    monkeypatch.setattr(run, "REPORTS", tmp_path)
    return of


@pytest.mark.parametrize("failing", range(4))
def test_every_stage_runs_although_one_failed(stages, capfd, failing):
    assert stages(*(int(number == failing) for number in range(4))) == 1
    heads, _, summary = capfd.readouterr().out.partition("== summary")
    assert re.findall(r"this is (\w)", heads) == list("abcd")
    verdicts = ["FAILED" if number == failing else "passed" for number in range(4)]
    assert [line.split()[:2] for line in summary.splitlines()[1:]] == [
        *([name, verdict] for name, verdict in zip("abcd", verdicts, strict=True)),
        ["all", "FAILED"],
    ]


def test_all_stages_passing_is_success(stages):
    assert stages(0, 0, 0, 0) == 0


def test_what_stages_print_side_by_side_stands_under_their_names(stages, capfd):
    stages(0, 0, 0, 0)
    said = capfd.readouterr().out.partition("\n== c\n")[0]
    assert said.split("\n") == ["", "== a", "this is a", "", "== b", "this is b", ""]


CHILD = "import os, sys; print(*(os.environ.get(name) for name in sys.argv[1:]))"


def test_children_run_on_one_thread_and_notebooks_choose_their_backend(monkeypatch, capfd, tmp_path):
    monkeypatch.setattr(run, "REPORTS", tmp_path)
    monkeypatch.setenv("MPLBACKEND", "tkagg")
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONUTF8", "PYTHONHASHSEED", "MPLBACKEND"]
    run.run([sys.executable, "-c", CHILD, *names])
    run.run([sys.executable, "-c", CHILD, *names], notebooks=True)
    assert capfd.readouterr().out.splitlines() == ["1 1 1 1 0 agg", "1 1 1 1 0 None"]


@pytest.fixture
def course(small, monkeypatch):
    """A folder with a chapter, and a runner whose builds succeed."""
    root, ran = small
    for name, value in {"SITE": "_build/html", "BUILT": "_build/built", "DESK": "desk"}.items():
        monkeypatch.setattr(run, name, root / value)
    monkeypatch.setattr(run, "set_up", lambda: None)
    for name in ("_build/html/index.html", "_config.yml", "_toc.yml", "book/one.ipynb", "exercises/one.ipynb"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root, ran


def test_the_desk_builds_the_book_when_it_must_and_only_then(course):
    root, ran = course
    copies = [str(run.PYTHON), "tools/desk_copies.py"]
    assert run.desk([]) == 0 and ran == [run.BOOK, copies]
    assert run.desk([]) == 0 and ran[2:] == [copies]
    for changed in ("book/one.ipynb", "exercises/one.ipynb", "_config.yml", "_toc.yml"):
        later = run.BUILT.stat().st_mtime + 10
        os.utime(root / changed, (later, later))
        assert not run.is_built(), changed
        os.utime(root / changed, (0, 0))
        assert run.is_built(), changed


def test_a_book_that_fails_leaves_the_desk_and_counts_as_not_built(course, monkeypatch):
    _, ran = course
    monkeypatch.setattr(run, "run", lambda command: ran.append(command) or 3)
    assert run.desk([]) == run.lab([]) == 3 and ran == [run.BOOK] * 2
    assert not run.is_built()


def test_jupyterlab_gets_our_look_and_the_readers_own_settings_and_progress(monkeypatch):
    monkeypatch.setenv("UNROLLED_PROGRESS", "/mine")
    monkeypatch.setenv("PYTHONPATH", "/another")
    around = run.surroundings()
    assert around["UNROLLED_PROGRESS"] == "/mine" and "PYTHONPATH" not in around
    assert {name: around.get(name) for name in os.environ if name.startswith("JUPYTER")} == {
        name: value for name, value in os.environ.items() if name.startswith("JUPYTER")
    }
    command = run.lab_command("PY", Path("desk"), Path("tabs"))
    assert command[:3] == ["PY", "-m", "jupyterlab"] and not any("config" in word for word in command)
    assert {path.name for path in (ROOT / "tools" / "lab").iterdir()} == {"custom.css", "overrides.json"}


def test_make_only_calls_the_runner():
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    recipes = [line.strip() for line in lines if line.startswith("\t")]
    assert recipes
    assert all(recipe.startswith("@$(RUN) ") for recipe in recipes)
    targets = next(line for line in lines if line.startswith(".PHONY:")).split()[1:]
    assert set(targets) - {"help"} == set(run.COMMANDS)


def test_the_runner_explains_itself():
    helped = subprocess.run([sys.executable, "run.py", "--help"], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert helped.returncode == 0
    for word in (*run.COMMANDS, "UNROLLED_TORCH=cpu", "UNROLLED_TORCH=cuda"):
        assert word in helped.stdout
