"""Pack the autograder of a chapter for Gradescope: one zip, the same bytes every time.

    python tools/autograder.py unrolling
    python tools/autograder.py unrolling --cohort 2027 --checks ../hidden.py --out unrolling-2027.zip

It holds setup.sh, run_autograder, the source of companion and what requirements.txt says about NumPy and matplotlib;
with --checks a teacher's hidden checks as well. On Gradescope the grader runs as root and each submission as a user of
its own: run_autograder closes the exercises' answers and the hidden checks to all but root.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
import zipfile
from pathlib import Path

from companion.exercises import catalogue
from companion.grade.hidden import Checks, Rubrics

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("matplotlib", "numpy")
SUFFIXES = (".json", ".py", ".typed")
HIDDEN = "private/checks.py"
LONGEST_AGO = (1980, 1, 1, 0, 0, 0)  # the date of every file in a zip that has none

SETUP = """\
#!/usr/bin/env bash
# Runs once, when Gradescope builds the image: an environment with what companion needs.
set -euo pipefail
cd "${AUTOGRADER:-/autograder}/source"
supported() { "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; }
python=""
for name in python3.14 python3.13 python3.12 python3.11 python3; do
    if supported "$name"; then python=$name; break; fi
done
if [ -z "$python" ]; then
    apt-get update -q
    for version in 3.14 3.13 3.12 3.11; do
        if apt-get install -q -y "python$version" "python$version-venv"; then python=python$version; break; fi
    done
fi
"$python" -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
"""

RUN = """\
#!/usr/bin/env bash
# Runs for each submission.
set -euo pipefail
root="${AUTOGRADER:-/autograder}"
for closed in companion/exercises companion/grade private; do
    if [ -e "$root/source/$closed" ]; then chmod -R go-rwx "$root/source/$closed"; fi
done
chmod go-w "$root/results"
cd /
export PYTHONPATH="$root/source" PYTHONDONTWRITEBYTECODE=1
exec "${AUTOGRADER_PYTHON:-$root/source/environment/bin/python}" -m companion.grade "$root/submission" \\
    --gradescope "$root/results/results.json" --overwrite OPTIONS
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("chapter", help="whose exercises are graded, such as unrolling")
    parser.add_argument("--cohort", help="whose questions were asked (default: the book's)")
    parser.add_argument("--checks", type=Path, help="a Python file with hidden checks")
    parser.add_argument("--out", type=Path, help="the zip (default: dist/autograder-CHAPTER.zip)")
    parser.add_argument("--overwrite", action="store_true", help="write over a zip that exists")
    options = parser.parse_args(arguments)
    out = options.out or ROOT / "dist" / f"autograder-{options.chapter}.zip"
    try:
        files = contents(options.chapter, options.cohort, options.checks)
        if out.exists() and not options.overwrite:
            raise ValueError(f"{out} exists; --overwrite writes over it")
    except ValueError as refusal:
        print(refusal, file=sys.stderr)
        return 2
    out.parent.mkdir(parents=True, exist_ok=True)
    pack(files, out)
    print(f"{out}: {len(files)} files, {out.stat().st_size / 1e6:.1f} MB")
    return 0


def contents(chapter: str, cohort: str | None = None, checks: Path | None = None) -> dict[str, bytes]:
    """The files of the zip by name.

    Raises:
        ValueError: when there is no such chapter, or the hidden checks do not fit its exercises.
    """
    exercises = catalogue.of_chapter(chapter)
    if not exercises:
        chapters = dict.fromkeys(exercise.chapter for exercise in catalogue.exercises().values())
        raise ValueError(f"no exercises belong to {chapter!r}; there are {', '.join(chapters)}")
    hidden = Checks(checks)
    for exercise in exercises:
        Rubrics(exercise, cohort, hidden.of(exercise, cohort))
    words = ["--chapter", chapter, *(["--cohort", cohort] if cohort is not None else [])]
    given = " ".join(map(shlex.quote, words)) + (f' --checks "$root/source/{HIDDEN}"' if checks is not None else "")
    files = {
        "constraints.txt": (ROOT / "constraints.txt").read_bytes(),
        "requirements.txt": requirements((ROOT / "requirements.txt").read_text(encoding="utf-8")).encode(),
        "run_autograder": RUN.replace("OPTIONS", given).encode(),
        "setup.sh": SETUP.encode(),
    }
    if checks is not None:
        files[HIDDEN] = checks.read_bytes()
    for path in (ROOT / "companion").rglob("*"):
        if path.suffix in SUFFIXES and path.is_file():
            files[path.relative_to(ROOT).as_posix()] = path.read_bytes().replace(b"\r\n", b"\n")
    return files


def requirements(text: str) -> str:
    """The lines of requirements.txt that companion itself needs."""
    lines = [line for line in text.splitlines() if re.split("[=<>]", line)[0] in PACKAGES]
    return "\n".join(["-c constraints.txt", *lines]) + "\n"


def pack(files: dict[str, bytes], out: Path) -> None:
    """Write the zip; its bytes depend on the files' alone, and not on the machine or the time."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, LONGEST_AGO)
            entry.create_system = 3  # Unix, whose modes follow
            mode = 0o755 if name in ("run_autograder", "setup.sh") else 0o600 if name == HIDDEN else 0o644
            entry.external_attr = (0o100000 | mode) << 16
            file.writestr(entry, content)


if __name__ == "__main__":
    sys.exit(main())
