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


@pytest.mark.parametrize("package", ["ipywidgets", "matplotlib", "numpy", "torch"])
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
