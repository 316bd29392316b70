"""The sets of inputs on which a pair is compared: what was designed, the user's own, and what its models look for."""

from __future__ import annotations

from parity.migration.align.pair_alignment import align
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.prove.compared_numbers import compared_numbers
from parity.migration.prove.inputs import InputSet, designed_inputs, ended_inputs, usual_count
from parity.migration.specs import FIRST


def aligned_on_sets(pair: RecordedPair) -> list[InputSet]:
    """Put the two models of a pair together by their values, and design inputs for what they are made of.

    Args:
        pair: open.

    Returns:
        The sets; on the first of them it was aligned.

    Raises:
        MatchError: a map does not fit.
        WorkerError: a model does not run.
    """
    specs = pair.specs[FIRST].inputs
    sets = designed_inputs(specs, pair.seed, pair.images, usual_count(specs))
    align(pair, sets[0].arrays)
    if pair.user_inputs is not None:
        sets.insert(1, pair.user_inputs)
    pair.compared = compared_numbers(pair, sets[0].arrays)
    return sets + ended_inputs(specs, pair.seed, [number for number in pair.compared if number], pair.images)
