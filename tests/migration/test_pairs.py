"""`parity compare` on the pairs of `tests/migration/pairs`: verdict, layer and cause.

They run where PARITY_PAIRS is set.
"""

import os

import pytest

from parity.data.dataset import Dataset
from parity.workers.pool import Workers
from tests.migration.pairs import PAIRS, Pair
from tests.migration.verdicts import compare_words

if not os.environ.get("PARITY_PAIRS"):
    pytest.skip("set PARITY_PAIRS=1 to compare all pairs", allow_module_level=True)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_the_verdict_is_right_and_says_where_and_why(workers: Workers, dataset: Dataset, pair: Pair) -> None:
    outcome = compare_words(workers, dataset, pair.arguments)
    assert outcome.verdict == pair.verdict, outcome
    if pair.verdict == "equal":
        assert not outcome.causes, outcome
    if pair.layer:
        assert set(pair.layer) & set(outcome.layers), outcome
    assert pair.cause.lower() in "\n".join(outcome.causes).lower(), outcome
