"""run.py: what it installs, when it does so again, and what it says to a Python that it cannot use."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import run  # noqa: E402  (the script in the root)


def test_the_plan_installs_the_lock_then_the_data_then_companion():
    venv, *installs = run.install_plan("PY")
    assert venv == [sys.executable, "-m", "venv", str(run.VENV)]
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


def test_torch_for_the_cpu_comes_from_its_own_index_alone_and_first():
    plain, cpu = run.install_plan("PY"), run.install_plan("PY", torch="cpu")
    assert [*cpu[:1], *cpu[2:]] == plain
    assert cpu[1][4:] == [
        *("--disable-pip-version-check", "--no-input", "--no-deps"),
        "--force-reinstall",  # else a build with CUDA that is there already would do
        *("--index-url", "https://download.pytorch.org/whl/cpu", run.pinned("torch")),
    ]
    assert run.pinned("torch").startswith("torch==")


def test_an_unknown_build_of_torch_is_refused():
    with pytest.raises(SystemExit, match="UNROLLED_TORCH is 'gpu'; it should be cpu, or not set"):
        run.install_plan("PY", torch="gpu")


@pytest.mark.parametrize("version", [(3, 10), (3, 14), (2, 7)])
def test_another_python_is_refused_by_name(version):
    with pytest.raises(SystemExit, match=rf"This is Python {version[0]}\.{version[1]}; Unrolled needs 3\.11"):
        run.require_python(version)


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
def test_the_supported_pythons_are_accepted(version):
    run.require_python(version)


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
    monkeypatch.delenv("UNROLLED_TORCH", raising=False)
    (tmp_path / ".venv").mkdir()
    return tmp_path, ran


def test_a_second_set_up_installs_nothing(small):
    _, ran = small
    run.set_up()
    assert len(ran) == 4
    run.set_up()
    assert len(ran) == 4


@pytest.mark.parametrize("name", run.INPUTS)
def test_a_changed_list_is_installed(small, name):
    root, ran = small
    run.set_up()
    (root / name).write_text("torch==2.0\n", encoding="utf-8")
    run.set_up()
    assert len(ran) == 8


def test_another_build_of_torch_is_installed(small, monkeypatch):
    _, ran = small
    run.set_up()
    monkeypatch.setenv("UNROLLED_TORCH", "cpu")
    run.set_up()
    assert len(ran) == 4 + 5


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
    for word in (*run.COMMANDS, "UNROLLED_TORCH=cpu"):
        assert word in helped.stdout
