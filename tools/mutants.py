"""Seeded faults: break code in every way that mutation_operators.py knows, one place at a time, and see who notices.

    python tools/mutants.py                       companion, which tests and notebooks must notice: `make mutants`
    python tools/mutants.py gates rnn.cells       those of a room or a module only
    python tools/mutants.py --sample 36           some of every module, always the same ones, what `make test` runs
    python tools/mutants.py solutions             the worked solutions of the exercises, which their checks must reject
    python tools/mutants.py solutions.bptt-dU     that of one exercise only
    python tools/mutants.py --show neutral        also what each mutant of a kind was told (all: of every kind)
    python tools/mutants.py --list                their ids, nothing is run

A mutant is a text with one node of its syntax tree replaced; companion_mutants.py and exercise_mutants.py say how it is
judged. One that nothing notices either computes the same, and stands with its reason in tests/mutants.toml, under an id
that survives when lines move, or shows what the tests or the cases of an exercise miss.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path

import companion_mutants
from mutation import ENDLESS, SAME, SURVIVED, VERDICTS, Mutant, Outcome

ROOT = Path(__file__).resolve().parents[1]
LISTED = Path("tests", "mutants.toml")
REQUIRED = 0.95  # of the mutants of a room
Kinds = Mapping[str, Sequence[str]]  # how a mutant is noticed → the verdicts that say so


@dataclass(frozen=True)
class Same:
    """A mutant that is known to compute the same, in one question or always, and why."""

    question: str
    reason: str
    id: str

    def is_about(self, mutant: Mutant) -> bool:
        return self.id == mutant.id and self.question in ("always", mutant.question)


def listed(root: Path, names: Iterable[str]) -> list[Same]:
    """Those of these rooms or modules."""
    sections = tomllib.loads((root / LISTED).read_text(encoding="utf-8")).items()
    entries = [Same(question, why, id) for question, whys in sections for why, ids in whys.items() for id in ids]
    of = tuple(f"{name}." for name in names)
    return [entry for entry in entries if f"{entry.id.partition(' | ')[0]}.".startswith(of)]


def is_listed(mutant: Mutant, known: Iterable[Same]) -> bool:
    return any(entry.is_about(mutant) for entry in known)


def kind(outcome: Outcome, known: Iterable[Same]) -> str:
    """The verdict, or that nothing could have noticed it."""
    return SAME if outcome.verdict == SURVIVED and is_listed(outcome.mutant, known) else outcome.verdict


def gaps(outcomes: Iterable[Outcome], known: Sequence[Same]) -> list[Outcome]:
    """Those that survive, and of which nobody has said that they compute the same."""
    return [outcome for outcome in outcomes if kind(outcome, known) == SURVIVED]


def stale(known: Iterable[Same], mutants: Sequence[Mutant], outcomes: Sequence[Outcome]) -> dict[Same, str]:
    """What is listed and should not be, and why.

    One that was stopped is not counted as noticed: a busy machine stops what is slow.
    """
    why = {}
    for entry in known:
        if not any(entry.is_about(mutant) for mutant in mutants):
            why[entry] = "there is no such mutant now"
        for outcome in outcomes:
            if entry.is_about(outcome.mutant) and outcome.verdict not in (SURVIVED, ENDLESS):
                why[entry] = " ".join(("noticed by", *outcome.said.splitlines()[:1]))
    return why


def sample(mutants: Iterable[Mutant], number: int) -> list[Mutant]:
    """So many in all, as evenly from the modules as can be; a change of the code changes few of them."""
    drawn: dict[str, list[Mutant]] = {}
    for mutant in sorted(mutants, key=lambda mutant: hashlib.sha256(mutant.id.encode()).digest()):
        drawn.setdefault(mutant.module, []).append(mutant)
    turns = [mutant for turn in zip_longest(*(drawn[module] for module in sorted(drawn))) for mutant in turn if mutant]
    return turns[:number]


# --- what is printed -------------------------------------------------------------------------------------------------


def table(outcomes: Sequence[Outcome], known: Sequence[Same], kinds: Kinds) -> str:
    """A row a module and a row an operator: what became of their mutants, and the share that was noticed.

    What is known to compute the same is a column of its own; the last share is of the others.
    """
    heads = ("mutants", *(verdict for verdicts in kinds.values() for verdict in verdicts), SURVIVED, SAME)
    groups = (*dict.fromkeys(o.mutant.module for o in outcomes), *dict.fromkeys(o.mutant.operator for o in outcomes))
    width = max(map(len, groups), default=0) + 1
    lines = [" " * width + "".join(f"{head:>{len(head) + 2}}" for head in (*heads, "noticed", "without same"))]
    for group in (*groups, "all"):
        of = [o for o in outcomes if group in (o.mutant.module, o.mutant.operator, "all")]
        counted = Counter(kind(outcome, known) for outcome in of)
        counted["mutants"] = len(of)
        noticed = len(of) - counted[SURVIVED] - counted[SAME]
        shares = f"{share(noticed, len(of)):>9}{share(noticed, len(of) - counted[SAME]):>14}"
        lines.append(f"{group:<{width}}" + "".join(f"{counted[head]:{len(head) + 2}}" for head in heads) + shares)
    return "\n".join(lines)


def share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def summary(outcomes: Sequence[Outcome], known: Sequence[Same], kinds: Kinds) -> str:
    counted = Counter(kind(outcome, known) for outcome in outcomes)
    wrong = len(outcomes) - counted[SAME]
    parts = {words: sum(counted[verdict] for verdict in verdicts) for words, verdicts in kinds.items()}
    told = ", ".join(f"{number} ({share(number, wrong)}) {words}" for words, number in parts.items())
    return f"of {wrong} that do not compute the same {wrong - counted[SURVIVED]} were noticed: {told}"


def judgement(
    names: Iterable[str], known: Sequence[Same], mutants: Sequence[Mutant], outcomes: Sequence[Outcome]
) -> int:
    """0 if each was noticed or is listed, what is listed is right, and enough were noticed where rooms are named."""
    for outcome in (missed := gaps(outcomes, known)):
        print(f"survived and not listed in {LISTED.as_posix()}: {outcome.mutant}")
    for entry, why in (old := stale(known, mutants, outcomes)).items():
        print(f"listed in {LISTED.as_posix()}, but {why}: {entry.id} ({entry.question})")
    noticed = 1 - sum(outcome.verdict == SURVIVED for outcome in outcomes) / len(outcomes)
    print(f"{noticed:.1%} of all were noticed, {REQUIRED:.0%} of a room required")
    return int(bool(missed or old) or (noticed < REQUIRED and not any("." in name for name in names)))


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    rooms = ", ".join((*companion_mutants.BROKEN, "solutions"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{rooms}, or one module or exercise of it")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="N that are not listed, of all modules")
    parser.add_argument("--list", action="store_true", help="print the ids and stop")
    parser.add_argument("--show", choices=("all", *VERDICTS), help="print each mutant of a kind and what it was told")
    parser.add_argument("--workers", type=int, default=2, help="processes that run tests")
    late = "seconds a test run may last beyond ten times what the unchanged code needs, before it counts as endless"
    parser.add_argument("--patience", type=float, default=30.0, help=late)
    options = parser.parse_args(arguments)

    names, begun = options.names or list(companion_mutants.BROKEN), time.monotonic()
    known = listed(root, names)
    judged: Callable[[Sequence[Mutant]], Sequence[Outcome]]
    if names[0].partition(".")[0] == "solutions":
        import exercise_mutants  # and companion, which a process that tests its mutants must not have loaded

        every, judged, kinds = exercise_mutants.every_mutant(names), exercise_mutants.judged, exercise_mutants.KINDS
    else:
        every, kinds = companion_mutants.every_mutant(root, names), companion_mutants.KINDS
        ids = [entry.id for entry in known]
        judged = partial(companion_mutants.judged, root, ids, options.workers, options.patience)
    if options.list:
        print(*every, sep="\n")
        return 0
    if options.sample:
        drawn = sample([mutant for mutant in every if not is_listed(mutant, known)], options.sample)
    outcomes = judged(drawn if options.sample else every)

    for outcome in outcomes:
        if options.show in ("all", kind(outcome, known)):
            print(f"\n{outcome.mutant}    [{kind(outcome, known)}]\n{outcome.said}")
    print(table(outcomes, known, kinds))
    code = judgement(names, known, every, outcomes)
    print(f"{summary(outcomes, known, kinds)}; {time.monotonic() - begun:.0f} s")
    return code


if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    sys.exit(main())
