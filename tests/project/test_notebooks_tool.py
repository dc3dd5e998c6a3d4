"""tools/notebooks.py on a book of one small chapter: the same on every run, and no edit is ever lost."""

import asyncio
import base64
import json
import os
import queue
import struct
import subprocess
import sys
import time
import zlib

import nbformat
import notebooks as tool
import pytest
from IPython.core.inputtransformer2 import TransformerManager

TEXT = """\
---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A chapter

Some text with $h_t$.

```{code-cell}
---
tags: [hide-input]
mystnb:
  image:
    alt: A line.
---
import matplotlib.pyplot as plt

plt.plot([0, 1])
plt.show()
```

```{code-cell}
:tags: [widget, nbval-ignore-output, remove-output]

from ipywidgets import interact

interact(lambda x: print(x), x=(0, 2))
```

```{code-cell}
print("one")
print("two")
```
"""


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel draws with its own backend
    (tmp_path / "book" / "text").mkdir(parents=True)
    (tmp_path / "book" / "text" / "small.md").write_text(TEXT, encoding="utf-8")
    (tmp_path / "companion.py").touch()  # as in the repository: nothing is left for the first cell to install
    config = "repository:\n  url: https://github.com/someone/course\n  branch: trunk\n"
    (tmp_path / "_config.yml").write_text(config, encoding="utf-8")
    return tmp_path


@pytest.fixture
def unexecuted(monkeypatch):
    """Where only the bookkeeping is tested, cells need not run."""
    monkeypatch.setattr(tool, "execute", lambda *arguments: None)


def stored(book):
    return nbformat.read(book / "book" / "small.ipynb", as_version=4)


def edit(book, cell, source):
    notebook = stored(book)
    notebook.cells[cell].source = source
    nbformat.write(notebook, book / "book" / "small.ipynb")


def change_text(book, old, new):
    path = book / "book" / "text" / "small.md"
    assert old in path.read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def test_executing_twice_gives_the_same_bytes_and_stores_nothing_of_this_machine(book):
    tool.write_notebook(book, "small")
    first = (book / "book" / "small.ipynb").read_bytes()
    (book / "book" / "small.ipynb").unlink()
    tool.write_notebook(book, "small")
    assert (book / "book" / "small.ipynb").read_bytes() == first
    assert first.endswith(b"\n") and b"\r" not in first
    assert "unchanged" in tool.write_notebook(book, "small")

    setup, _, figure, widget, printed = stored(book).cells
    assert "git clone -q --depth 1 -b trunk https://github.com/someone/course\n" in setup.source
    assert "-r course/requirements-data.txt" in setup.source and "%pip install -q ./course" in setup.source
    assert setup.outputs == [] and "remove-cell" in setup.metadata.tags, "the first cell is silent"
    assert [cell.execution_count for cell in (setup, figure, widget, printed)] == [1, 2, 3, 4]
    assert b"Software" not in base64.b64decode(figure.outputs[0].data["image/png"])
    assert widget.outputs == [] and "widgets" not in stored(book).metadata
    assert printed.outputs[0].text == "one\ntwo\n"


STARTS = """
import builtins, sys, types
commands = []
builtins.get_ipython = lambda: types.SimpleNamespace(
    system=lambda line: commands.append("!" + line),
    run_line_magic=lambda name, line: commands.append(f"%{name} {line}"),
)
"""
ENDS = """
import json
print(json.dumps([commands, os.environ["OMP_NUM_THREADS"], importlib.util.find_spec("companion") is not None]))
"""


def started(cell, folder, before=""):
    """What the first cell prints, its commands, the number of threads, and whether companion can be imported then.

    Python starts without what is installed (-S), as on a machine on which nobody has installed companion.
    """
    code = STARTS + before + TransformerManager().transform_cell(cell.source) + ENDS
    around = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", *tool.THREADS)}
    ran = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=folder, env=around, capture_output=True, encoding="utf-8", check=True
    )
    *said, result = ran.stdout.splitlines()
    return said, *json.loads(result)


def test_the_first_cell_finds_the_course_around_it_and_is_silent_and_folded(book):
    (book / "companion").mkdir()
    (book / "desk" / "exercises").mkdir(parents=True)
    cell = tool.setup_cell(book, "exercises")
    assert cell.metadata["jupyter"] == {"source_hidden": True}
    for folder in ("", "book", "desk/exercises"):
        assert started(cell, book / folder) == ([], [], "1", True)


