"""The built book, a browser, and the book served to it; skipped where they are missing, but in CI part of the claim."""

import pytest
from browser import SITE, browser, find_chromium, serve
from missing import missing


@pytest.fixture(scope="module")
def built():
    if not SITE.is_dir():
        missing("the book is not built: run `python run.py book` first")


@pytest.fixture(scope="module")
def chromium(built):
    executable = find_chromium()
    if executable is None:
        missing("no Chromium or Chrome found: install one, or name it in UNROLLED_CHROMIUM")
    with browser(executable) as opened:
        yield opened


@pytest.fixture(scope="module")
def site():
    with serve() as address:
        yield address
