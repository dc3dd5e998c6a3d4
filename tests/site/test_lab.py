"""The desk in a real JupyterLab, as `make lab` starts it: a chapter reads as on the page, an exercise is done.

The server has folders of its own, a free port, and no browser but the one of this test.
"""

import io
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

import desk_copies as desk
import nbformat
import numpy as np
import pytest
from browser import ROOT
from matplotlib.image import imread
from nbformat.sign import NotebookNotary

sys.path.insert(0, str(ROOT))

import run

CHAPTER, MOVING = "book/unrolling", "book/worked-backward-pass"
CHECKED = 'check("elman-step"'
EXERCISE = next(
    path.relative_to(ROOT).with_suffix("").as_posix()
    for path in sorted((ROOT / "exercises").glob("*.ipynb"))
    if path.stem != "index" and CHECKED.replace('"', '\\"') in path.read_text(encoding="utf-8")
)
STEP = """def elman_step(W_xh, W_hh, b_h, x_t, h_before):
    return np.tanh(x_t @ W_xh.T + h_before @ W_hh{} + b_h)"""
RAW = re.compile(r":::|\{[\w:]+\}`|^% |^\([\w-]+\)=|\[\]\(|\\tag|\$\$", re.MULTILINE)
# JupyterLab draws cells one after the other, then their formulas; the kernel tells who it is when it has started
READY = """([cells, equations]) => {
  const panel = document.querySelector(".jp-NotebookPanel");
  return panel && panel.querySelectorAll(".jp-Cell").length === cells
    && panel.querySelectorAll("mjx-assistive-mml mlabeledtr > mtd:first-child").length === equations
    && !Array.from(panel.querySelectorAll(".jp-MarkdownCell")).some(cell => /^$|\\$/.test(cell.innerText.trim()))
    && panel.querySelector(".jp-Notebook-ExecutionIndicator[data-status=idle]");
}"""
SEE = """() => {
  const panel = document.querySelector(".jp-NotebookPanel:not(.lm-mod-hidden)");
  const all = (selector, of = panel) => Array.from(of.querySelectorAll(selector));
  return {
    text: all(".jp-RenderedMarkdown").map(cell => cell.innerText).join("\\n"),
    boxes: all(".jp-RenderedMarkdown blockquote").map(box => getComputedStyle(box).borderLeftWidth),
    answers: all(".jp-RenderedMarkdown details").map(answer => answer.open),
    equations: all("mjx-assistive-mml mlabeledtr > mtd:first-child").map(number => number.textContent),
    errors: all("mjx-merror").map(error => error.outerHTML.slice(0, 200)),
    shown: all(".jp-CodeCell").map(cell => all(".jp-InputArea-editor", cell).some(editor => editor.offsetHeight > 0)),
    captions: all(".jp-CodeCell:has(.jp-RenderedImage) + .jp-MarkdownCell").map(cell => cell.innerText.trim()),
    dirty: document.querySelectorAll(".jp-mod-dirty").length,
    light: document.body.dataset.jpThemeLight,
  };
}"""


@dataclass(frozen=True)
class Lab:
    """A server, and the notebooks that stand on its desk."""

    address: str
    token: str
    copies: dict

    def open(self, page, notebook: str) -> None:
        cells = self.copies[notebook].cells
        equations = sum(cell.source.count("\\tag{") for cell in cells)
        page.goto(f"{self.address}/lab/tree/{notebook}.ipynb?token={self.token}&reset")
        page.wait_for_function(READY, arg=[len(cells), equations], timeout=90_000)


@pytest.fixture(scope="module")
def copies(chromium):
    paths = (path for folder in desk.FOLDERS for path in (ROOT / folder).glob("*.ipynb"))
    sources = {
        path.relative_to(ROOT).with_suffix("").as_posix(): nbformat.read(path, as_version=4) for path in sorted(paths)
    }
    course = desk.course(ROOT, sources)
    return {page: desk.desk_copy(sources[page], page, course) for page in (CHAPTER, MOVING, EXERCISE)}


