"""A Chromium without a network and the built site served to it, for the browser tests and the screenshots."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "html"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Google/Chrome/Application/chrome.exe",
)
# The resolver rule closes the network for what no event of the page reports: workers, prefetches, the browser itself.
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def find_chromium() -> str | None:
    """The browser that UNROLLED_CHROMIUM names, or one that is installed."""
    named = os.environ.get("UNROLLED_CHROMIUM")
    if named:
        return shutil.which(named)
    return next((path for name in (*NAMES, *PLACES) if (path := shutil.which(name))), None)


@contextmanager
def serve(directory: Path = SITE) -> Iterator[str]:
    """Serve a directory on this machine only; gives its address, ending in a slash."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(directory)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def browser(executable: str) -> Iterator[Browser]:
    # Chromium refuses its sandbox to root, which is who runs in most containers
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=executable, args=[*FLAGS, *(["--no-sandbox"] if as_root else [])]
        )
        try:
            yield opened
        finally:
            opened.close()


def html_pages(directory: Path = SITE) -> list[str]:
    """Every page of the built site by its path, without the redirection at the root."""
    pages = (path.relative_to(directory).as_posix() for path in directory.rglob("*.html"))
    return sorted(page for page in pages if page != "index.html" and not page.startswith("_"))


READY = """async () => {
  if (window.MathJax && window.MathJax.startup) { await window.MathJax.startup.promise; }
  await document.fonts.ready;
  await Promise.all(Array.from(document.images, image => {
    image.loading = "eager";
    return image.complete ? null : new Promise(done => { image.onload = image.onerror = done; });
  }));
}"""
