"""What alternative text of a figure must be, for the notebooks and for the pages built from them."""

import re

SHORTEST = 40
FILE_NAME = re.compile(r"\.(png|svg|jpe?g|gif|webp)\b|(^|\s)[./\\]*\w+/[\w./\\-]+|_build|[0-9a-f]{16,}", re.IGNORECASE)
PLACEHOLDER = re.compile(
    r"\b(todo|tbd|fixme|xxx+|lorem ipsum|alt text|placeholder|image of|picture of|figure \d+x\d+|untitled)\b"
    r"|<.*>|…$|\.\.\.$",
    re.IGNORECASE,
)


def problems_of_alternative(text: str | None) -> list[str]:
    """Why the text does not tell what a figure shows; empty when it does."""
    if not text or not text.strip():
        return ["has no alternative text"]
    text = text.strip()
    problems = []
    if FILE_NAME.search(text):
        problems.append(f"alternative text names a file: {text!r}")
    if PLACEHOLDER.search(text):
        problems.append(f"alternative text is a placeholder: {text!r}")
    if len(text) < SHORTEST:
        problems.append(f"alternative text has {len(text)} characters, which cannot say what a figure shows: {text!r}")
    if len(text.split()) < 6 or not text[0].isupper() or text[-1] not in ".!?":
        problems.append(f"alternative text is not a sentence, capital to full stop: {text!r}")
    return problems


def duplicates(named: list[tuple[str, str]]) -> list[str]:
    """Alternative texts that stand at two places; ``named`` holds (place, text)."""
    places: dict[str, list[str]] = {}
    for place, text in named:
        places.setdefault(" ".join(text.lower().split()), []).append(place)
    return [
        f"{' and '.join(where)}: the same alternative text {text!r}" for text, where in places.items() if len(where) > 1
    ]
