"""Turn each chapter's text into the executed notebook that the book shows, and edited notebooks back into text.

    python tools/notebooks.py                      every chapter: book/text/NAME.md -> book/NAME.ipynb
    python tools/notebooks.py unrolling            only this one
    python tools/notebooks.py --to-text unrolling  edits made in Jupyter, written back to book/text/unrolling.md

What is written is the same on every run: no timestamps, no versions, cell ids from the cells' contents, no widget
state, and pictures without the metadata in which matplotlib leaves its version. An edit is never lost: the notebook
records a hash of the cells that the text gave, so that this tool sees which of the two changed since, and refuses to
overwrite an edit.
"""

from __future__ import annotations

import argparse
import base64
import copy
import hashlib
import json
import os
import queue
import re
import struct
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import yaml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
SETUP_TAG = "setup"  # marks the first cell, which this tool writes
MAKE_LAB = "companion is not here: in the course's folder, run `make lab`"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
CELL_TIMEOUT = 300  # seconds

# 1.44 stored pixels for each pixel shown (book/_ext/unrolled.py sets the width), for screens with small pixels. This is
# a matplotlibrc and not a call in the notebooks, because it concerns how a picture is stored and not what it shows.
MATPLOTLIBRC = "figure.dpi: 144\nsavefig.bbox: tight\n"


class Refusal(Exception):
    """Why a notebook or a text was left as it is."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="chapters, such as unrolling (default: all)")
    parser.add_argument("--to-text", action="store_true", help="write edits made in Jupyter back to book/text")
    parser.add_argument("--jobs", type=int, default=2, help="notebooks executed at once (default 2)")
    options = parser.parse_args(arguments)
    names = [Path(name).stem for name in options.names] or all_names(ROOT)
    task = write_text if options.to_text else write_notebook

    def attempt(name: str) -> bool:
        try:
            print(f"{name}: {task(ROOT, name)}", flush=True)
            return True
        except Refusal as refusal:
            print(f"{name}: {refusal}", file=sys.stderr, flush=True)
            return False

    with ThreadPoolExecutor(1 if options.to_text else max(1, options.jobs)) as pool:
        return 0 if all(list(pool.map(attempt, names))) else 1


def all_names(root: Path) -> list[str]:
    return sorted(path.stem for path in (root / "book" / "text").glob("*.md"))


def write_notebook(root: Path, name: str) -> str:
    """Execute the chapter's text and write book/NAME.ipynb."""
    text_path, path = _paths(root, name)
    if not text_path.exists():
        raise Refusal(f"there is no {_relative(root, text_path)}")
    notebook = from_text(root, name)
    if path.exists():
        stored = nbformat.read(path, as_version=4)
        if edited(stored) and cells_hash(stored) != cells_hash(notebook):
            raise Refusal(
                f"{_relative(root, path)} was edited since it was made from {_relative(root, text_path)}. "
                f"Keep the edits with `python run.py text {name}`, or drop them with "
                f"`git checkout {_relative(root, path)}`."
            )
    execute(notebook, path.parent, root)
    if notebook.cells[0].get("outputs"):
        raise Refusal(f"the first cell should be silent, but it gave {notebook.cells[0].outputs[0].get('text')}")
    normalise(notebook)
    content = dumps(notebook)
    if path.exists() and path.read_text(encoding="utf-8") == content:
        return "executed, unchanged"
    temporary = path.with_suffix(".ipynb.new")
    temporary.write_text(content, encoding="utf-8", newline="\n")
    temporary.replace(path)
    return f"executed, written to {_relative(root, path)}"


def write_text(root: Path, name: str) -> str:
    """Write the cells of book/NAME.ipynb back to its text."""
    text_path, path = _paths(root, name)
    if not path.exists():
        raise Refusal(f"there is no {_relative(root, path)}")
    stored = nbformat.read(path, as_version=4)
    if text_path.exists():
        current = cells_hash(from_text(root, name))
        if current == cells_hash(stored):
            return "the text already says what the notebook says"
        if not edited(stored):
            raise Refusal(
                f"{_relative(root, text_path)} changed and {_relative(root, path)} did not: "
                f"`python run.py notebooks {name}` brings the notebook up to date."
            )
        if current != recorded_hash(stored):
            raise Refusal(
                f"both {_relative(root, text_path)} and {_relative(root, path)} changed since the notebook was made. "
                f"Copy one of them elsewhere, restore it with git, and bring its changes over by hand."
            )
    text_path.parent.mkdir(parents=True, exist_ok=True)
    text_path.write_text(to_text(stored), encoding="utf-8", newline="\n")
    return f"written to {_relative(root, text_path)}"


