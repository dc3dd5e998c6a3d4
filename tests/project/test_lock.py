"""The lock: the same versions for every reader, in three years too, on each system and each Python."""

import re
from importlib.metadata import PackageNotFoundError, distribution
from itertools import product
from pathlib import Path

import pytest
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
LISTS = ("requirements.txt", "constraints.txt", "requirements-data.txt")
SYSTEMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    "darwin": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
    "win32": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
}
PYTHONS = ("3.11.0", "3.11.9", "3.12.0", "3.13.0", "3.14.0")
READERS = list(product(PYTHONS, SYSTEMS))


def environment(python: str, system: str) -> dict[str, str]:
    cpython = {"implementation_name": "cpython", "platform_python_implementation": "CPython", "extra": ""}
    return {**SYSTEMS[system], **cpython, "python_version": python.rpartition(".")[0], "python_full_version": python}


def entries(name: str) -> list[Requirement]:
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    return [Requirement(line.partition(" --hash")[0]) for line in lines if line and not line.startswith("-")]


DIRECT, INDIRECT, DATA = (entries(name) for name in LISTS)


def problems(text: str) -> list[str]:
    """What would tie a list to one machine or to one build, line by line."""
    found = []
    for line in text.splitlines():
        line = line.partition("# ")[0]
        for what, pattern in {
            "a local version": r"==\s*[^\s;]*\+",
            "a file": r"file:",
            "a direct address": r" @ |^@",
            "an address": r"://",
            "a path": r"(^|[\s=])(/|~|\.{1,2}/|[A-Za-z]:\\)",
            "an index": r"--(extra-)?index-url|--find-links|^-[if]\b|--trusted-host",
        }.items():
            if re.search(pattern, line):
                found.append(f"{what}: {line}")
    return found


@pytest.mark.parametrize("name", LISTS)
def test_the_lists_belong_to_no_machine(name):
    assert problems((ROOT / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "torch==2.13.0+cpu",
        "torch @ https://example.org/torch.whl",
        "torch @ file:///wheels/torch.whl",
        "file:///wheels/torch.whl",
        "/wheels/torch.whl",
        "./torch.whl",
        "C:\\wheels\\torch.whl",
        "--extra-index-url https://example.org/simple",
        "-f wheels",
        "--find-links wheels",
    ],
)
def test_what_would_tie_the_lists_to_a_machine_is_found(line):
    assert problems(f"numpy==2.4.6\n{line}\n")


def test_the_lists_are_read_completely():
    assert (ROOT / "requirements.txt").read_text(encoding="utf-8").startswith("-c constraints.txt\n")
    assert {"numpy", "torch", "jupyter-book"} <= {entry.name for entry in DIRECT}
    assert len(INDIRECT) > 100


@pytest.mark.parametrize("entry", [*DIRECT, *INDIRECT, *DATA], ids=lambda entry: entry.name)
def test_every_version_is_pinned(entry):
    (pin,) = entry.specifier
    assert pin.operator == "=="
    assert "*" not in pin.version


def test_direct_pins_hold_everywhere_and_stand_in_one_place():
    assert [entry.name for entry in DIRECT if entry.marker is not None] == []
    direct, indirect = ({canonicalize_name(entry.name) for entry in entries} for entries in (DIRECT, INDIRECT))
    assert len(direct) == len(DIRECT)
    assert direct & indirect == set()


@pytest.mark.parametrize(("python", "system"), READERS)
def test_each_reader_gets_one_version_of_each_package(python, system):
    values = environment(python, system)
    applying = [entry for entry in [*DIRECT, *INDIRECT] if entry.marker is None or entry.marker.evaluate(values)]
    names = [canonicalize_name(entry.name) for entry in applying]
    assert sorted(names) == sorted(set(names))


def test_cuda_is_locked_for_linux_only():
    cuda = [entry for entry in INDIRECT if entry.name.startswith(("nvidia-", "cuda-", "triton"))]
    assert len(cuda) > 10  # torch's plain Linux wheel asks for them: without them its install would float
    for entry in cuda:
        assert isinstance(entry.marker, Marker)
        assert entry.marker.evaluate(environment("3.12.0", "linux"))
        assert not any(entry.marker.evaluate(environment("3.12.0", system)) for system in ("darwin", "win32"))


def public(version: str) -> Version:
    return Version(Version(version).public)  # torch 2.13.0+cpu is the 2.13.0 that is locked


def wanted(name: str, extras: frozenset[str]) -> list[Requirement]:
    """What an installed distribution asks for on this machine."""
    here = dict(default_environment())
    asked = [Requirement(line) for line in distribution(name).requires or []]
    return [
        entry
        for entry in asked
        if entry.marker is None or any(entry.marker.evaluate({**here, "extra": extra}) for extra in extras | {""})
    ]


def test_everything_installed_for_the_course_has_its_locked_version():
    here = {**default_environment(), "extra": ""}
    locked = {
        canonicalize_name(entry.name): public(next(iter(entry.specifier)).version)
        for entry in [*DIRECT, *INDIRECT]
        if entry.marker is None or entry.marker.evaluate(here)
    }
    todo = [(canonicalize_name(entry.name), frozenset(entry.extras)) for entry in DIRECT]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        name, extras = item = todo.pop()
        if item in seen:
            continue
        seen.add(item)
        assert name in locked, f"{name} is installed, but neither in requirements.txt nor in constraints.txt"
        try:
            installed = public(distribution(name).version)
        except PackageNotFoundError:
            pytest.fail(f"{name} is locked and asked for, but not installed: run the set-up again")
        assert installed == locked[name], f"{name}: {installed} is installed, {locked[name]} is locked"
        todo += [(canonicalize_name(entry.name), frozenset(entry.extras)) for entry in wanted(name, extras)]
    assert len(seen) > 80


def test_the_data_is_pinned_with_hashes_and_installed():
    lines = (ROOT / "requirements-data.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.search(r"==\S+ --hash=sha256:[0-9a-f]{64}$", line) for line in pins)
    for entry in DATA:
        assert entry.specifier.contains(distribution(entry.name).version)
