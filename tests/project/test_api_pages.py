"""The pages of the API hold every public module, and show each docstring as it was written."""

import importlib
import importlib.util
import inspect
import pkgutil
import re

import pytest
import yaml
from docutils import nodes
from docutils.core import publish_doctree
from notebooks import ROOT

import companion
from companion.core.optimisers import Adam
from companion.rnn.cells import Jordan

SPEC = importlib.util.spec_from_file_location("api_pages", ROOT / "book" / "_ext" / "api_pages.py")
api = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(api)

ROOMS = ("core", "rnn", "bptt", "gates", "applications", "page")  # in this order: a room imports from those before it
NOT_TAUGHT = {"exercises", "grade"}


def modules(room):
    package = importlib.import_module(f"companion.{room}")
    return sorted(f"companion.{room}.{module.name}" for module in pkgutil.iter_modules(package.__path__))


MODULES = [name for room in ROOMS for name in modules(room)]


def page(name):
    return (ROOT / "book" / f"{name}.md").read_text(encoding="utf-8")


def test_every_room_has_its_page_in_order():
    rooms = {module.name for module in pkgutil.iter_modules(companion.__path__)}
    assert rooms - NOT_TAUGHT == set(ROOMS)
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    (entry,) = [chapter for chapter in contents["parts"][-1]["chapters"] if chapter["file"] == "book/api"]
    assert [section["file"] for section in entry["sections"]] == [f"book/api-{room}" for room in ROOMS]
    assert re.findall(r"^## (\w+)$", page("api"), re.M) == list(ROOMS)


def test_every_module_stands_on_the_first_page():
    assert re.findall(r"^   ~(companion\.\w+\.\w+)$", page("api"), re.M) == MODULES


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_stands_on_the_page_of_its_room_under_its_name(room):
    sections = re.findall(r"^## (\S+)\n\n```\{eval-rst\}\n\.\. automodule:: (\S+)\n```$", page(f"api-{room}"), re.M)
    assert sections == [(name.removeprefix("companion."), name) for name in modules(room)]
    assert f".. automodule:: companion.{room}\n" in page(f"api-{room}")


def documented():
    """Each docstring of the modules, their functions and classes, and the classes' methods, by its place."""
    for name in (*(f"companion.{room}" for room in ROOMS), *MODULES):
        module = importlib.import_module(name)
        yield name, module.__doc__
        for label, found in vars(module).items():
            public = not label.startswith("_") and getattr(found, "__module__", None) == name
            if public and (inspect.isfunction(found) or inspect.isclass(found)):
                yield f"{name}.{label}", found.__doc__
                methods = vars(found).items() if inspect.isclass(found) else ()
                yield from (
                    (f"{name}.{label}.{method}", code.__doc__)
                    for method, code in methods
                    if code.__doc__ and not method.startswith("_") and inspect.isfunction(code)
                )


DOCUMENTED = dict(documented())


def test_what_is_public_has_a_text_of_its_own():
    """Without one, autodoc leaves it out. (Python gives a dataclass its signature as text.)"""
    assert [name for name, text in DOCUMENTED.items() if not text or text.startswith(name.split(".")[-1] + "(")] == []


def rendered(text):
    source = "\n".join(api.as_rst(inspect.cleandoc(text).splitlines()))
    return publish_doctree(source, settings_overrides={"report_level": 2, "halt_level": 2})


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_docstring_is_shown_with_every_character_and_no_warning(name):
    text = inspect.cleandoc(DOCUMENTED[name])
    plain = re.sub(r"(?<![\w*`])\*(\w+)\*(?![\w*`])", r"\1", text)  # a stressed word
    plain = re.sub(r"^(\d+\. |- )", "", plain.replace("`", ""), flags=re.M)  # numbers of a list
    assert "".join(rendered(text).astext().split()) == "".join(plain.split())


EXAMPLE = """\
Unroll a cell (B, H) over `x`, as h_t says; a *cell* has |two| ends.

    h_t = tanh(a_t)        W_xh (H, I)

x        (T, B, I); or integers
         in two lines:
             0    nothing
h_0, c   states
Returns the output.
Raises ValueError for "other"
shapes.

name   what      third
"i"    i_t = 1   NIG

1. One
   thing.
2. Another.
"""


def test_rows_tables_and_paragraphs_are_told_apart():
    document = rendered(EXAMPLE)
    paragraphs = [node.astext() for node in document.children if isinstance(node, nodes.paragraph)]
    assert paragraphs == [
        "Unroll a cell (B,\N{NO-BREAK SPACE}H) over x, as h_t says; a cell has |two| ends.",
        "Returns the output.",
        'Raises ValueError for "other" shapes.',
    ]
    (rows,) = document.findall(nodes.definition_list)
    names = [term.astext() for term in rows.findall(nodes.term)]
    assert names == ["x", "h_0, c"] and rows.parent["classes"] == ["rows"]
    first, second = rows.findall(nodes.definition)
    assert first.children[0].astext() == "(T,\N{NO-BREAK SPACE}B,\N{NO-BREAK SPACE}I); or integers in two lines:"
    assert first.children[1].astext() == "0    nothing" and second.astext() == "states"
    literal = [node.astext() for node in document.children if isinstance(node, nodes.literal_block)]
    assert literal == ["h_t = tanh(a_t)        W_xh (H, I)", 'name   what      third\n"i"    i_t = 1   NIG']
    (items,) = document.findall(nodes.enumerated_list)
    assert [item.astext() for item in items.children] == ["One thing.", "Another."]
    assert [word.astext() for word in document.findall(nodes.emphasis)] == ["cell"]


def test_a_dataclass_shows_the_defaults_of_its_code():
    assert api.defaults(Jordan)["activation"] == "TANH" and "inputs" not in api.defaults(Jordan)
    assert api.defaults(Adam)["m"] == "dict()" and api.defaults(Adam)["beta_2"] == "0.999"


def test_values_and_types_are_named_but_nothing_private():
    source = "A, B = 1, 2\nC: int = 3\n_D = 4\n\ndef f():\n    E = 5\n"
    assert api.constants(source) == ["A", "B", "C"]