def from_text(root: Path, name: str) -> NotebookNode:
    """The notebook, not yet executed, that the chapter's text gives."""
    text_path, _ = _paths(root, name)
    notebook = jupytext.reads(text_path.read_text(encoding="utf-8"), fmt="md:myst")
    for cell in notebook.cells:
        cell.source = cell.source.rstrip()
        cell.metadata = _ordered(cell.metadata)
    notebook.metadata = NotebookNode(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python"},
        unrolled={"cells": cells_hash(notebook), "text": f"text/{name}.md"},
    )
    notebook.cells.insert(0, setup_cell(root))
    name_cells(notebook)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def to_text(notebook: NotebookNode) -> str:
    """The text of a notebook, without its first cell and without outputs."""
    bare = nbformat.v4.new_notebook(metadata={"kernelspec": dict(notebook.metadata.get("kernelspec", {}))})
    for cell in _chapter_cells(notebook):
        metadata = {key: value for key, value in _ordered(cell.metadata).items() if key in KEPT_METADATA}
        make = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
        bare.cells.append(make(cell.source.rstrip(), metadata=metadata))
    text: str = jupytext.writes(bare, fmt="md:myst")
    _, _, body = text.partition("\n---\n")  # jupytext's own header names its version, which is nobody's edit
    return TEXT_HEADER + body


TEXT_HEADER = """\
---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---
"""
KEPT_METADATA = ("tags", "mystnb")  # what the book reads; Jupyter adds its own (collapsed, editable, scrolled, …)


def cells_hash(notebook: NotebookNode) -> str:
    """A hash of what an author writes: the cells' kinds, sources, tags and figure options; not outputs."""
    written = [
        [cell.cell_type, cell.source.rstrip(), {key: cell.metadata.get(key) for key in KEPT_METADATA}]
        for cell in _chapter_cells(notebook)
    ]
    return hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()[:32]


def recorded_hash(notebook: NotebookNode) -> str | None:
    record: str | None = notebook.metadata.get("unrolled", {}).get("cells")
    return record


def edited(notebook: NotebookNode) -> bool:
    """Whether the notebook's cells differ from those that its text gave when it was made."""
    return recorded_hash(notebook) != cells_hash(notebook)


def setup_cell(root: Path, folder: str = "book", advice: str = MAKE_LAB) -> NotebookNode:
    """The first cell of a notebook in this folder: one thread for matrix products, and where companion is.

    ``advice`` is printed where it is nowhere, and the notebook is not on Colab.
    """
    repository = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["repository"]
    address, branch = repository["url"].rstrip("/"), repository["branch"]
    clone = address.rpartition("/")[2]
    source = f"""\
# Written by tools/notebooks.py. One thread keeps results the same everywhere.
# companion is in the course's folder around this notebook; Colab has the notebook
# alone, and fetches the rest.
import importlib.util
import os
import sys
from pathlib import Path

for _variable in ({", ".join(map(json.dumps, THREADS))}):
    os.environ.setdefault(_variable, "1")
for _folder in (Path.cwd(), *Path.cwd().parents):
    if (_folder / "companion").is_dir() and (_folder / "_config.yml").exists():
        sys.path.insert(0, str(_folder))
        break
_colab = "google.colab" in sys.modules
_missing = importlib.util.find_spec("companion") is None
if _missing and _colab:
    !git clone -q --depth 1 -b {branch} {address}
    %pip install -q --no-deps --no-build-isolation -r {clone}/requirements-data.txt
    %pip install -q ./{clone}
elif _missing:
    print({json.dumps(advice)})
if _colab and os.path.isdir("{clone}/{folder}"):
    %cd -q {clone}/{folder}"""
    folded = {"tags": ["remove-cell", SETUP_TAG], "jupyter": {"source_hidden": True}}
    return nbformat.v4.new_code_cell(source, metadata=folded)


