"""Photograph every page of the built book: wide, wide in the dark theme, phone, phone in the dark theme.

    python tools/screenshots.py [PAGE …]     PNG files in reports/screenshots/

A page is part of its address, such as `unrolling`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from browser import READY, ROOT, SITE, browser, find_chromium, html_pages, serve

WIDTHS = {"wide": 1300, "phone": 390}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def main(wanted: list[str], site: Path = SITE, folder: Path = ROOT / "reports" / "screenshots") -> int:
    executable = find_chromium()
    if executable is None:
        print("No Chromium or Chrome found: install one, or name it in UNROLLED_CHROMIUM.", file=sys.stderr)
        return 1
    pages = [page for page in html_pages(site) if not wanted or any(name in page for name in wanted)]
    if not pages:
        print("No such page in the built book. Build it with `python run.py book`.", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    with serve(site) as address, browser(executable) as chromium:
        for width_name, width in WIDTHS.items():
            for theme in THEMES:
                context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
                context.add_init_script(f"localStorage.mode = localStorage.theme = '{theme}'")
                page = context.new_page()
                for path in pages:
                    page.goto(address + path)
                    page.evaluate(READY)
                    name = path.removesuffix(".html").replace("/", "-")
                    page.screenshot(path=folder / f"{name}-{width_name}-{theme}.png", full_page=True)
                context.close()
    print(f"{len(pages) * len(WIDTHS) * len(THEMES)} pictures in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
