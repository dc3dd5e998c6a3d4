"""Every page of the built book in a real browser that can reach nothing but this machine.

A page is opened once and looked at in both themes and two widths; the tests below judge what was seen. All pages open
in one tab, which keeps their common scripts compiled. Without a browser or a built book they are skipped, except in CI,
where both are part of the claim.
"""

import functools
import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import axe_playwright_python
import bs4
import numpy as np
import pytest
import yaml
from alternatives import duplicates, problems_of_alternative
from browser import READY, ROOT, SITE, html_pages
from matplotlib.image import imread

PAGES = html_pages() if SITE.is_dir() else []
CHAPTERS = [page for page in PAGES if (ROOT / page).with_suffix(".ipynb").exists()]
HEAVIEST_PAGE = 1_500_000  # bytes, without MathJax and fonts
NOT_WEIGHED = ("/mathjax/", ".woff", ".woff2", ".ttf")
WIDGETS = re.compile(r"require(\.min)?\.js|embed-amd|html-manager|thebe")
WHOLE_CONTENTS = "book/index.html"
PHONE, WIDE = 390, 1300

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
# Formulas are left to MathJax, which gives them their own accessible form: they are most of a page's elements.
RUN_AXE = """async rules => {
  const result = await axe.run({include: document, exclude: [["mjx-container"]]}, {
    resultTypes: ["violations"], preload: false, ...(rules ? {runOnly: {type: "rule", values: rules}} : {})});
  const place = node => node.target.join(" ") + " | " + node.html.slice(0, 160) + " | " + node.failureSummary;
  return result.violations.filter(v => ["serious", "critical"].includes(v.impact))
    .map(v => `${v.impact} ${v.id}: ${v.nodes.slice(0, 4).map(place).join(" ;; ")}`);
}"""
# What can differ between themes is colour, and on a phone what scrolls, hides or shrinks: all rules run once.
AXE_RULES = {
    "light": None,
    "dark": ["color-contrast", "link-in-text-block"],
    "phone": ["scrollable-region-focusable", "aria-hidden-focus", "button-name", "link-name", "nested-interactive"],
}
# Words of code with one colour differ in nothing that axe judges: three of each kind stay for it. Nor do entries of the
# API, which one template makes: the first twenty of a page stay. Of a formula, which axe leaves out but would measure,
# its space stays; and the book's contents, which are the same beside every page, are whole on one.
THIN_OUT = """whole => {
  document.querySelectorAll("nav.bd-links li").forEach((entry, k) => {
    if (!whole && k >= 3 && !entry.matches(".current")) { entry.remove(); }
  });
  const sizes = Array.from(document.querySelectorAll("mjx-container"), formula => {
    const box = formula.getBoundingClientRect();
    return [formula, Math.max(box.width, formula.scrollWidth), box.height];
  });
  sizes.forEach(([formula, width, height]) => {
    formula.replaceChildren();
    if (getComputedStyle(formula).display === "inline") { formula.style.display = "inline-block"; }
    Object.assign(formula.style, {width: `${width}px`, height: `${height}px`});
  });
  document.querySelectorAll("article dl.py").forEach((entry, k) => { if (k >= 20) { entry.remove(); } });
  const seen = {};
  document.querySelectorAll("div.highlight pre span[class]").forEach(word => {
    seen[word.className] = (seen[word.className] || 0) + 1;
    if (seen[word.className] > 3 && !word.children.length) { word.replaceWith(word.textContent); }
  });
}"""
TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
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
    copy: document.querySelectorAll("button.copybtn").length,
    code: document.querySelectorAll("div.cell_input div.highlight pre").length,
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
    unreachable: list[str] = field(default_factory=list)
    violations: dict[str, list[str]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def tab(chromium):
    with chromium.new_context(viewport={"width": WIDE, "height": 900}, color_scheme="light") as context:
        yield context.new_page()


def look_at(page, site: str, path: str) -> Seen:
    seen = Seen(site + path)

    def weigh(response):
        if response.status >= 400:
            seen.failed.append(f"{response.status} {response.url}")
        elif response.url.startswith(site):  # the file's own size: what the tab has from another page sends no body
            seen.weights[response.url] = (SITE / unquote(urlsplit(response.url).path)[1:]).stat().st_size

    listeners = {
        "request": lambda request: seen.requests.append(request.url),
        "requestfailed": lambda request: seen.failed.append(request.url),
        "response": weigh,
        "pageerror": lambda error: seen.console.append(str(error)),
        "console": lambda message: seen.console.append(message.text) if message.type == "error" else None,
    }
    for event, listener in listeners.items():
        page.on(event, listener)
    page.set_viewport_size({"width": WIDE, "height": 900})
    page.goto(seen.address)
    page.evaluate(READY)
    seen.content = page.evaluate(SEE)
    page.evaluate(AXE)
    # what is folded away must be readable once it is opened
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.evaluate("document.querySelectorAll('.toggle-hidden').forEach(e => { e.classList.remove('toggle-hidden'); })")
    page.add_style_tag(content="* { transition: none !important; animation: none !important; }")
    page.set_viewport_size({"width": PHONE, "height": 844})
    page.wait_for_timeout(100)  # unrolled.js hears of what was opened when the next frame is drawn
    for theme in ("dark", "light"):
        page.evaluate(SET_THEME, theme)
        seen.too_wide[theme] = page.evaluate(TOO_WIDE)
    seen.unreachable = page.evaluate(UNREACHABLE)
    page.evaluate(THIN_OUT, path == WHOLE_CONTENTS)
    seen.violations["phone"] = page.evaluate(RUN_AXE, AXE_RULES["phone"])
    page.set_viewport_size({"width": WIDE, "height": 900})
    page.evaluate(TWO_FRAMES)
    for theme in ("light", "dark"):
        page.evaluate(SET_THEME, theme)
        seen.violations[theme] = page.evaluate(RUN_AXE, AXE_RULES[theme])
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    return seen


def test_the_built_book_holds_every_page_of_the_contents(built):
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [contents["root"], *(chapter["file"] for part in contents["parts"] for chapter in part["chapters"])]
    assert {f"{file}.html" for file in files} <= set(PAGES)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_keeps_what_the_book_promises(tab, site, path):
    """One test a page, so that pages are shared between workers and each is opened once."""
    found = {promise: problems for promise, problems in promises(look_at(tab, site, path), site).items() if problems}
    assert found == {}, "\n".join(f"{promise}: {problem}" for promise in found for problem in found[promise])


def promises(seen: Seen, site: str) -> dict[str, list]:
    """For each promise, what breaks it on this page."""
    content = seen.content
    weights = {url: size for url, size in seen.weights.items() if not any(part in url for part in NOT_WEIGHED)}
    weight = sum(weights.values())
    heaviest = sorted(weights.items(), key=lambda item: -item[1])[:5]
    article = [image for image in content["images"] if image["content"]]
    return {
        "nothing comes from another host": [
            url for url in seen.requests if not url.startswith((site, "data:", "blob:"))
        ],
        "nothing fails to load": seen.failed,
        "the console shows no error": seen.console,
        "every equation is typeset": [
            *content["errors"],
            *([f"{content['typeset']} of {content['math']}"] if content["typeset"] != content["math"] else []),
            *(["raw TeX is left in the page"] if content["raw"] else []),
        ],
        "a phone never scrolls sideways": [*seen.too_wide["light"], *seen.too_wide["dark"]],
        "a keyboard reaches whatever scrolls": seen.unreachable,
        "no serious or critical accessibility violation": [
            f"{where}: {violation}" for where, violations in seen.violations.items() for violation in violations
        ],
        "every image loads": [image for image in content["images"] if not image["shown"]],
        "every figure says what it shows": [
            problem for image in article for problem in problems_of_alternative(image["alternative"])
        ],
        # logos have an empty text where the name stands beside them and would be read out twice
        "every image has an alternative text": [i for i in content["images"] if i["alternative"] is None],
        "a page is light": [f"{weight} bytes: {heaviest}"] if weight > HEAVIEST_PAGE else [],
        "no widget machinery is loaded": [url for url in seen.requests if WIDGETS.search(url)],
        "every code cell can be copied": [f"{content['copy']} buttons"] if content["copy"] < content["code"] else [],
    }


@pytest.mark.parametrize("path", CHAPTERS)
def test_a_chapter_can_be_downloaded_and_run_elsewhere(built, path):
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    owner_and_name = config["repository"]["url"].removeprefix("https://github.com/")
    branch = config["sphinx"]["config"]["html_theme_options"]["repository_branch"]  # where the desk copies are
    notebook = Path(path).with_suffix(".ipynb").as_posix()
    links = {unquote(link) for link in addresses(path)}
    assert f"https://mybinder.org/v2/gh/{owner_and_name}/{branch}?urlpath=lab/tree/{notebook}" in links
    assert f"https://colab.research.google.com/github/{owner_and_name}/blob/{branch}/{notebook}" in links
    downloads = [link for link in links if "#" not in link and link.endswith(".ipynb") and "://" not in link]
    assert downloads, "no link to the notebook"
    assert (SITE / path).parent.joinpath(downloads[0]).read_bytes() == (ROOT / notebook).read_bytes()


@pytest.mark.parametrize("path", CHAPTERS)
def test_a_chapter_links_to_its_neighbours(built, path):
    page = soup(path)
    assert page.select_one("a.right-next")
    assert page.select_one("a.left-prev") or path == "book/index.html"


def test_no_two_figures_share_their_alternative_text(built):
    figures = [(path, image["alt"]) for path in PAGES for image in soup(path).select("article img[alt]")]
    assert duplicates(figures) == []


def test_links_within_the_book_lead_somewhere(built):
    broken = []
    for path in PAGES:
        for link in addresses(path):
            target = unquote(link.partition("#")[0].partition("?")[0])
            if target and "://" not in link and not link.startswith("mailto:"):
                if not (SITE / path).parent.joinpath(target).exists():
                    broken.append((path, link))
    assert broken == []


@functools.cache
def soup(path: str) -> bs4.BeautifulSoup:
    return bs4.BeautifulSoup((SITE / path).read_text(encoding="utf-8"), "html.parser")


def addresses(path: str) -> list[str]:
    return [str(link["href"]) for link in soup(path).select("a[href]")]


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
    with_figures = [path for path in CHAPTERS if soup(path).select("div.cell_output img")]
    if not with_figures:
        pytest.skip("no chapter holds a figure yet")
    page = chromium.new_page()
    page.goto(site + with_figures[0])
    page.evaluate(READY)
    figure = page.locator("div.cell_output img:visible").first  # not one under a fold
    for theme, dark in (("light", False), ("dark", True)):
        page.evaluate(SET_THEME, theme)
        ground = brightness_of_corner(page, figure.screenshot())
        assert (ground < 60) is dark, f"the ground of a figure has brightness {ground} in the {theme} theme"
    page.close()


def brightness_of_corner(page, picture: bytes) -> float:
    pixels = imread(io.BytesIO(picture), format="png")
    return float(255 * np.mean(pixels[2:6, 12:16, :3]))
