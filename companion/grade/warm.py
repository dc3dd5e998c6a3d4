"""What the warm parent of the children imports before it forks them: all that submissions usually want.

A child that has given up its rights may be unable to read the installation, and finds these modules ready.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pkgutil
import sys

import companion

_OF_PYTHON = (
    *("abc", "argparse", "array", "ast", "asyncio", "base64", "bisect", "calendar", "cmath", "collections", "colorsys"),
    *("concurrent.futures", "configparser", "contextlib", "copy", "csv", "ctypes", "dataclasses", "datetime"),
    *("decimal", "difflib", "dis", "doctest", "encodings.idna", "encodings.latin_1", "encodings.utf_8_sig", "enum"),
    *("fractions", "functools", "getpass", "glob", "gzip", "hashlib", "heapq", "html", "inspect", "io", "itertools"),
    *("json", "keyword", "linecache", "locale", "logging", "math", "multiprocessing.pool", "numbers", "operator"),
    *("pathlib", "pdb", "pickle", "platform", "pprint", "queue", "random", "re", "reprlib", "secrets", "shelve"),
    *("shutil", "signal", "statistics", "string", "struct", "subprocess", "tempfile", "textwrap", "threading", "time"),
    *("timeit", "tokenize", "traceback", "typing", "unicodedata", "unittest.mock", "urllib.request", "uuid"),
    *("warnings", "weakref", "xml.etree.ElementTree", "zipfile", "zoneinfo"),
)
_OF_NUMPY = ("numpy.fft", "numpy.linalg", "numpy.ma", "numpy.polynomial", "numpy.random", "numpy.testing")
_APART = ("exercises", "grade")

for _module in pkgutil.iter_modules(companion.__path__):
    if _module.name not in _APART:
        importlib.import_module(f"companion.{_module.name}")
for _name in ("companion.grade.child", *_OF_NUMPY):
    importlib.import_module(_name)
for _name in _OF_PYTHON:
    with contextlib.suppress(ImportError):  # a Python that was built without it
        importlib.import_module(_name)

if hasattr(os, "setsid") and any("multiprocessing.forkserver" in word for word in sys.orig_argv):
    os.setsid()  # a submission that ends the group of its parent does not reach the grader
gc.freeze()  # shared pages stay shared
