"""The record of one student as Gradescope's results.json."""

from __future__ import annotations

import json
from typing import Any

from companion.grade.marking import Record

_SAID = {
    "passed": "Passed.",
    "failed": "Not yet right.",
    "not attempted": "Not attempted.",
    "not defined": "",
    "lost": "Not graded.",
}


def results(record: Record) -> str:
    """One test for each exercise, one point each; what a hidden check is about stays unsaid."""
    notebooks = record["notebooks"]
    tests = [_test(entry) for notebook in notebooks for entry in notebook["exercises"]]
    content: dict[str, Any] = {
        "score": sum(notebook["score"] for notebook in notebooks),
        "execution_time": round(sum(notebook["seconds"] for notebook in notebooks), 1),
        "output": "\n".join(line for notebook in notebooks for line in _about(notebook)),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def text(record: Record) -> str:
    """The same to read: what a student may be sent."""
    parts = []
    for notebook in record["notebooks"]:
        parts.append("\n".join(_about(notebook)))
        for entry in notebook["exercises"]:
            mark = "✓" if entry["state"] == "passed" else "✗"
            parts.append("\n  ".join((f"{mark} {entry['id']}: {entry['title']}", *_output(entry))))
    return "\n\n".join(parts) + "\n"


def _about(notebook: Record) -> list[str]:
    named = f"{notebook['notebook']}: " if notebook["notebook"] else ""
    lines = [f"{named}{notebook['score']} of {notebook['out of']} exercises passed."]
    lines += [f"{text[:1].upper()}{text[1:]}." for text in (*notebook["reasons"], *notebook["remarks"])]
    return lines + [f"Cell {cell['cell']}: {cell['problem']}" for cell in notebook["cells"]]


def _test(entry: Record) -> dict[str, Any]:
    passed = entry["state"] == "passed"
    return {
        "name": f"{entry['id']}: {entry['title']}",
        "score": int(passed),
        "max_score": 1,
        "status": "passed" if passed else "failed",
        "output": "\n".join(_output(entry)),
        "visibility": "visible",
    }


def _output(entry: Record) -> list[str]:
    lines = [said] if (said := _SAID[entry["state"]]) else []
    if entry["reason"]:
        lines.append(f"{entry['reason'][:1].upper()}{entry['reason'][1:]}.")
    if entry["state"] == "failed" and len(entry["cases"]) > 1:
        lines += [f"{'✓' if right else '✗'} {name}" for name, right in entry["cases"]]
    for finding in entry["findings"]:
        lines += [text for text in (finding["title"], finding["text"]) if text]
    return lines
