import os

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# before NumPy is imported: results on one thread do not depend on how many cores there are
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# A time limit for one example fails on a busy machine and says nothing about the code. Examples are drawn afresh on
# every local run, to find more; in CI they are always the same, so that a change fails for its own faults only.
settings.register_profile("unrolled", deadline=None, derandomize=os.environ.get("CI", "").lower() in ("1", "true"))
settings.load_profile("unrolled")

# Files whose tests start kernels or many processes: one worker runs those of a line, one after the other. If two
# kernels start at once, one may be given a port that the other has taken.
GROUPS = {
    "kernels": (
        *("project/test_mutants.py", "project/test_notebooks_tool.py", "project/test_wrong_sign.py"),
        "site/test_lab.py",
    ),
    "grader": ("grade/test_grade_autograder.py", "grade/test_grade_class.py", "grade/test_grade_hostile.py"),
}
# Its tests of one exercise share the rubrics, which take longer to prepare than to use.
BY_EXERCISE = "exercises/test_catalogue.py"


class Grouped(LoadScopeScheduling):
    """Every test by itself, but for those of GROUPS. (The mark xdist_group has no effect with pytest 9.2.)"""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        if file.endswith(BY_EXERCISE) and "[" in test:  # test_name[exercise: question], or [exercise]
            return test.partition("[")[2].rstrip("]").partition(":")[0]
        return next((name for name, files in GROUPS.items() if file.endswith(files)), nodeid)


@pytest.hookimpl(optionalhook=True)  # the mutants' tests run without pytest-xdist
def pytest_xdist_make_scheduler(config, log):
    return Grouped(config, log) if config.getvalue("dist") == "load" else None
