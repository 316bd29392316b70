"""`parity compare` on the pairs of `tests/migration/pairs`: verdict, layer and cause.

They run where PARITY_PAIRS is set; but for the first equal and the first different pair of each family they are slow.
"""

import os
import re
from typing import Any

import pytest

from parity.data.dataset import Dataset
from parity.workers.pool import Workers
from tests.migration.pairs import PAIRS, Pair
from tests.migration.verdicts import Outcome, compare_words

if not os.environ.get("PARITY_PAIRS"):
    pytest.skip("set PARITY_PAIRS=1 to compare all pairs", allow_module_level=True)

FIRST_OF_KIND = {(pair.name.partition("/")[0], pair.verdict): pair.name for pair in reversed(PAIRS)}


def rows() -> list[Any]:
    quick = set(FIRST_OF_KIND.values())
    marks = {pair.name: () if pair.name in quick else pytest.mark.slow for pair in PAIRS}
    return [pytest.param(pair, id=pair.name, marks=marks[pair.name]) for pair in PAIRS]


def names(outcome: Outcome) -> set[str]:
    """Parts of the layers' names, and these without the number that Keras gives to functions: add of add_3."""
    parts = [part for layer in outcome.layers for part in re.split(r"[./#]", layer)]
    return {*parts, *(re.sub(r"_\d+$", "", part) for part in parts)}


@pytest.mark.parametrize("pair", rows())
def test_the_verdict_is_right_and_says_where_and_why(workers: Workers, dataset: Dataset, pair: Pair) -> None:
    outcome = compare_words(workers, dataset, pair.arguments)
    assert outcome.verdict == pair.verdict, outcome
    if pair.verdict == "equal":
        assert not outcome.causes, outcome
    if pair.layer:
        assert names(outcome) & set(pair.layer), outcome
    explanation = "\n".join([*outcome.causes, *outcome.training])
    assert all(cause.strip().lower() in explanation.lower() for cause in pair.cause.split(";")), outcome
