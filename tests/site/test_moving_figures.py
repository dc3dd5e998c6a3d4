"""The book's moving figures, moved: with the keyboard, in a page that has no kernel and no network."""

import nbformat
import pytest
from browser import READY, ROOT

MOVING = {
    path.stem: sum(
        "<unrolled-figure>" in o.get("data", {}).get("text/html", "") for c in nb.cells for o in c.get("outputs", [])
    )
    for path in sorted(ROOT.glob("book/*.ipynb"))
    for nb in [nbformat.read(path, as_version=4)]
}
PHONE, WIDE = 390, 1300
PAGES = [name for name, figures in MOVING.items() if figures]
DRAWN = "figure => figure.querySelector('svg').innerHTML"
SMALLEST = """figure => Math.min(...Array.from(figure.querySelectorAll("svg text")).filter(t => t.textContent)
  .map(t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a))"""


def test_the_book_has_six_of_them():
    assert sum(MOVING.values()) >= 6


@pytest.mark.parametrize("name", PAGES)
def test_a_figure_moves_by_its_knobs_and_comes_back(chromium, site, name):
    still = chromium.new_context(java_script_enabled=False)
    page = still.new_page()
    page.goto(f"{site}book/{name}.html")
    first = page.locator("unrolled-figure").all()
    python = [(figure.locator("svg").first.inner_html(), figure.locator(".told").inner_text()) for figure in first]
    assert all(
        figure.locator("svg").first.is_visible() and not figure.locator(".knobs").is_visible() for figure in first
    )
    still.close()

    context = chromium.new_context(viewport={"width": PHONE, "height": 844})
    page = context.new_page()
    page.goto(f"{site}book/{name}.html")
    page.evaluate(READY)
    figures = page.locator("unrolled-figure").all()
    assert len(figures) == MOVING[name]
    for figure, (drawing, told) in zip(figures, python, strict=True):
        # the script draws the first frame as Python did
        assert (figure.evaluate(DRAWN), figure.locator(".told").inner_text()) == (drawing, told)
        assert figure.evaluate(SMALLEST) >= 9
        seen = {drawing}
        for knob in figure.locator("input").all():
            knob.focus()
            start = knob.input_value()
            for key in ("End", "Home", "ArrowRight"):
                page.keyboard.press(key)
                seen.add(figure.evaluate(DRAWN))
                assert knob.get_attribute("aria-valuetext")
            page.keyboard.press("Home")
            for _ in range(int(start)):
                page.keyboard.press("ArrowRight")
        assert len(seen) >= 3
        assert (figure.evaluate(DRAWN), figure.locator(".told").inner_text()) == (drawing, told)
    context.close()


@pytest.mark.parametrize("name", PAGES[:1])
def test_paper_has_the_figure_without_knobs_and_the_results_of_predictions(chromium, site, name):
    page = chromium.new_page(viewport={"width": WIDE, "height": 900})
    page.goto(f"{site}book/{name}.html")
    page.evaluate(READY)
    figure = page.locator("unrolled-figure").first
    result = page.locator("div.tag_hide-cell .cell_output").first
    shown = "element => element.checkVisibility({contentVisibilityAuto: true})"
    assert figure.locator(".knobs").is_visible() and not result.evaluate(shown)
    page.emulate_media(media="print")
    assert figure.locator("svg").first.is_visible() and not figure.locator(".knobs").is_visible()
    assert result.evaluate(shown)
    page.close()
