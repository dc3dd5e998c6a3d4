"""Every stored notebook keeps the rules of tests/notebook_rules.py, and each rule is shown to have teeth."""

import base64
import copy

import nbformat
import notebook_rules as rules
import notebooks as tool
import pytest
from alternatives import duplicates, problems_of_alternative
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = tool.ROOT
CHAPTERS = sorted(ROOT.glob("book/*.ipynb"))
STORED = [*CHAPTERS, *sorted(ROOT.glob("exercises/**/*.ipynb"))]
ALT = "Line plot of one state unit over three steps, rising from zero and then levelling off."
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(8) + (640).to_bytes(4, "big") + bytes(4)).decode()
MEASURED = "<Figure of 6.4 x 4.8 inches, text from 11.8 points>"


def named(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", STORED, ids=named)
@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_a_stored_notebook_keeps_the_rule(rule, path):
    assert list(rule(nbformat.read(path, as_version=4))) == []


@pytest.mark.parametrize("path", CHAPTERS, ids=named)
@pytest.mark.parametrize("rule", rules.CHAPTER_RULES, ids=lambda rule: rule.__name__)
def test_a_chapter_keeps_the_rule(rule, path):
    assert list(rule(nbformat.read(path, as_version=4))) == []


@pytest.mark.parametrize("path", CHAPTERS, ids=named)
def test_a_chapter_is_what_its_text_gives(path):
    notebook, fresh = nbformat.read(path, as_version=4), tool.from_text(ROOT, path.stem)
    assert notebook.cells[0].source == fresh.cells[0].source, "the first cell: run `python run.py notebooks`"
    assert tool.cells_hash(notebook) == tool.cells_hash(fresh), f"run `python run.py notebooks {path.stem}`"
    assert not tool.edited(notebook)


@pytest.mark.parametrize("path", CHAPTERS, ids=named)
def test_a_chapter_is_stored_in_the_normal_form(path):
    notebook = nbformat.read(path, as_version=4)
    tool.normalise(notebook)
    assert path.read_text(encoding="utf-8") == tool.dumps(notebook)


def test_every_text_has_its_notebook_and_every_notebook_its_text():
    assert [path.stem for path in CHAPTERS] == tool.all_names(ROOT)


def test_no_two_figures_of_the_book_share_their_alternative_text():
    texts = [(named(path), text) for path in STORED for text in rules.figures(nbformat.read(path, as_version=4))]
    assert duplicates(texts) == []


# --- each rule rejects what it is for --------------------------------------------------------------------------------


def good_notebook():
    figure = new_code_cell(
        "fig, axis = plt.subplots()\naxis.plot(h)\nassert h.shape == (4,)\nplt.show()",
        metadata={"tags": ["hide-input"], "mystnb": {"image": {"alt": ALT}}},
        outputs=[new_output("display_data", {"image/png": PNG, "text/plain": MEASURED})],
    )
    widget = new_code_cell(
        "interact(plot, scale=(0, 2))", metadata={"tags": ["widget", "nbval-ignore-output", "remove-output"]}
    )
    said = new_output("stream", name="stdout", text="h_3 = 0.46212\n")
    cells = [
        new_code_cell("import numpy as np\n\nh = np.zeros(4)"),
        new_markdown_cell("Text."),
        new_code_cell('show("h_3", h[3])', outputs=[said]),
        figure,
        widget,
        new_code_cell("print(plot(1))", outputs=[copy.deepcopy(said)]),
    ]
    for count, cell in enumerate((cell for cell in cells if cell.cell_type == "code"), start=1):
        cell.execution_count = count
    return new_notebook(cells=cells)


FIRST, SHOWS, FIGURE, WIDGET, LAST = 0, 2, 3, 4, 5


def test_the_good_notebook_keeps_every_rule():
    every = [*rules.RULES, *rules.CHAPTER_RULES]
    assert [problem for rule in every for problem in rule(good_notebook())] == []


def say(text, name="stdout"):
    return lambda cells: cells[SHOWS].update(outputs=[new_output("stream", name=name, text=text)])


def source(index, text):
    return lambda cells: cells[index].update(source=text)


def outputs(index, *new):
    return lambda cells: cells[index].update(outputs=list(new))


def alt(text):
    return lambda cells: cells[FIGURE].update(metadata=nbformat.from_dict({"mystnb": {"image": {"alt": text}}}))


def picture(kind="image/png", data=PNG):
    return new_output("display_data", {kind: data, "text/plain": MEASURED})


def drawn(points, pixels):
    """A figure so many pixels wide on the page, with text from so many points."""
    header = base64.b64decode(PNG)[:8] + bytes(8) + round(pixels * rules.STORED_PIXELS).to_bytes(4, "big") + bytes(4)
    plain = f"<Figure of 6.4 x 4.8 inches, text from {points} points>"
    data = {"image/png": base64.b64encode(header).decode(), "text/plain": plain}
    return outputs(FIGURE, new_output("display_data", data))


def moving(alt=ALT, more=""):
    """A figure with knobs in the place of a still one."""
    html = f'<unrolled-figure><style></style><svg viewBox="0 0 1 1" role="img" aria-label="{alt}"></svg>{more}'
    return outputs(FIGURE, new_output("execute_result", {"text/html": html, "text/plain": "<figure>"}))


def ask(*then):
    """A question put before the cell that shows something, and cells of text after that."""

    def change(cells):
        box = ":::{{admonition}} {}\n:class: {}\n{}\n:::".format
        cells[SHOWS - 1].source = box("Predict before you run", "tip", "How large is h_3?")
        for number, title in enumerate(then, start=1):
            cells.insert(SHOWS + number, new_markdown_cell(box(title, "dropdown", "0.46212")))

    return change


BROKEN = {
    "never executed": (rules.every_cell_was_executed, lambda c: [x.update(execution_count=None) for x in c], "None"),
    "executed out of order": (rules.every_cell_was_executed, lambda c: c[FIGURE].update(execution_count=7), "7"),
    "show without output": (rules.what_prints_stores_its_output, outputs(SHOWS), "stores no output"),
    "figure without output": (rules.what_prints_stores_its_output, outputs(FIGURE), "stores no output"),
    "print in a loop without output": (
        rules.what_prints_stores_its_output,
        source(FIRST, "for t in range(3):\n    print(t)"),
        "stores no output",
    ),
    "path": (rules.outputs_are_the_same_everywhere, say("read /home/ada/names.txt\n"), "a path"),
    "Windows path": (rules.outputs_are_the_same_everywhere, say("read C:\\Users\\ada\n"), "a path"),
    "duration": (rules.outputs_are_the_same_everywhere, say("trained in 12.3 s\n"), "a time"),
    "clock": (rules.outputs_are_the_same_everywhere, say("at 12:30:01\n"), "a time"),
    "date": (rules.outputs_are_the_same_everywhere, say("on 2031-05-06\n"), "a time"),
    "address": (rules.outputs_are_the_same_everywhere, say("<Elman object at 0x7f09a8b0c1d0>\n"), "an address"),
    "warning": (rules.outputs_are_the_same_everywhere, say("RuntimeWarning: overflow\n"), "a warning"),
    "stderr": (rules.outputs_are_the_same_everywhere, say("careful\n", name="stderr"), "stderr"),
    "traceback": (
        rules.outputs_are_the_same_everywhere,
        outputs(SHOWS, new_output("error", ename="ValueError", evalue="x", traceback=[])),
        "error",
    ),
    "result that is an address": (
        rules.outputs_are_the_same_everywhere,
        outputs(SHOWS, new_output("execute_result", {"text/plain": "<object at 0x7f09a8b0c1d0>"})),
        "an address",
    ),
    "semicolon": (rules.nothing_ends_in_a_semicolon, source(FIRST, "h = 1;"), "line 1"),
    "semicolon before a comment": (rules.nothing_ends_in_a_semicolon, source(FIRST, "x = 0\nh = 1;  # one"), "line 2"),
    "svg": (rules.pictures_are_png_and_shown, outputs(FIGURE, picture("image/svg+xml", "<svg/>")), "image/svg"),
    "html": (rules.pictures_are_png_and_shown, outputs(SHOWS, picture("text/html", "<b>1</b>")), "text/html"),
    "no plt.show()": (
        rules.pictures_are_png_and_shown,
        source(FIGURE, "axis.plot(h)\nassert h[0] == 0"),
        "does not end in plt.show()",
    ),
    "two figures": (rules.pictures_are_png_and_shown, outputs(FIGURE, picture(), picture()), "draws 2 figures"),
    "no alternative text": (rules.figures_say_what_they_show, lambda c: c[FIGURE].update(metadata={}), "has no"),
    "no alternative text of a moving figure": (rules.figures_say_what_they_show, moving(""), "has no"),
    "no assert beside a moving figure": (
        rules.the_data_of_figures_is_asserted,
        lambda c: [moving()(c), source(FIGURE, "figure")(c)],
        "no assert",
    ),
    "large moving figure": (rules.nothing_is_too_large, moving(more="1" * 140_000), "characters of text/html"),
    "short alternative text": (rules.figures_say_what_they_show, alt("A plot of the state."), "20 characters"),
    "small text": (rules.figures_are_legible_on_a_phone, drawn(9, 640), "text of 7.0 pixels on a phone"),
    "text too small anywhere": (rules.figures_are_legible_on_a_phone, drawn(6, 300), "text of 8.3 pixels"),
    "a figure of its own": (
        rules.figures_are_legible_on_a_phone,
        lambda c: c[FIGURE].outputs[0]["data"].update({"text/plain": "<Figure size 640x480 with 1 Axes>"}),
        "is not drawn with",
    ),
    "open imports": (rules.what_only_imports_or_draws_is_folded, source(FIRST, "import numpy as np"), "only imports"),
    "open drawing": (
        rules.what_only_imports_or_draws_is_folded,
        lambda c: c[FIGURE].metadata.update(tags=[]),
        "its code is not folded",
    ),
    "open result": (rules.results_of_predictions_are_folded, ask("Answer"), "stands open under a prediction"),
    "no answer": (rules.results_of_predictions_are_folded, ask(), "has no answer"),
    "no answer before the next": (
        rules.results_of_predictions_are_folded,
        ask("Predict before you run", "Answer"),
        "before the next one",
    ),
    "torch from elsewhere": (
        rules.torch_is_imported_where_it_is_used,
        source(FIRST, "h = torch.zeros(4)"),
        "uses torch without",
    ),
    "torch's result used without it": (
        rules.torch_is_imported_where_it_is_used,
        source(FIRST, "import torch\n\nh = torch.zeros(4)"),
        "uses h, which a cell with PyTorch made",
    ),
    "no assert": (rules.the_data_of_figures_is_asserted, source(FIGURE, "axis.plot(h)\nplt.show()"), "no assert"),
    "widget state": (rules.widgets_have_a_static_counterpart, outputs(WIDGET, picture()), "stores the state"),
    "widget without tag": (
        rules.widgets_have_a_static_counterpart,
        lambda c: c[WIDGET].update(metadata=nbformat.from_dict({"tags": []})),
        "without the tag",
    ),
    "widget compared by nbval": (
        rules.widgets_have_a_static_counterpart,
        lambda c: c[WIDGET].update(metadata=nbformat.from_dict({"tags": ["widget"]})),
        "also needs",
    ),
    "widget without counterpart": (rules.widgets_have_a_static_counterpart, outputs(LAST), "no cell with an output"),
    "long text": (rules.nothing_is_too_large, say("h" * 13_000), "13000 characters"),
    "large picture": (
        rules.nothing_is_too_large,
        outputs(FIGURE, picture(data=base64.b64encode(bytes(300_000)).decode())),
        "300000 bytes",
    ),
    "large notebook": (
        rules.nothing_is_too_large,
        outputs(FIGURE, *[picture(data=base64.b64encode(bytes(240_000)).decode())] * 5),
        "its outputs hold",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_notebook_that_breaks_a_rule_is_rejected(what):
    rule, break_it, reason = BROKEN[what]
    notebook = good_notebook()
    break_it(notebook.cells)
    assert any(reason in problem for problem in rule(notebook)), list(rule(notebook))


def test_a_good_moving_figure_keeps_every_rule():
    notebook = good_notebook()
    moving(more="1" * 90_000)(notebook.cells)
    notebook.cells[FIGURE].source = "assert h.shape == (4,)\nfigure"
    every = [*rules.RULES, *rules.CHAPTER_RULES]
    assert [problem for rule in every for problem in rule(notebook)] == []


def test_every_rule_is_shown_to_reject_something():
    assert {rule for rule, _, _ in BROKEN.values()} == {*rules.RULES, *rules.CHAPTER_RULES}


def test_an_assert_near_a_figure_counts_but_not_one_before_another_figure():
    notebook = good_notebook()
    bare = copy.deepcopy(notebook.cells[FIGURE])
    bare.source = "axis.plot(h)\nplt.show()"
    notebook.cells.insert(FIGURE + 1, bare)
    assert len(list(rules.the_data_of_figures_is_asserted(notebook))) == 1
    notebook.cells.insert(FIGURE + 2, new_code_cell("assert h.sum() == 0"))
    assert list(rules.the_data_of_figures_is_asserted(notebook)) == []


@pytest.mark.parametrize(
    "text",
    [
        None,
        "   ",
        "_build/jupyter_execute/3a0b1c2d3e4f5a6b.png",
        "The picture stored as states.png, which holds the two units of the state.",
        "Figure 640x480 with two axes and some more words to pass the length.",
        "TODO write what this figure shows, once the chapter is finished and read.",
        "Two units of the state over three steps, drawn as lines without a full stop",
        "two units of the state over three steps, drawn as lines without a capital.",
        "The state.",
    ],
)
def test_an_alternative_text_that_says_nothing_is_rejected(text):
    assert problems_of_alternative(text)


def test_the_same_alternative_text_twice_is_found_whatever_its_spacing():
    assert duplicates([("a", ALT), ("b", "Another.")]) == []
    assert len(duplicates([("a", ALT), ("b", ALT.upper().replace(" ", "  "))])) == 1
