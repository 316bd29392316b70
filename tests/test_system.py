"""The high-water mark of a process is its own."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from parity.system import high_water

CHILD = """
import numpy as np
from parity.system import high_water
before = high_water()
held = np.ones(25 * 2**20)  # 200 MiB
print(before, high_water())
del held
print(high_water())
"""


def test_a_process_inherits_nothing_from_its_parent_and_keeps_what_it_once_held() -> None:
    held = np.ones(50 * 2**20)  # 400 MiB
    assert high_water() > held.nbytes
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    before, during, after = map(int, done.stdout.split())
    assert before < held.nbytes // 2
    assert during > before + 150 * 2**20
    if sys.platform == "linux":
        assert after > before + 150 * 2**20
