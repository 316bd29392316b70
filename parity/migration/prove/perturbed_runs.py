"""What both models give with weights and inputs moved by rounding, for many sets of inputs at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from parity.migration.align.recorded_pair import Outputs, RecordedPair
from parity.migration.prove.inputs import InputSet
from parity.workers.errors import WorkerError


class PerturbedRuns:
    """Runs of a pair, made when they are asked for.

    To move the weights of a large model takes longer than to run it: from the second set on for which a run is asked
    for, the same run is made of the sets that come after it, too.

    Args:
        pair: aligned.
        sets: in the order in which they are asked for.
    """

    def __init__(self, pair: RecordedPair, sets: Sequence[InputSet]) -> None:
        self._pair, self._sets = pair, [one for one in sets if one is not pair.user_inputs]
        self._asked: set[int] = set()
        self._made: dict[tuple[int, int], Mapping[str, Outputs]] = {}

    def outputs(self, inputs: InputSet, run: int) -> Mapping[str, Outputs]:
        """Both models' outputs for a set, by framework.

        Args:
            inputs: the set, or a batch of one; the pair has the weights that belong to it.
            run: a number; each gives other roundings.

        Raises:
            WorkerError: a model does not run.
        """
        if (known := self._made.pop((id(inputs), run), None)) is not None:
            return known
        together = [inputs]
        index = next((index for index, one in enumerate(self._sets) if one is inputs), None)
        if self._asked - {id(inputs)} and index is not None:
            together += [one for one in self._sets[index + 1 :] if one.enlarged == inputs.enlarged]
        self._asked.add(id(inputs))
        try:
            made = self._pair.perturbed_outputs([one.arrays for one in together], run)
        except WorkerError:
            if len(together) == 1:
                raise
            made = self._pair.perturbed_outputs([inputs.arrays], run)
        self._made.update({(id(one), run): outputs for one, outputs in zip(together[1:], made[1:], strict=False)})
        return made[0]
