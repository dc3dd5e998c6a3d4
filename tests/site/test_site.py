"""Every page of the built book in a real browser that can reach nothing but this machine.

A page is opened once and looked at in both themes and two widths; the tests below judge what was seen. Without a
browser or a built book they are skipped, except in CI, where both are part of the claim.
"""

import io
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urljoin

import axe_playwright_python
import numpy as np
import pytest
import yaml
from alternatives import duplicates, problems_of_alternative
from browser import READY, ROOT, SITE, browser, find_chromium, html_pages, serve
from matplotlib.image import imread

PAGES = html_pages() if SITE.is_dir() else []
CHAPTERS = [page for page in PAGES if (ROOT / page).with_suffix(".ipynb").exists()]
IN_CI = os.environ.get("CI", "").lower() in ("1", "true")
HEAVIEST_PAGE = 1_500_000  # bytes, without MathJax and fonts
PHONE, WIDE = 390, 1300

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
RUN_AXE = """async () => {
  const result = await axe.run(document, {resultTypes: ["violations"]});
  const place = node => node.target.join(" ") + " | " + node.html.slice(0, 160) + " | " + node.failureSummary;
  return result.violations.filter(v => ["serious", "critical"].includes(v.impact))
    .map(v => `${v.impact} ${v.id}: ${v.nodes.slice(0, 4).map(place).join(" ;; ")}`);
}"""
SET_THEME = """theme => {
  document.documentElement.dataset.mode = theme; document.documentElement.dataset.theme = theme;
}"""
SEE = """() => {
  const article = document.querySelector("article");
  return {
    math: document.querySelectorAll("span.math, div.math").length,
    typeset: Array.from(document.querySelectorAll("span.math, div.math"))
      .filter(m => m.querySelector("mjx-container")).length,
    errors: Array.from(document.querySelectorAll("mjx-merror, merror")).map(e => e.outerHTML.slice(0, 200)),
    raw: ((article ? article.innerText : "").match(/\\\\\\(|\\\\\\[|\\$\\$/g) || []).length,
    images: Array.from(document.images).map(image => ({
      source: image.getAttribute("src"), alternative: image.getAttribute("alt"),
      shown: image.naturalWidth > 0, content: Boolean(article && article.contains(image))})),
    links: Object.fromEntries(Array.from(document.querySelectorAll("a[href]")).map(a => [a.href, a.innerText.trim()])),
    previous: Boolean(document.querySelector("a.left-prev")), next: Boolean(document.querySelector("a.right-next")),
    copy: document.querySelectorAll("button.copybtn").length,
    code: document.querySelectorAll("div.cell_input div.highlight pre").length,
    scripts: Array.from(document.scripts).map(s => s.src).filter(Boolean),
  };
}"""
TOO_WIDE = """() => {
  const page = document.documentElement, over = page.scrollWidth - page.clientWidth;
  if (over <= 0 && document.body.scrollWidth <= page.clientWidth) { return []; }
  return Array.from(document.querySelectorAll("article *")).filter(
    e => e.getBoundingClientRect().right > page.clientWidth + 1).slice(0, 4).map(e => e.outerHTML.slice(0, 160))
    .concat([`${over} px too wide`]);
}"""
UNREACHABLE = """() => Array.from(document.querySelectorAll("article *")).filter(e => {
    const style = getComputedStyle(e);
    return e.scrollWidth > e.clientWidth + 1 && ["auto", "scroll"].includes(style.overflowX) && e.clientWidth > 0
      && e.tabIndex < 0 && !e.querySelector("[tabindex='0'], a[href], button");
  }).map(e => e.outerHTML.slice(0, 160))"""


@dataclass
class Seen:
    """What one page showed."""

    address: str = ""
    requests: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    weights: dict[str, int] = field(default_factory=dict)
    content: dict = field(default_factory=dict)
    too_wide: dict[str, list[str]] = field(default_factory=dict)
    unreachable: dict[str, list[str]] = field(default_factory=dict)
    violations: dict[str, list[str]] = field(default_factory=dict)


def missing(why: str) -> None:
    if IN_CI:
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="module")
def chromium():
    executable = find_chromium()
    if executable is None:
        missing("no Chromium or Chrome found: install one, or name it in UNROLLED_CHROMIUM")
    if not PAGES:
        missing("the book is not built: run `python run.py book` first")
    with browser(executable) as opened:
        yield opened