def test_elsewhere_it_says_in_one_line_what_to_do_and_fetches_nothing(book, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    said, commands, threads, found = started(tool.setup_cell(book), elsewhere)
    assert said == [tool.MAKE_LAB] and (commands, threads, found) == ([], "1", False)
    assert started(tool.setup_cell(book, advice="pip install it"), elsewhere)[0] == ["pip install it"]


def test_on_colab_it_fetches_the_course_once_and_goes_to_its_folder(book, tmp_path_factory):
    alone = tmp_path_factory.mktemp("content")
    colab = "sys.modules['google.colab'] = types.ModuleType('google.colab')\n"
    said, commands, _, _ = started(tool.setup_cell(book, "exercises"), alone, colab)
    assert said == [] and commands == [
        "!git clone -q --depth 1 -b trunk https://github.com/someone/course",
        "%pip install -q --no-deps --no-build-isolation -r course/requirements-data.txt",
        "%pip install -q ./course",
    ]
    (alone / "course" / "exercises").mkdir(parents=True)
    (alone / "companion.py").touch()  # as after the installation
    assert started(tool.setup_cell(book, "exercises"), alone, colab)[:2] == ([], ["%cd -q course/exercises"])


def test_a_failing_cell_is_shown_and_leaves_the_old_notebook(book):
    tool.write_notebook(book, "small")
    before = (book / "book" / "small.ipynb").read_bytes()
    change_text(book, 'print("two")', "missing_name + 1")
    with pytest.raises(tool.Refusal, match=r"(?s)missing_name \+ 1.*NameError"):
        tool.write_notebook(book, "small")
    assert (book / "book" / "small.ipynb").read_bytes() == before


def test_a_first_cell_that_speaks_is_not_stored(book, monkeypatch):
    monkeypatch.setattr(tool, "setup_cell", lambda root: nbformat.v4.new_code_cell("print('installing')"))
    with pytest.raises(tool.Refusal, match=r"(?s)first cell .* installing"):
        tool.write_notebook(book, "small")
    assert not (book / "book" / "small.ipynb").exists()


def test_an_edit_in_jupyter_is_not_overwritten_and_goes_back_to_the_text(book, unexecuted):
    tool.write_notebook(book, "small")
    edit(book, 1, "# A chapter\n\nEdited in Jupyter.")
    with pytest.raises(tool.Refusal, match="was edited since .*python run.py text small"):
        tool.write_notebook(book, "small")
    tool.write_text(book, "small")
    assert "Edited in Jupyter." in (book / "book" / "text" / "small.md").read_text(encoding="utf-8")
    tool.write_notebook(book, "small")
    assert stored(book).cells[1].source.endswith("Edited in Jupyter.")


def test_what_jupyter_does_by_itself_is_no_edit(book, unexecuted):
    tool.write_notebook(book, "small")
    notebook = stored(book)
    notebook.cells[2].metadata["collapsed"] = False
    notebook.cells[2].execution_count = 17
    notebook.metadata["language_info"] = {"name": "python", "version": "3.11.7"}
    nbformat.write(notebook, book / "book" / "small.ipynb")
    assert "written" in tool.write_notebook(book, "small")
    assert "already" in tool.write_text(book, "small")


def test_a_changed_text_is_not_overwritten(book, unexecuted):
    tool.write_notebook(book, "small")
    change_text(book, "Some text", "Other text")
    with pytest.raises(tool.Refusal, match="python run.py notebooks small"):
        tool.write_text(book, "small")
    edit(book, 1, "# A chapter\n\nEdited in Jupyter.")
    for direction in (tool.write_text, tool.write_notebook):
        with pytest.raises(tool.Refusal, match=r"both .* changed|was edited since"):
            direction(book, "small")


def test_text_and_notebook_give_each_other(book, unexecuted):
    tool.write_notebook(book, "small")
    before = tool.cells_hash(tool.from_text(book, "small"))
    (book / "book" / "text" / "small.md").unlink()
    tool.write_text(book, "small")
    assert tool.cells_hash(tool.from_text(book, "small")) == before
    assert "setup" not in (book / "book" / "text" / "small.md").read_text(encoding="utf-8")


def test_every_chapter_survives_the_way_to_text_and_back(tmp_path):
    for name in tool.all_names(tool.ROOT):
        notebook = tool.from_text(tool.ROOT, name)
        (tmp_path / "book" / "text").mkdir(parents=True, exist_ok=True)
        (tmp_path / "book" / "text" / f"{name}.md").write_text(tool.to_text(notebook), encoding="utf-8")
        (tmp_path / "_config.yml").write_bytes((tool.ROOT / "_config.yml").read_bytes())
        assert tool.cells_hash(tool.from_text(tmp_path, name)) == tool.cells_hash(notebook), name


def test_cell_ids_follow_the_contents(book):
    before = [cell.id for cell in tool.from_text(book, "small").cells]
    change_text(book, "# A chapter\n", '# A chapter\n\n```{code-cell}\nprint("zero")\n```\n')
    after = [cell.id for cell in tool.from_text(book, "small").cells]
    assert after[-3:] == before[-3:] and len(set(after)) == len(after)


def test_text_is_taken_out_of_a_picture_and_nothing_else():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    start, header, body = b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", bytes(13)), chunk(b"IDAT", b"tEXt inside the data")
    end, text, time = chunk(b"IEND", b""), chunk(b"tEXt", b"Software\0matplotlib"), chunk(b"tIME", bytes(7))
    assert tool.without_text(start + header + text + time + body + end) == start + header + body + end


def test_an_unknown_name_is_refused_and_the_command_fails(book, monkeypatch, capsys):
    monkeypatch.setattr(tool, "ROOT", book)
    assert tool.main(["missing"]) == 1
    assert "there is no book/text/missing.md" in capsys.readouterr().err


class Sleepy:
    """A channel that forgets to say that a message has come: only a new look finds it."""

    def __init__(self, arrives):
        self.looks, self.arrives = [], arrives

    async def get_msg(self, timeout=None):
        self.looks.append(timeout)
        await asyncio.sleep(timeout)
        if len(self.looks) < self.arrives:
            raise queue.Empty
        return "reply"


def test_a_reply_that_woke_nobody_is_found_by_the_next_look():
    channel = Sleepy(arrives=3)
    begun = time.monotonic()
    assert asyncio.run(tool.in_slices(channel.get_msg, 0.01)(timeout=300)) == "reply"
    assert channel.looks == [0.01] * 3 and time.monotonic() - begun < 5


def test_without_a_reply_the_time_that_was_given_is_kept():
    channel = Sleepy(arrives=1000)
    with pytest.raises(queue.Empty):
        asyncio.run(tool.in_slices(channel.get_msg, 0.02)(timeout=0.05))
    assert 0.04 < sum(channel.looks) < 0.06
    assert asyncio.run(tool.in_slices(Sleepy(arrives=2).get_msg, 0.01)()) == "reply"  # as long as it takes
