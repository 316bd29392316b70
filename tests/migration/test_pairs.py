"""`parity compare` on the pairs of `tests/migration/pairs`: verdict, layer and cause.

All but the first pair of each verdict and family are slow. What is known not to be met yet is listed
in `tests/migration/shortcomings.py`, and has to be taken from there once it is.
"""

import re
from typing import Any

import pytest

from parity.workers.pool import Workers
from tests.migration.pairs import PAIRS, Pair
from tests.migration.shortcomings import SHORTCOMINGS
from tests.migration.verdicts import Outcome, compare_words

LONG = ("cells/by-hand-backwards", "recurrent/own-cell-backwards")  # many layouts of cells are tried

FIRST_OF_KIND = {(pair.name.partition("/")[0], pair.verdict): pair.name for pair in reversed(PAIRS)}


def rows() -> list[Any]:
    quick = set(FIRST_OF_KIND.values()) - set(LONG)
    marks = {pair.name: () if pair.name in quick else pytest.mark.slow for pair in PAIRS}
    return [pytest.param(pair, id=pair.name, marks=marks[pair.name]) for pair in PAIRS]


def names(outcome: Outcome) -> set[str]:
    """Parts of the layers' names, and these without the number that Keras gives to functions: add of add_3."""
    parts = [part for layer in outcome.layers for part in re.split(r"[./#]", layer)]
    return {*parts, *(re.sub(r"_\d+$", "", part) for part in parts)}


def unmet(pair: Pair, outcome: Outcome) -> set[str]:
    """What an outcome lacks: "verdict", or with the right one "layer" and "cause"."""
    if outcome.verdict != pair.verdict or (pair.verdict == "equal" and outcome.causes):
        return {"verdict"}
    explanation = "\n".join([*outcome.causes, *outcome.training]).lower()
    lacking = set()
    if pair.layer and not names(outcome) & set(pair.layer):
        lacking.add("layer")
    if any(cause.strip().lower() not in explanation for cause in pair.cause.split(";")):
        lacking.add("cause")
    return lacking


@pytest.mark.parametrize("pair", rows())
def test_the_verdict_is_right_and_says_where_and_why(workers: Workers, pair: Pair) -> None:
    outcome = compare_words(workers, pair.arguments)
    known = SHORTCOMINGS.get(pair.name)
    assert unmet(pair, outcome) == (set(known.demands) if known else set()), (known, outcome)


def test_shortcomings_are_of_pairs_in_the_table() -> None:
    assert SHORTCOMINGS.keys() <= {pair.name for pair in PAIRS}


def test_shortcomings_name_what_can_be_demanded() -> None:
    for pair in PAIRS:
        known = SHORTCOMINGS.get(pair.name)
        for demand in known.demands if known else ():
            assert getattr(pair, demand), pair.name
