"""What a test needs and this machine lacks: skipped by hand, a failure in CI, where it is part of the claim."""

import os

import pytest


def missing(why: str) -> None:
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(why)
    pytest.skip(why)
