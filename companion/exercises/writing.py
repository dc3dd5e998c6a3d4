"""How texts come onto a page: as HTML in notebooks, and in terminals that cannot write every character."""

from __future__ import annotations

import html
import re
import sys
import unicodedata

_KEPT = re.compile(r"`[^`]+`|\$\$.+?\$\$|\$[^$]+\$", re.DOTALL)  # code and formulas, in which no mark means anything
_TRANSLITERATED = {
    **{"✓": "ok", "✗": "wrong", "○": "-"},  # the marks of reports and progress
    **{"–": "-", "—": "-", "−": "-", "·": "*", "⊙": "*", "×": "x", "→": "->", "⇒": "=>", "∂": "d", "∞": "infinity"},
    **{"’": "'", "‘": "'", "“": '"', "”": '"', "′": "'", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "…": "..."},
}


def as_html(text: str) -> str:
    """The paragraphs of a text with its `code`, *stress*, **weight** and $formulas$, the last to be typeset there.

    JupyterLab typesets formulas in any HTML output; the site, only where it is told so by the class ``math``.
    """
    return "".join(f"<p>{_marked(paragraph)}</p>" for paragraph in re.split(r"\n\s*\n", text.strip()) if paragraph)


def _marked(paragraph: str) -> str:
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found[0])
        return f"\0{len(kept) - 1}\0"

    text = html.escape(_KEPT.sub(keep, paragraph), quote=False)
    text = re.sub(r"\*\*(\S(?:.*?\S)?)\*\*", r"<strong>\1</strong>", text, flags=re.DOTALL)
    text = re.sub(r"\*(\S(?:.*?\S)?)\*", r"<em>\1</em>", text, flags=re.DOTALL)
    return re.sub(r"\0(\d+)\0", lambda found: _tagged(kept[int(found[1])]), text)


def _tagged(piece: str) -> str:
    width = 2 if piece.startswith("$$") else 1
    inner = html.escape(piece[width:-width], quote=False)
    if piece.startswith("`"):
        return f"<code>{inner}</code>"
    opening, closing = (r"\[", r"\]") if piece.startswith("$$") else (r"\(", r"\)")
    return f'<span class="math">{opening}{inner}{closing}</span>'


def writable(text: str) -> str:
    """The text as standard output can write it: each other character is written out, or is '?' where that fails."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text if _fits(text, encoding) else "".join(_written(character, encoding) for character in text)


def _written(character: str, encoding: str) -> str:
    if _fits(character, encoding):
        return character
    greek = re.search(r"GREEK .* LETTER (?:FINAL )?(\w+)$", unicodedata.name(character, ""))
    plain = greek[1].lower() if greek else _TRANSLITERATED.get(character) or unicodedata.normalize("NFKD", character)
    return "".join(c for c in plain if not unicodedata.combining(c) and _fits(c, encoding)) or "?"


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    except LookupError:  # nobody knows this encoding, the stream itself included
        return True
    return True