@pytest.fixture(scope="module")
def site():
    with serve() as address:
        yield address


@pytest.fixture(scope="module")
def seen(chromium, site):
    """Looks at a page on first use, and remembers it for all tests of this module."""
    memory: dict[str, Seen] = {}

    def look(path: str) -> Seen:
        if path not in memory:
            memory[path] = look_at(chromium, site, path)
        return memory[path]

    return look


def look_at(chromium, site: str, path: str) -> Seen:
    seen = Seen(site + path)
    context = chromium.new_context(viewport={"width": WIDE, "height": 900}, color_scheme="light")
    page = context.new_page()
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("requestfailed", lambda request: seen.failed.append(request.url))
    page.on("pageerror", lambda error: seen.console.append(str(error)))
    page.on("console", lambda message: seen.console.append(message.text) if message.type == "error" else None)

    def weigh(response):
        if response.status >= 400:
            seen.failed.append(f"{response.status} {response.url}")
        else:
            seen.weights[response.url] = len(response.body())

    responses = []
    page.on("response", lambda response: responses.append(response))
    page.goto(seen.address)
    page.evaluate(READY)
    for response in responses:
        weigh(response)
    seen.content = page.evaluate(SEE)
    page.evaluate(AXE)
    # what is folded away must be readable once it is opened
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.evaluate("document.querySelectorAll('.toggle-hidden').forEach(e => { e.classList.remove('toggle-hidden'); })")
    page.add_style_tag(content="* { transition: none !important; animation: none !important; }")
    for theme in ("light", "dark"):
        page.evaluate(SET_THEME, theme)
        seen.violations[theme] = page.evaluate(RUN_AXE)
    page.set_viewport_size({"width": PHONE, "height": 844})
    page.wait_for_timeout(100)
    for theme in ("dark", "light"):
        page.evaluate(SET_THEME, theme)
        seen.too_wide[theme] = page.evaluate(TOO_WIDE)
    seen.unreachable["phone"] = page.evaluate(UNREACHABLE)
    seen.violations["phone"] = page.evaluate(RUN_AXE)
    context.close()
    return seen


def test_the_built_book_holds_every_page_of_the_contents(chromium):
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [contents["root"], *(chapter["file"] for part in contents["parts"] for chapter in part["chapters"])]
    assert {f"{file}.html" for file in files} <= set(PAGES)


@pytest.mark.parametrize("path", PAGES)
def test_no_request_leaves_the_site(seen, site, path):
    foreign = [url for url in seen(path).requests if not url.startswith((site, "data:", "blob:"))]
    assert foreign == []
    assert seen(path).failed == []


@pytest.mark.parametrize("path", PAGES)
def test_the_console_shows_no_error(seen, path):
    assert seen(path).console == []


@pytest.mark.parametrize("path", PAGES)
def test_every_equation_is_typeset(seen, path):
    content = seen(path).content
    assert content["errors"] == []
    assert content["typeset"] == content["math"]
    assert content["raw"] == 0, "raw TeX is left in the page"


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_never_scrolls_sideways(seen, path):
    assert seen(path).too_wide == {"light": [], "dark": []}


@pytest.mark.parametrize("path", PAGES)
def test_a_keyboard_reaches_whatever_scrolls(seen, path):
    assert seen(path).unreachable == {"phone": []}


@pytest.mark.parametrize("path", PAGES)
def test_no_serious_accessibility_violation(seen, path):
    assert seen(path).violations == {"light": [], "dark": [], "phone": []}


@pytest.mark.parametrize("path", PAGES)
def test_every_image_loads_and_says_what_it_shows(seen, path):
    for image in seen(path).content["images"]:
        assert image["shown"], image
        if image["content"]:
            assert problems_of_alternative(image["alternative"]) == [], image
        else:  # logos: empty where the name stands beside them and would be read out twice
            assert image["alternative"] is not None, image


def test_no_two_figures_share_their_alternative_text(seen):
    texts = [
        (path, image["alternative"]) for path in PAGES for image in seen(path).content["images"] if image["content"]
    ]
    assert duplicates(texts) == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_light(seen, path):
    heavy = ("/mathjax/", ".woff", ".woff2", ".ttf")
    weights = {url: size for url, size in seen(path).weights.items() if not any(part in url for part in heavy)}
    assert sum(weights.values()) <= HEAVIEST_PAGE, sorted(weights.items(), key=lambda item: -item[1])[:5]


