"""What the commands that compute nothing import: a user who asks for help does not wait for numpy."""

import subprocess
import sys

import pytest

from tests.command_line import surroundings

HEAVY = ("matplotlib", "numpy", "pooch", "requests", "scipy", "tabulate")

RUN = """
import sys
from parity.cli.main import main
sys.argv[0] = "parity"
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "says", "without"),
    [
        (["--version"], "parity 0.", (*HEAVY, "rich")),
        (["--help"], "Usage: parity", (*HEAVY, "rich")),
        (["compare", "--help"], "Usage: parity compare", (*HEAVY, "rich")),
        (["train", "--help"], "Usage: parity train", (*HEAVY, "rich")),
        (["networks"], "lenet5", HEAVY),  # rich lays out the table
        (["networks", "--json"], '"lenet5"', HEAVY),
    ],
)
def test_an_answer_without_a_computation_takes_no_library_that_computes(
    arguments: list[str], says: str, without: tuple[str, ...]
) -> None:
    command = [sys.executable, "-c", RUN, *arguments]
    done = subprocess.run(command, env=surroundings(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert says in done.stdout
    loaded = set(done.stderr.split())
    assert "parity" in loaded
    assert not loaded & set(without)
