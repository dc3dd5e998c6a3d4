"""The code excerpts of the chapters on gated networks occur in companion/gates/cells.py.

An excerpt is an indented block of a chapter's text that starts with `def step`, `def slopes` or `def back`. It may
leave out annotations and comments and break lines elsewhere, and "…" stands for anything; otherwise it is one method.
"""

import re

import pytest
from notebooks import ROOT

CHAPTERS = ("long-short-term-memory", "lstm-backwards", "gated-variants")
START = re.compile(r"    def (step|slopes|back)\b")


def excerpts(text):
    """The methods shown in a chapter's text, each as its lines joined."""
    text = re.sub(r"^```\{code-cell\}.*?^```$", "", text, flags=re.S | re.M)
    found = []
    inside = False
    for line in text.splitlines():
        if START.match(line):
            found.append([])
            inside = True
        elif line and not line.startswith("    "):
            inside = False
        if inside:
            found[-1].append(line)
    return ["\n".join(lines) for lines in found]


def methods(source):
    """The methods step, slopes and back of a module's classes, without annotations."""
    found = re.findall(
        r"^    def (?:step|slopes|back)\b.*?(?=^    def |^class |^@|^def |\Z)", source, flags=re.S | re.M
    )
    plain = []
    for method in found:
        signature, body = method.split(":\n", 1)
        signature = re.sub(r" -> .*", "", signature)
        plain.append(re.sub(r": \w+", "", signature) + ":\n" + body)
    return plain


def bare(code):
    """Code without comments, white space and trailing commas."""
    code = re.sub(r"#.*", "", code)
    return re.sub(r",([)\]}])", r"\1", re.sub(r"\s+", "", code))


def occurs(excerpt, source):
    pattern = re.escape(bare(excerpt)).replace("…", ".*")
    return any(re.fullmatch(pattern, bare(method)) for method in methods(source))


SOURCE = (ROOT / "companion" / "gates" / "cells.py").read_text(encoding="utf-8")
SHOWN = [
    pytest.param(excerpt, id=f"{name}-{number}")
    for name in CHAPTERS
    for number, excerpt in enumerate(excerpts((ROOT / "book" / "text" / f"{name}.md").read_text(encoding="utf-8")), 1)
]


@pytest.mark.parametrize("excerpt", SHOWN)
def test_an_excerpt_is_the_code(excerpt):
    assert occurs(excerpt, SOURCE)


def test_every_chapter_shows_code():
    assert {shown.id.rpartition("-")[0] for shown in SHOWN} == set(CHAPTERS)


@pytest.mark.parametrize("excerpt", SHOWN)
@pytest.mark.parametrize(("old", "new"), [("*", "+"), ('"h"', '"g"'), ("return", "yield"), ("w, ", "")])
def test_a_changed_excerpt_is_found_out(excerpt, old, new):
    for place in (match.start() for match in re.finditer(re.escape(old), re.sub("#.*", "", excerpt))):
        code = re.sub("#.*", "", excerpt)
        assert not occurs(code[:place] + new + code[place + len(old) :], SOURCE)


def test_an_excerpt_that_ends_early_or_lacks_a_line_is_found_out():
    shown = SHOWN[0].values[0].rstrip().splitlines()
    for left_out in range(1, len(shown)):
        assert not occurs("\n".join(shown[:left_out] + shown[left_out + 1 :]), SOURCE)