def execute(notebook: NotebookNode, directory: Path, root: Path) -> None:
    """Run every cell in a fresh kernel that works in ``directory``; stop at the first cell that fails."""
    with tempfile.TemporaryDirectory() as settings:
        (Path(settings) / "matplotlibrc").write_text(MATPLOTLIBRC, encoding="utf-8")
        environment = {
            **os.environ,
            **dict.fromkeys(THREADS, "1"),
            "MATPLOTLIBRC": str(Path(settings) / "matplotlibrc"),
            "PYTHONPATH": os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=CELL_TIMEOUT,
            record_timing=False,
            store_widget_state=True,  # nbclient needs it to run a widget; normalise() removes it
            extra_arguments=["--log-level=ERROR"],  # the kernel warns that its local sockets are not encrypted
            coalesce_streams=True,
            resources={"metadata": {"path": str(directory)}},
        )
        client.on_notebook_start = lambda notebook: poll_for_replies(client)
        try:
            client.execute(env=environment)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
            raise Refusal(f"a cell failed, so the notebook was not written\n{plain}") from None


def poll_for_replies(client: NotebookClient) -> None:
    """Have the client look for the kernel's reply every second, instead of once and then after CELL_TIMEOUT.

    Now and then the waiting client is not woken by a reply: the kernel stood idle, the client slept until its time was
    up, and then the reply was there.
    """
    assert client.kc is not None
    channel = client.kc.shell_channel
    channel.get_msg = in_slices(channel.get_msg)


def in_slices(get: Callable[..., Awaitable[Any]], seconds: float = 1.0) -> Callable[..., Awaitable[Any]]:
    """get(timeout=…) called again and again for at most so many seconds; queue.Empty when the whole time is up."""

    async def patient(timeout: float | None = None) -> Any:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = seconds if deadline is None else min(seconds, max(0.0, deadline - time.monotonic()))
            try:
                return await get(timeout=left)
            except queue.Empty:
                if deadline is not None and time.monotonic() >= deadline:
                    raise

    return patient


def normalise(notebook: NotebookNode) -> None:
    """Remove from an executed notebook what differs from run to run or from machine to machine."""
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.metadata.pop("widgets", None)
    notebook.metadata = _ordered(notebook.metadata)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        if "widget" in cell.metadata.get("tags", []):
            cell.outputs = []  # a widget needs a kernel; the next cell shows its static counterpart
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" in data:
                picture = without_text(base64.b64decode(data["image/png"]))
                data["image/png"] = base64.b64encode(picture).decode("ascii") + "\n"
                output.metadata = NotebookNode()
    name_cells(notebook)


def without_text(png: bytes) -> bytes:
    """A PNG without the chunks that hold text and time, where matplotlib writes its version."""
    signature, rest = png[:8], png[8:]
    kept = [signature]
    while rest:
        (length,) = struct.unpack(">I", rest[:4])
        chunk, rest = rest[: length + 12], rest[length + 12 :]
        if chunk[4:8] not in (b"tEXt", b"zTXt", b"iTXt", b"tIME"):
            kept.append(chunk)
    return b"".join(kept)


def dumps(notebook: NotebookNode) -> str:
    """The notebook as it is stored: indented by one, keys in order, one newline at the end."""
    nbformat.validate(notebook)
    split = nbformat.v4.rwbase.split_lines(copy.deepcopy(notebook))
    return json.dumps(split, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def name_cells(notebook: NotebookNode) -> None:
    """Ids from the contents, so that inserting a cell does not rename those below it."""
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"


def _chapter_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if SETUP_TAG not in cell.metadata.get("tags", [])]


def _ordered(metadata: NotebookNode) -> NotebookNode:
    ordered: NotebookNode = nbformat.from_dict(json.loads(json.dumps(metadata, sort_keys=True)))
    return ordered


def _paths(root: Path, name: str) -> tuple[Path, Path]:
    return root / "book" / "text" / f"{name}.md", root / "book" / f"{name}.ipynb"


def _relative(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


if __name__ == "__main__":
    sys.exit(main())
