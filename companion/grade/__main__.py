"""Grade a folder of notebooks.

    python -m companion.grade SUBMISSIONS --out grades.csv
    python -m companion.grade SUBMISSIONS --out grades.csv --shard 2/8      one of eight jobs
    python -m companion.grade --merge --out grades.csv                      what the eight jobs left, in one table
    python -m companion.grade FOLDER --gradescope results.json              one student's folder

SUBMISSIONS holds a notebook for each student (NAME.ipynb) or a folder for each (NAME/…). Results are grades.csv,
grades.html, and in grades-students/ for each student a JSON with all findings and a text to send. Nothing that exists
is overwritten without --overwrite.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

from companion.exercises import catalogue
from companion.grade import gradescope, outputs, submissions, summary
from companion.grade.hidden import Checks
from companion.grade.marking import Marker, Record, Settings, preloaded
from companion.grade.notices import notices
from companion.grade.outputs import Outputs
from companion.grade.progress import Progress
from companion.grade.session import Examiner, Limits
from companion.grade.submissions import Submission
from companion.grade.texts import clean

INTERRUPTED = 130
PAUSE = 0.5  # seconds between looks at the keyboard, where a wait cannot be interrupted


class Refusal(Exception):
    """Why nothing was graded."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        if options.merge:
            return merge(Outputs(_table(options.out)), overwrite=options.overwrite)
        if options.submissions is None:
            raise Refusal("name the folder of submissions")
        return grade(options)
    except (Refusal, ValueError) as refusal:
        print(refusal, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m companion.grade", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("submissions", nargs="?", type=Path, metavar="SUBMISSIONS", help="the folder")
    add("--out", type=Path, metavar="CSV", help="the table to write; other results stand beside it")
    add("--gradescope", type=Path, metavar="JSON", help="SUBMISSIONS is one student's; write Gradescope's results.json")
    add("--chapter", help="whose exercises to grade (default: what each notebook says)")
    add("--cohort", help="whose questions were asked (default: the book's)")
    add("--checks", type=Path, metavar="FILE", help="Python file with hidden checks")
    add("--students", type=Path, metavar="FILE", help="a name a line: who is missing appears with zero")
    add("--jobs", type=int, default=_processors(), metavar="N", help="submissions at once (default: %(default)s)")
    add("--seconds", type=float, default=Limits.total, metavar="S", help="for a submission (default: %(default)g)")
    add(
        "--memory", type=float, default=Limits.memory / 2**30, metavar="GB", help="for a process (default: %(default)g)"
    )
    add("--shard", metavar="I/N", help="grade only every Nth student, the Ith part")
    add("--merge", action="store_true", help="join the results of all shards into one table")
    add("--resume", action="store_true", help="keep the students whose notebooks and settings have not changed")
    add("--overwrite", action="store_true", help="write over results that exist")
    return parser


def grade(options: argparse.Namespace) -> int:
    """Grade what the options name; the exit status."""
    limits = _limits(options)
    if options.jobs < 1:
        raise Refusal(f"--jobs: expected a whole number from 1, got {options.jobs}")
    if options.chapter is not None and not catalogue.of_chapter(options.chapter):
        chapters = dict.fromkeys(exercise.chapter for exercise in catalogue.exercises().values())
        raise Refusal(f"--chapter: no exercises belong to {options.chapter!r}; there are {', '.join(chapters)}")
    shard = _shard(options.shard)
    alone = options.gradescope is not None
    found = _one(options.submissions) if alone else submissions.find(options.submissions)
    checks = Checks(options.checks)
    usual = options.chapter or submissions.chapter_of_class(submissions.read(p) for s in found for p in s.paths)
    if usual is None:
        raise Refusal("no notebook says which chapter it is of; name it with --chapter")
    if options.students is not None and not alone:
        absent, strange = submissions.compared(found, submissions.listed(options.students))
        found = sorted([*found, *absent], key=lambda submission: submission.student)
        if strange:
            print(f"not in {options.students.name}: {', '.join(map(clean, strange))}", file=sys.stderr)
    settings = Settings(options.chapter, usual, options.cohort, limits)
    examiner = Examiner(limits, preloaded(found))
    marker = Marker(settings, checks, examiner)
    marker.rubrics(usual)  # a hidden check that does not fit is refused before anything is graded
    if alone:
        return _for_gradescope(options, marker, found[0])
    place = Outputs(_table(options.out))
    if place.table.parent.resolve() == options.submissions.resolve():
        raise Refusal(f"{place.table} would lie among the submissions, and be taken for one; name another folder")
    if shard is not None:
        found = [submission for submission in found if submissions.in_shard(submission.student, shard)]
        place = place.of_shard(shard)
    if not (options.resume or options.overwrite):
        _refuse_existing(place)
    print(" ".join(notices(options.checks)), file=sys.stderr)
    return _grade_all(marker, examiner, found, place, options)


def _grade_all(
    marker: Marker, examiner: Examiner, found: Sequence[Submission], place: Outputs, options: argparse.Namespace
) -> int:
    kept = {s.student: record for s in found if (record := _kept(marker, s, place, options.resume)) is not None}
    left = [submission for submission in found if submission.student not in kept]
    if options.resume:
        print(f"{len(kept)} of {len(found)} were graded before", file=sys.stderr)
    if options.overwrite and not options.resume:
        outputs.remove_records(place)
    records, failures, progress = dict(kept), dict[str, str](), Progress(len(left))

    def mark(submission: Submission) -> Record:
        record = marker.mark(submission)
        outputs.write_record(place.of(submission.student), record)  # done, whatever comes after it
        return record

    pool = ThreadPoolExecutor(options.jobs)
    futures = {pool.submit(mark, submission): submission for submission in left}
    waiting = set(futures)
    try:
        while waiting:
            ended, waiting = wait(waiting, PAUSE, FIRST_COMPLETED)
            for future in ended:
                student = futures[future].student
                try:
                    records[student] = future.result()
                except Exception as error:  # the system's fault, or ours, and not the student's
                    failures[student] = f"{type(error).__name__}: {error}"
                progress.step()
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        examiner.stop()
        pool.shutdown(wait=True)
        records |= {futures[f].student: f.result() for f in waiting if not f.cancelled() and f.exception() is None}
        print(f"\nStopped. {len(records)} of {len(found)} are graded; --resume goes on from there.", file=sys.stderr)
        return INTERRUPTED
    pool.shutdown()
    for student, failure in sorted(failures.items()):
        print(f"{student} was not graded, through no fault of its own: {failure}", file=sys.stderr)
    if failures:
        print("No table was written. The same command with --resume grades those that are missing.", file=sys.stderr)
        return 1
    _write_table(place, list(records.values()))
    _tell_left(place, found)
    return 0


def _tell_left(place: Outputs, found: Sequence[Submission]) -> None:
    """Say which students an earlier run has graded who are not there any more."""
    files = {place.of(submission.student).name for submission in found}
    left = sorted(path.stem for path in place.students.glob("*.json") if path.name not in files)
    if left:
        names = ", ".join(map(clean, left))
        print(f"In {place.students.name}/, but no longer among the submissions: {names}", file=sys.stderr)


def _kept(marker: Marker, submission: Submission, place: Outputs, resume: bool) -> Record | None:
    """The record of an earlier run, if it is still what this one would write."""
    record = outputs.read_record(place.of(submission.student)) if resume else None
    if record is None or record.get("settings") != marker.digest:
        return None
    return record if record.get("submission") == submissions.digest(submission) else None


def _write_table(place: Outputs, records: Sequence[Record]) -> None:
    records = sorted(records, key=lambda record: str(record["student"]))
    outputs.write(place.table, outputs.table(records))
    outputs.write(place.summary, summary.page(records))
    print(f"{place.table}, {place.summary.name}, {place.students.name}/", file=sys.stderr)


def _for_gradescope(options: argparse.Namespace, marker: Marker, submission: Submission) -> int:
    if options.gradescope.exists() and not options.overwrite:
        raise Refusal(f"{options.gradescope} exists; --overwrite writes over it")
    outputs.write(options.gradescope, gradescope.results(marker.mark(submission)))
    return 0


def merge(place: Outputs, *, overwrite: bool) -> int:
    """Join the results of all shards."""
    pattern = re.compile(re.escape(place.table.stem) + r"-(\d+)of(\d+)" + re.escape(place.table.suffix))
    shards = {(int(m[1]), int(m[2])) for path in place.table.parent.iterdir() if (m := pattern.fullmatch(path.name))}
    counts = {count for _, count in shards}
    if len(counts) != 1:
        many = f"shards of {' and of '.join(map(str, sorted(counts)))}" if counts else "no shard's table"
        raise Refusal(f"beside {place.table} there are {many}; expected those of one run")
    (count,) = counts
    missing = [f"{number}/{count}" for number in range(1, count + 1) if (number, count) not in shards]
    if missing:
        raise Refusal(f"shards that have not finished: {', '.join(missing)}")
    if not overwrite:
        _refuse_existing(place)
    records = [record for shard in sorted(shards) for record in outputs.records_of(place.of_shard(shard))]
    if len({record["settings"] for record in records}) > 1:
        raise Refusal("the shards were graded with different settings, or with different versions of the course")
    for record in records:
        outputs.write_record(place.of(str(record["student"])), record)
    _write_table(place, records)
    return 0


def _refuse_existing(place: Outputs) -> None:
    if existing := place.existing():
        names = ", ".join(path.name for path in existing)
        raise Refusal(f"{names} exist already; --resume goes on from there, --overwrite begins anew")


def _table(path: Path | None) -> Path:
    if path is None:
        raise Refusal("name the table to write with --out, such as --out grades.csv")
    if path.suffix.lower() != ".csv":
        raise Refusal(f"--out: expected a name that ends in .csv, got {path.name}")
    return path


def _limits(options: argparse.Namespace) -> Limits:
    if not options.seconds > 0 or not options.memory > 0:
        raise Refusal("--seconds and --memory: expected a number above 0")
    return Limits(total=options.seconds, cell=options.seconds / 3, memory=int(options.memory * 2**30))


def _processors() -> int:
    """How many this process may use: in a queue, fewer than there are."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise Refusal(f"--shard: expected I/N with I from 1 to N, such as 2/8, got {text}")
    return int(match[1]), int(match[2])


def _one(folder: Path) -> list[Submission]:
    if not folder.is_dir():
        raise Refusal(f"{folder} is no folder")
    return [Submission(folder.resolve().name, tuple(submissions.notebooks_under(folder)))]


def _end(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)  # a queue that wants its machine back: as Ctrl+C
    sys.exit(main())