@pytest.fixture(scope="module")
def lab(copies, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    (folder / "data").mkdir()
    notary = NotebookNotary(data_dir=str(folder / "data"))
    for page, copy in copies.items():
        desk.place(copy, folder / "desk" / f"{page}.ipynb", notary)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = Lab(f"http://127.0.0.1:{port}", "of-this-test", copies)
    command = [
        *run.lab_command(sys.executable, folder / "desk", folder / "tabs"),
        *("--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
        f"--IdentityProvider.token={found.token}",
    ]
    own = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    around = {**os.environ, **own, "PYTHONPATH": str(ROOT), "UNROLLED_PROGRESS": str(folder / "progress.jsonl")}
    around.pop("MPLBACKEND", None)
    with (folder / "log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=around, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for(found, server, folder / "log")
        yield found
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()


def wait_for(lab: Lab, server, log) -> None:
    for _ in range(240):
        try:
            with urllib.request.urlopen(f"{lab.address}/api/status?token={lab.token}", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert server.poll() is None, log.read_text(encoding="utf-8")[-2000:]
            time.sleep(0.25)
    pytest.fail(log.read_text(encoding="utf-8")[-2000:])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_chapter_reads_as_on_the_page(chromium, lab, theme):
    context = chromium.new_context(color_scheme=theme, viewport={"width": 1400, "height": 15_000})
    page = context.new_page()
    lab.open(page, CHAPTER)
    figure = page.locator(".jp-RenderedImage img").first
    picture = imread(io.BytesIO(figure.screenshot()), format="png")
    seen, width = page.evaluate(SEE), figure.bounding_box()["width"]
    context.close()
    code = [cell for cell in lab.copies[CHAPTER].cells if cell.cell_type == "code"]
    folded = [cell.metadata.get("jupyter", {}).get("source_hidden", False) for cell in code]
    text = "\n".join(cell.source for cell in lab.copies[CHAPTER].cells if cell.cell_type == "markdown")
    assert RAW.findall(seen["text"]) == seen["errors"] == []
    assert seen["boxes"] and set(seen["boxes"]) == {"4px"} and "Predict before you run" in seen["text"]
    assert seen["answers"] == [False] * text.count("<details>") != []
    assert seen["equations"] == [f"({number})" for number in re.findall(r"\\tag\{(.*?)\}", text)] != []
    assert seen["shown"] == [not hidden for hidden in folded] and True in folded
    assert seen["captions"] and all(caption.startswith("Fig. ") for caption in seen["captions"])
    assert (seen["dirty"], seen["light"]) == (0, "true" if theme == "light" else "false")
    assert width < 900  # at the width at which it was drawn, not pixel by pixel
    brightness = 255 * float(np.mean(picture[2:6, 2:6, :3]))
    assert brightness > 240 if theme == "light" else brightness < 30


def test_a_moving_figure_moves_before_anything_is_run(chromium, lab):
    context = chromium.new_context(color_scheme="dark", viewport={"width": 1400, "height": 15_000})
    page = context.new_page()
    lab.open(page, MOVING)
    figure = page.locator("unrolled-figure")
    knob, told = figure.locator("input").first, figure.locator(".told")
    knob.focus()
    before = told.inner_text()
    page.keyboard.press("ArrowRight")
    assert told.inner_text() != before and knob.get_attribute("aria-valuetext") == "1"
    ground = "element => getComputedStyle(element.closest('.jp-OutputArea-output')).backgroundColor"
    assert "255, 255, 255" not in figure.evaluate(ground)
    context.close()


def test_an_exercise_is_done_wrong_and_then_right(chromium, lab):
    context = chromium.new_context(viewport={"width": 1400, "height": 15_000})
    page = context.new_page()
    lab.open(page, EXERCISE)

    def cell(words: str):
        return page.locator(".jp-CodeCell", has_text=words).first

    def answer(line: str) -> None:
        cell("def elman_step").locator(".cm-content").click()
        page.keyboard.press("ControlOrMeta+A")
        page.keyboard.insert_text(line)
        page.keyboard.press("Shift+Enter")
        page.keyboard.press("Shift+Enter")  # its check

    result = cell('check("elman-step"').locator(".jp-OutputArea")
    cell("from companion.exercises import").locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    answer(STEP.format(""))
    result.get_by_text("W_hh is transposed").wait_for(timeout=30_000)
    answer(STEP.format(".T"))
    result.get_by_text("passed (5 of 5 cases)").wait_for(timeout=30_000)
    assert not result.locator("pre").is_visible(), "why it is right is folded"
    result.get_by_text("Why this is right").click()
    result.locator("details .math mjx-container").first.wait_for(timeout=30_000)
    assert page.locator(".jp-mod-dirty").count() > 0  # as the title says now: work that is not yet saved
    context.close()
