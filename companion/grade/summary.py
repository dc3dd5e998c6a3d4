"""A page about a class: which exercises fail, which misconceptions are common, who had problems."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Sequence

from companion.grade.marking import Record
from companion.grade.outputs import columns, told

_STATES = {  # class in the page -> states it stands for, and what the legend calls them
    "passed": (("passed",), "passed"),
    "failed": (("failed",), "not right"),
    "none": (("not attempted", "not defined"), "not attempted or not defined"),
    "lost": (("lost",), "could not be graded"),
}
_MOST = 15  # misconceptions shown

_STYLE = """
:root { color-scheme: light dark; --text: #1c2024; --quiet: #5c636b; --page: #fdfdfc; --line: #d5d8db;
  --passed: #0072b2; --failed: #d55e00; --none: #c3c7cc; --lost: #4a4f55 }
@media (prefers-color-scheme: dark) { :root { --text: #e6e8ea; --quiet: #a4abb3; --page: #16191c; --line: #3a4046;
  --passed: #56a8e0; --failed: #f0955a; --none: #5c636b; --lost: #d5d8db } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1rem; max-width: 56rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
.quiet { color: var(--quiet) }
ul { list-style: none; padding: 0; margin: 0 } li { padding: .5rem 0; border-top: 1px solid var(--line) }
.row { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem }
.bar { display: flex; height: .9rem; margin-top: .3rem; border-radius: .2rem; overflow: hidden }
.passed { background: var(--passed) } .failed { background: var(--failed) }
.none { background: var(--none) } .lost { background: var(--lost) }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin-bottom: .8rem }
.legend i { display: inline-block; width: .9rem; height: .9rem; border-radius: .2rem; margin-right: .4rem;
  vertical-align: -.1rem }
code { font-size: .95em }
"""


def page(records: Sequence[Record]) -> str:
    """The whole page; it loads nothing from elsewhere."""
    notebooks = [(record["student"], notebook) for record in records for notebook in record["notebooks"]]
    chapters = ", ".join(sorted({notebook["chapter"] for _, notebook in notebooks}))
    total = sum(notebook["score"] for _, notebook in notebooks)
    most = sum(notebook["out of"] for _, notebook in notebooks)
    share = f", {100 * total / most:.0f} % of all points" if most else ""
    legend = "".join(f'<span><i class="{name}"></i>{text}</span>' for name, (_, text) in _STATES.items())
    return "\n".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Grades: {_safe(chapters)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
            f"<h1>{_safe(chapters)}</h1>",
            f'<p class="quiet">{_count(len(records), "student")}, {_count(len(notebooks), "notebook")}{share}</p>',
            f'<h2>Exercises</h2>\n<div class="legend">{legend}</div>\n<ul>',
            *_exercises(records),
            "</ul>\n<h2>What went wrong most</h2>\n<ul>",
            *_misconceptions(records),
            "</ul>\n<h2>Submissions to look at</h2>\n<ul>",
            *_problems(notebooks),
            "</ul>\n</body>\n</html>\n",
        )
    )


def _exercises(records: Sequence[Record]) -> Iterator[str]:
    entries = [entry for record in records for notebook in record["notebooks"] for entry in notebook["exercises"]]
    titles = {entry["id"]: entry["title"] for entry in entries}
    for id in columns(records):
        states = Counter(entry["state"] for entry in entries if entry["id"] == id)
        counts = {name: sum(states[state] for state in stands) for name, (stands, _) in _STATES.items()}
        passed, number = counts["passed"], sum(counts.values())
        said = ", ".join(f"{counts[name]} {text}" for name, (_, text) in _STATES.items() if counts[name])
        parts = "".join(f'<span class="{name}" style="flex:{count}"></span>' for name, count in counts.items() if count)
        yield (
            f'<li><div class="row"><span><code>{_safe(id)}</code> {_safe(titles[id])}</span>'
            f"<span>{passed} of {number}</span></div>"
            f'<div class="bar" role="img" aria-label="{said}" title="{said}">{parts}</div></li>'
        )


def _misconceptions(records: Sequence[Record]) -> Iterator[str]:
    count: Counter[tuple[str, str]] = Counter()
    for record in records:
        for notebook in record["notebooks"]:
            for entry in notebook["exercises"]:
                kinds = {finding["title"] for finding in entry["findings"] if finding["kind"] == "misconception"}
                count.update((entry["id"], title) for title in kinds)
    for (id, title), number in sorted(count.items(), key=lambda item: (-item[1], item[0]))[:_MOST]:
        yield (
            f'<li><div class="row"><span><code>{_safe(id)}</code> {_safe(title)}</span>'
            f"<span>{_count(number, 'student')}</span></div></li>"
        )
    if not count:
        yield "<li>No answer showed a listed misconception.</li>"


def _problems(notebooks: Sequence[tuple[str, Record]]) -> Iterator[str]:
    found = False
    for student, notebook in notebooks:
        lines = told(notebook)
        if lines:
            found = True
            score = f"{notebook['score']} of {notebook['out of']}"
            yield (
                f'<li><div class="row"><strong>{_safe(student)}</strong><span>{score}</span></div>'
                + "".join(f"<div>{_safe(line)}</div>" for line in lines)
                + "</li>"
            )
    if not found:
        yield "<li>None.</li>"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"


def _safe(text: str) -> str:
    return html.escape(text)
