"""Binder: the image as repo2docker reads it (without Docker), with the versions of the lock and without CUDA."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = yaml.safe_load((ROOT / "binder" / "environment.yml").read_text(encoding="utf-8"))
OTHER_NAMES = {"torch": "pytorch-cpu"}  # on conda-forge


def conda_pins() -> dict[str, str]:
    pairs = (dependency.partition("=")[::2] for dependency in ENVIRONMENT["dependencies"])
    return {name: version for name, version in pairs if version}


@pytest.mark.parametrize("package", ["ipywidgets", "jupyterlab", "matplotlib", "numpy", "torch"])
def test_binder_has_the_versions_of_the_lock(package):
    (locked,) = re.findall(
        rf"^{package}==(\S+)$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert conda_pins()[OTHER_NAMES.get(package, package)] == locked


def test_binder_takes_no_cuda_build():
    names = {re.split("[=<> ]", dependency)[0] for dependency in ENVIRONMENT["dependencies"]}
    assert "pytorch-cpu" in names
    assert not {"torch", "pytorch", "pytorch-gpu"} & names
    assert not any("cuda" in name or "nvidia" in name for name in names)
    assert ENVIRONMENT["channels"] == ["conda-forge", "nodefaults"]


def test_binder_installs_the_data_and_companion_as_the_runner_does():
    sys.path.insert(0, str(ROOT))
    import run

    options = ["--no-deps", "--no-build-isolation"]
    script = (ROOT / "binder" / "postBuild").read_text(encoding="utf-8")
    installs = re.findall(r"^python -m pip install --no-cache-dir (.*)$", script, re.MULTILINE)
    assert [line.split() for line in installs] == [[*options, "-r", "requirements-data.txt"], [*options, "."]]
    local = [command[command.index("install") + 1 :] for command in run.install_plan("PY")[-2:]]
    local = [
        [word for word in command if word not in ("--disable-pip-version-check", "--no-input", "-e")]
        for command in local
    ]
    assert [line.split() for line in installs] == local
    assert {"pip", "setuptools", "wheel"} <= set(ENVIRONMENT["dependencies"])  # --no-build-isolation builds with these


def test_binder_signs_the_notebooks():
    assert "\npython -m nbformat.sign book/*.ipynb exercises/*.ipynb exercises/solutions/*.ipynb\n" in (
        (ROOT / "binder" / "postBuild").read_text(encoding="utf-8")
    )


def test_badge_and_buttons_lead_to_the_branch_that_is_published():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    branch = config["sphinx"]["config"]["html_theme_options"]["repository_branch"]
    (badge,) = re.findall(r"mybinder\.org/v2/gh/[\w-]+/[\w-]+/([\w-]+)\?", (ROOT / "README.md").read_text("utf-8"))
    assert branch == badge != config["repository"]["branch"]
    assert f":refs/heads/{branch}" in publishing()


def publishing() -> str:
    """The commands of the workflow that publish the desk copies."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8"))
    (step,) = [step for step in workflow["jobs"]["publish"]["steps"] if step.get("name") == "Publish the desk copies"]
    return step["run"]


@pytest.mark.skipif(os.name == "nt", reason="the workflow runs on Linux")
def test_the_branch_is_main_with_the_copies_in_place_of_the_notebooks(tmp_path):
    remote, course = tmp_path / "remote", tmp_path / "course"

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", course, *arguments], check=True, capture_output=True, encoding="utf-8"
        ).stdout

    subprocess.run(["git", "init", "-q", "--bare", remote], check=True)
    subprocess.run(["git", "init", "-q", course], check=True)
    files = {".gitignore": "desk/\n", "README.md": "main", "book/one.ipynb": "book", "desk/book/one.ipynb": "copy"}
    for name, content in files.items():
        (course / name).parent.mkdir(parents=True, exist_ok=True)
        (course / name).write_text(content, encoding="utf-8")
    git("remote", "add", "origin", str(remote))
    git("add", "--all")
    git("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "main")
    for _ in range(2):  # the second push replaces the first
        script = ["bash", "-e", "-o", "pipefail", "-c", publishing()]
        subprocess.run(script, cwd=course, env={**os.environ, "GITHUB_SHA": "1234"}, check=True, capture_output=True)
    git("fetch", "-q", "origin", "desk")
    assert git("ls-tree", "-r", "--name-only", "FETCH_HEAD").split() == [".gitignore", "README.md", "book/one.ipynb"]
    assert (
        git("show", "FETCH_HEAD:book/one.ipynb") == "copy" and git("log", "--format=%s", "FETCH_HEAD").count("\n") == 1
    )


@pytest.mark.skipif(os.name == "nt", reason="repo2docker does not run on Windows")
def test_repo2docker_reads_the_binder_folder():
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(ROOT)]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
    said = run.stdout + run.stderr
    assert run.returncode == 0, said[-2000:]
    assert "Building conda environment for python=3.13" in said
    assert '--file "binder/environment.yml"' in said
    assert "RUN ./binder/postBuild" in said
    assert os.access(ROOT / "binder" / "postBuild", os.X_OK)
