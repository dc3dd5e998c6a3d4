import os
import sys
from pathlib import Path

from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))  # tools/ are scripts, and what they do is tested here

# before NumPy is imported: results on one thread do not depend on how many cores there are
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# A time limit for one example fails on a busy machine and says nothing about the code. Examples are drawn afresh on
# every local run, to find more; in CI they are always the same, so that a change fails for its own faults only.
settings.register_profile("unrolled", deadline=None, derandomize=os.environ.get("CI", "").lower() in ("1", "true"))
settings.load_profile("unrolled")
