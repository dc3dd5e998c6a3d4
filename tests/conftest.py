import os
import sys
from pathlib import Path

from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))  # tools/ are scripts, and what they do is tested here

# before NumPy is imported: results on one thread do not depend on how many cores there are
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# A time limit for one example fails on a busy machine and says nothing about the code.
settings.register_profile("unrolled", deadline=None)
settings.load_profile("unrolled")