@pytest.mark.parametrize("path", PAGES)
def test_no_widget_machinery_is_loaded(seen, path):
    wanted = [url for url in seen(path).requests if re.search(r"require(\.min)?\.js|embed-amd|html-manager|thebe", url)]
    assert wanted == []


@pytest.mark.parametrize("path", CHAPTERS)
def test_a_chapter_can_be_downloaded_and_run_elsewhere(seen, site, path, chromium):
    repository = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]
    owner_and_name = repository["url"].removeprefix("https://github.com/")
    notebook = Path(path).with_suffix(".ipynb").as_posix()
    links = {unquote(link) for link in seen(path).content["links"]}
    branch = repository["branch"]
    assert f"https://mybinder.org/v2/gh/{owner_and_name}/{branch}?urlpath=lab/tree/{notebook}" in links
    assert f"https://colab.research.google.com/github/{owner_and_name}/blob/{branch}/{notebook}" in links
    downloads = [link for link in links if link.startswith(site) and link.endswith(".ipynb")]
    assert downloads, "no link to the notebook"
    context = chromium.new_context()
    response = context.request.get(downloads[0])
    assert response.ok and response.json()["nbformat"] == 4
    context.close()


@pytest.mark.parametrize("path", CHAPTERS)
def test_every_code_cell_has_a_copy_button(seen, path):
    content = seen(path).content
    assert content["copy"] >= content["code"] > 0


@pytest.mark.parametrize("path", CHAPTERS)
def test_a_chapter_links_to_its_neighbours(seen, path):
    content = seen(path).content
    assert content["previous"] and content["next"]


def test_links_within_the_book_lead_somewhere(seen, site):
    broken = []
    for path in PAGES:
        for link in seen(path).content["links"]:
            target = unquote(link.partition("#")[0].partition("?")[0]).removeprefix(site)
            if link.startswith(site) and target and not (SITE / target).exists():
                broken.append((path, link))
    assert broken == []


def test_the_root_leads_to_the_landing_page(chromium, site):
    page = chromium.new_page()
    page.goto(site)
    page.wait_for_url(urljoin(site, "book/index.html"), timeout=5000)
    page.close()


def test_search_finds_the_chapter_on_unrolling(chromium, site):
    page = chromium.new_page()
    page.goto(site + "search.html?q=unrolling")
    results = page.locator("#search-results li a")
    results.first.wait_for(timeout=10_000)
    assert any("unrolling" in (link or "") for link in results.evaluate_all("all => all.map(a => a.href)"))
    page.close()


def test_the_switch_changes_the_theme_and_is_remembered(chromium, site):
    context = chromium.new_context(color_scheme="light", viewport={"width": WIDE, "height": 900})
    page = context.new_page()
    page.goto(site + PAGES[0])
    theme = "document.documentElement.dataset.theme"
    ground = "getComputedStyle(document.body).backgroundColor"
    before, light = page.evaluate(theme), page.evaluate(ground)
    switch = page.locator("button.theme-switch-button:visible").first
    for _ in range(3):  # automatic, light, dark
        switch.click()
        if page.evaluate(theme) != before:
            break
    assert (before, page.evaluate(theme)) == ("light", "dark")
    assert page.evaluate(ground) != light
    page.goto(site + PAGES[1])
    assert page.evaluate(theme) == "dark"
    context.close()


def test_figures_turn_dark_with_the_page(chromium, site):
    """The figure's ground, as painted, is the page's ground in both themes."""
    with_figures = [
        path
        for path in CHAPTERS
        if "jupyter_execute" in (SITE / path).read_text(encoding="utf-8")
        or re.search(r'class="cell_output[^"]*"[\s\S]*?<img', (SITE / path).read_text(encoding="utf-8"))
    ]
    if not with_figures:
        pytest.skip("no chapter holds a figure yet")
    page = chromium.new_page()
    page.goto(site + with_figures[0])
    page.evaluate(READY)
    figure = page.locator("div.cell_output img").first
    for theme, dark in (("light", False), ("dark", True)):
        page.evaluate(SET_THEME, theme)
        ground = brightness_of_corner(page, figure.screenshot())
        assert (ground < 60) is dark, f"the ground of a figure has brightness {ground} in the {theme} theme"
    page.close()


def brightness_of_corner(page, picture: bytes) -> float:
    pixels = imread(io.BytesIO(picture), format="png")
    return float(255 * np.mean(pixels[2:6, 12:16, :3]))
