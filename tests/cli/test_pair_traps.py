"""`parity traps --pair`: traps in a user's own pair, as the command shows, prints and saves them."""

import json
from pathlib import Path

import pytest

from tests.command_line import parity

PAIR = ("tests.faults.trapped_models:tensorflow_model", "tests.faults.trapped_models:paddle_model")

INPUT = ("--input", "8,8,3", "--dataset", "generated")


def test_traps_of_a_pair_are_shown_saved_and_reported(tmp_path: Path) -> None:
    saved = tmp_path / "traps.json"
    chosen = ("--trap", "conv-bias", "--trap", "same-pad", "--trap", "relu-missing", "--sites", "2")
    done = parity("traps", "--pair", *PAIR, *INPUT, *chosen, "--json", "--save", saved)
    printed = json.loads(done.stdout)
    places = [(one["trap"], one["stage"]) for one in printed["detections"]]
    assert places[:3] == [("conv-bias", "conv"), ("conv-bias", "classes"), ("same-pad", "conv")]
    assert all(one["level"] and one["located"] and one["named"] for one in printed["detections"])
    assert ("relu-missing", "relu#2") in [(one["trap"], one["stage"]) for one in printed["without effect"]]
    assert [one["false_alarms"] for one in printed["correct"]] == [[]]
    faults = len(places)
    assert f"caught: {faults} of {faults} (100.0%)" in done.stderr
    assert "control runs: 1, false alarms: 0" in done.stderr
    parity("report", saved, "-o", tmp_path / "report.md")
    report = (tmp_path / "report.md").read_text()
    assert f"Of {faults} faults in `{PAIR[0]} / {PAIR[1]}`: {faults} (100.0%) caught" in report
    assert "Of a pair of users' models" in report


def test_a_pair_that_is_not_equal_is_refused() -> None:
    done = parity("traps", "--pair", PAIR[0], f"{PAIR[1]}(epsilon=1e-5)", *INPUT, code=2)
    assert "expected a pair that is equal to put traps into, found 'different'" in done.stderr
    assert "batch norm epsilon" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--pair", *PAIR), "expected --pair with --input and without --network"),
        (("--input", "8"), "expected --pair with --input and without --network"),
        (("--pair", *PAIR, *INPUT, "--network", "lenet5"), "expected --pair with --input and without --network"),
        (("--pair", *PAIR, *INPUT, "--trap", "conv-bais"), "--trap: expected some of "),
        (("--pair", *PAIR, *INPUT, "--save", "pyproject.toml/run.json"), "to be a directory to write to, found a file"),
    ],
)
def test_wrong_usage_is_refused(words: tuple[str, ...], message: str) -> None:
    assert message in parity("traps", *words, code=2).stderr


def test_a_trap_that_the_model_has_no_place_for_shows_nothing() -> None:
    done = parity("traps", "--pair", *PAIR, *INPUT, "--trap", "recurrent-state", "--seeds", "0", code=2)
    assert "no fault of recurrent-state can be put into tests.faults.trapped_models:paddle_model" in done.stdout
