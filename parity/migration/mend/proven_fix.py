"""Changes of one of the models that were made and proven: no other ones are suggested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from parity.catalogue.targets import TargetError
from parity.migration.align.pair_alignment import align
from parity.migration.align.recorded_graph import RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.causes import Cause
from parity.migration.explain.segments import segment_of
from parity.migration.explain.training_causes import causes_in_training, training_differences
from parity.migration.mend.fix_code import Draft, draft_fix
from parity.migration.prove.inputs import InputSet
from parity.migration.prove.training import compare_training
from parity.migration.prove.verdict import PairVerdict, decide
from parity.migration.specs import FIRST, SECOND, MatchError
from parity.records.records import Verdict
from parity.workers.errors import WorkerError

MOST_GROUPS = 6  # of changes that are alike, which are tried one after the other where they fail together

UNPROVEN = "the change that the suite knows for it does not remove it"


@dataclass
class Fix:
    """Changes that make segments agree, and what remains.

    Attributes:
        framework: whose model they change.
        code: Python source of `def fix(model)`, which makes them; empty where there are none.
        changes: the same in the user's terms, a line each: the layer, and its constructor.
        by_hand: causes that they do not remove, and what to do, a line each.
        verdict: on the pair with the changes; None where there are none.
    """

    framework: str
    code: str = ""
    changes: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)
    verdict: Verdict | None = None


def proven_fix(
    pair: RecordedPair,
    sets: Sequence[InputSet],
    causes: Sequence[Cause],
    matched: Sequence[tuple[RecordedStep, RecordedStep]],
    framework: str = SECOND,
    *,
    training: bool = False,
) -> Fix:
    """Find changes of one of the models, make them in memory, and keep those behind which the models agree.

    Args:
        pair: aligned, with a traced run of the models as they are; afterwards the models have to be opened again.
        sets: the inputs of the comparison; the first is the one on which the pair is aligned.
        causes: of its differences.
        matched: the steps of both models that correspond.
        framework: whose model changes.
        training: whether the verdict is one on a pass in training mode, too; changes are then made of what differs in
            training only, too.

    Raises:
        WorkerError: a model cannot be opened or run unchanged.
    """
    if training and causes and not any(cause.training for cause in causes):
        causes = [*causes, *causes_in_training(training_differences(pair, matched))]
    draft = draft_fix(pair, causes, matched, framework)
    with_training = draft
    if not pair.close.derived:
        with_training = draft_fix(pair, causes, matched, framework, training=True)
    differs_in_training = with_training.changes != draft.changes
    # without causes the models agree in inference: a change must be needed in training
    if differs_in_training and not causes and compare_training(pair, sets[0].arrays).passed:
        differs_in_training = False
    trials = _Trials(pair, sets)
    try:
        if differs_in_training:
            everything = list(range(len(with_training.changes)))
            decided = trials.decided(with_training, everything, training=True)
            if decided is not None and decided.verdict == "equal" and not with_training.by_hand:
                return _fix(with_training, everything, causes, decided)
        chosen = trials.proven(draft, training=training)
        decided = trials.decided(draft, chosen, training=training) if chosen else None
        return _fix(draft, chosen if decided else [], causes, decided)
    finally:
        pair.fixes = {}


def _fix(draft: Draft, chosen: Sequence[int], causes: Sequence[Cause], decided: PairVerdict | None) -> Fix:
    left = set().union(*(draft.causes[index] for index in range(len(draft.changes)) if index not in chosen))
    made = set().union(*(draft.causes[index] for index in chosen)) - left
    by_hand = [
        draft.by_hand.get(index, f"{draft.texts[index]}: {UNPROVEN}")
        for index in range(len(causes))
        if index not in made or index in draft.by_hand
    ]
    if decided is not None and decided.witness is not None and not by_hand:
        gap = decided.witness.gap
        by_hand = [f"with these changes the outputs still differ: {gap.problem or f'by {gap.gap:.1e}'}"]
    if decided is not None and decided.training is not None and not decided.training.passed and not by_hand:
        by_hand = [f"with these changes a pass in training mode still differs: {decided.training.explain()[0]}"]
    verdict = decided.verdict if decided is not None else None
    return Fix(draft.framework, draft.code(chosen), draft.lines(chosen), list(dict.fromkeys(by_hand)), verdict)


class _Trials:
    """Makes changes, and looks at what the two models then give."""

    def __init__(self, pair: RecordedPair, sets: Sequence[InputSet]) -> None:
        self.pair, self.sets = pair, sets
        self._code = ""  # of the changes that were made last, and the verdict with them
        self._verdict: PairVerdict | None = None

    def decided(self, draft: Draft, chosen: list[int], *, training: bool = False) -> PairVerdict | None:
        """The verdict on the pair with these changes; None where the changed model does not run."""
        code = draft.code(chosen)
        known = self._verdict if code == self._code else None
        # models whose outputs differ are not compared in training mode
        if known is not None and (known.witness is not None or (known.training is not None) == training):
            return known
        self.pair.fixes = {draft.framework: code}
        self._code, self._verdict = code, None
        try:
            self.pair.open()
            align(self.pair, self.sets[0].arrays)
            self._verdict = decide(self.pair, self.sets, training=training)
        except (WorkerError, TargetError, MatchError):
            return None
        return self._verdict

    def proven(self, draft: Draft, *, training: bool) -> list[int]:
        """The changes behind which the models agree at the layers that change, together."""
        everything = list(range(len(draft.changes)))
        if not everything:
            return []
        chosen = self._agreeing(draft, everything, training)
        if chosen == everything:
            return everything
        groups = draft.alike()
        candidates = chosen or []
        if not candidates and 1 < len(groups) <= MOST_GROUPS:  # one of them spoils the others
            candidates = sorted(
                index for group in groups if self._agreeing(draft, group, training) == group for index in group
            )
        return candidates if candidates and self._agreeing(draft, candidates, training) == candidates else []

    def _agreeing(self, draft: Draft, chosen: list[int], training: bool) -> list[int]:
        """Those of the changes, all of which are made, at whose layers no values part any more."""
        decided = self.decided(draft, chosen, training=training)
        if decided is None:
            return []
        parted = set(self._parted(decided))
        return [index for index in chosen if not draft.names[index] & parted]

    def _parted(self, decided: PairVerdict) -> Iterator[str]:
        """The names of the steps at which values part on the inputs on which causes are looked for."""
        pair = self.pair
        for one in decided.telling:
            pair.use_weights(one.inputs.enlarged)
            walked = pair.walk_again(one.inputs.arrays, traced=True)
            for parting in walked.partings:
                segment = segment_of(pair, walked, parting)
                for side, framework in enumerate((FIRST, SECOND)):
                    graph = pair.graphs[framework]
                    yield from (graph.steps[index].name for index in segment.steps[side])
                    for index in segment.operations[side]:
                        call = graph.operations[index].call
                        while call >= 0:
                            yield graph.calls[call].path
                            call = graph.calls[call].parent
        pair.use_weights()
