"""Resolve what requirements.txt asks for anew, for every system and every Python, into constraints.txt.

Standard library only: uv, which resolves for all systems at once as pip cannot, is installed for this into a temporary
environment.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UV = "uv==0.13.9"
OPTIONS = ["--universal", "--python-version", "3.11", "--system-certs", "--no-config", "--no-header", "--no-annotate"]
HEADER = "# Written by `python run.py lock`: what the packages in requirements.txt need, on every system and Python.\n"


def main() -> int:
    asked = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    asked = [line for line in asked if not line.startswith("-c")]  # or the old lock would decide the new one
    with tempfile.TemporaryDirectory() as folder:
        wanted, found, venv = Path(folder, "wanted.in"), Path(folder, "found.txt"), Path(folder, "venv")
        wanted.write_text("\n".join(asked), encoding="utf-8")
        scripts = venv / ("Scripts" if os.name == "nt" else "bin")
        for command in (
            [sys.executable, "-m", "venv", venv],
            [scripts / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", UV],
            [scripts / "uv", "pip", "compile", "--quiet", *OPTIONS, wanted, "--output-file", found],
        ):
            subprocess.run([str(part) for part in command], stdout=subprocess.DEVNULL, check=True)
        lock = without(found.read_text(encoding="utf-8").splitlines(), asked)
    (ROOT / "constraints.txt").write_text(HEADER + "\n".join(lock) + "\n", encoding="utf-8", newline="\n")
    print(f"constraints.txt: {len(lock)} lines; git diff shows what changed")
    return 0


def without(found: list[str], asked: list[str]) -> list[str]:
    """The packages found but not asked for: each version stands in one file."""
    direct = {package(line) for line in asked}
    return [line for line in found if package(line) not in direct]


def package(line: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[=<>~!; \[]", line)[0]).lower()


if __name__ == "__main__":
    sys.exit(main())
