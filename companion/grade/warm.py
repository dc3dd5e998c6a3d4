"""What the warm parent of the children imports before it forks them: all that submissions usually want.

A child that has given up its rights may be unable to read the installation, and finds these modules ready.
"""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import sys

import companion

_OF_PYTHON = (
    *("collections", "copy", "ctypes", "dataclasses", "datetime", "fractions", "functools", "heapq", "inspect"),
    *("itertools", "json", "math", "operator", "pathlib", "pickle", "random", "re", "statistics", "string"),
    *("subprocess", "textwrap", "threading", "time", "traceback", "typing", "unittest", "urllib.request"),
)
_APART = ("exercises", "grade")

for _module in pkgutil.iter_modules(companion.__path__):
    if _module.name not in _APART:
        importlib.import_module(f"companion.{_module.name}")
for _name in ("companion.grade.child", *_OF_PYTHON, "numpy.testing"):
    importlib.import_module(_name)

if hasattr(os, "setsid") and any("multiprocessing.forkserver" in word for word in sys.orig_argv):
    os.setsid()  # a submission that ends the group of its parent does not reach the grader
gc.freeze()  # shared pages stay shared
