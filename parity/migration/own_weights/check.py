"""`--weights own`: whether two models compute the same with the weights that each of them has.

The check after a conversion by any tool. The pair is first put together with drawn weights, as always; that says which
TensorFlow arrays make which Paddle array, and whether the models compute the same given the same weights. Then the
arrays that both models really have are compared one by one under that map, and both models run with them on real and
designed inputs. The verdict, from what was computed:

different:
    Outputs with own weights differ on inputs that the models are made for, by more than rounding; that holds whatever
    the drawn weights showed. Or the models are not different with drawn weights, and an array under the map holds other
    numbers: then it changes the function, on whatever inputs reach it, such as tokens that nobody looked up here.
equal:
    The models are equal with drawn weights, every array under the map holds the same bits, or numbers of which one is
    the other one rounded, no array is left over, and the outputs agree. Where arrays were rounded outputs may differ by
    as much as such roundings of those arrays make of them.
undecided:
    All else. Above all models that differ with drawn weights, and agree with their own: a batch norm was folded into a
    convolution, or a clip lies where these weights never reach. Neither verdict would be proven: no map says that
    the weights are right, so agreement on some inputs says nothing of others; and no input is known on which these two
    models, with the weights that they have, differ. An array that holds other numbers is no witness there, because it
    need not be the counterpart of what it was put together with. Since such weights were computed, and then kept in
    float32, outputs are here said to agree where rounding every weight of the Paddle model to that explains the gap.

An array that only one model has, such as a bias, and that holds one constant throughout changes nothing if both models
are equal with all other weights drawn and this one left as it is: then it is. That is tried whenever all arrays
without a counterpart are such constants. Arrays with different numbers in them are never left as they are: an embedding
of zeros but for one row could pass unseen.

A saved program is one operation with many arrays, which the drawn weights cannot tell apart. There, and where the pair
is not equal otherwise, arrays are put together by the numbers that both models have. That map is proven as any other:
the models must be equal with drawn weights under it. Arrays that are the same constant in both models, as many in one
as in the other, are left as they are, since nothing says which of them is which.

Layers that take the same inputs and whose results are added or multiplied may be exchanged without changing the
function, and a tool may have put them in another order than the map. Where arrays hold each other's numbers, the map
with these layers exchanged holds as well if it is proven with drawn weights like the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from msgspec.structs import replace as with_fields

from parity.migration.align.array_roles import role
from parity.migration.align.pair_alignment import align
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.own_weights.array_map import constant_partners, is_program, map_by_values
from parity.migration.own_weights.arrays import constant, constants, exchanged, own_array, own_arrays
from parity.migration.own_weights.outputs import OwnOutputs, OwnRuns
from parity.migration.prove.inputs import designed_inputs
from parity.migration.prove.verdict import PairVerdict, decide
from parity.migration.specs import FIRST, SECOND
from parity.numerics.arrays import Arrays
from parity.printable import few
from parity.records.migrations import LoneArray, OwnArray, OwnWeights
from parity.records.records import Verdict
from parity.weights.parts import Pieces
from parity.workers.errors import WorkerError
from parity.workers.frameworks import FRAMEWORKS

MOST_REASONS = 4  # of one kind


def read_own(pair: RecordedPair) -> dict[str, Arrays]:
    """The arrays that both models have when they are built as for use, in float32.

    Args:
        pair: whose models can be built.

    Returns:
        By framework and the framework's names.

    Raises:
        WorkerError: a model cannot be built in float32.
    """
    single = replace(pair, specs={name: replace(spec, dtype="float32") for name, spec in pair.specs.items()})
    single.title_suffix = " with own weights"
    single.open(draw=False)
    own = dict(single.workers.map(lambda worker: worker.read_arrays(single.name)))
    single.forget()
    return own


class OwnWeightsCheck:
    """The check of one pair.

    Args:
        pair: not yet open; its models are then built with NaN in their weights, too.
        on_event: is called with "stage" and a line that says what begins.
    """

    def __init__(self, pair: RecordedPair, on_event: Callable[[str, Any], None]) -> None:
        self.pair, self.on_event = pair, on_event
        pair.specs = {name: replace(spec, nan=True) for name, spec in pair.specs.items()}
        on_event("stage", "reading the weights that both models have")
        self.own = read_own(pair)
        self.partners: dict[str, str] = {}  # constants of the Paddle model, to the same ones of the TensorFlow model
        if not pair.layers and any(is_program(spec.target) for spec in pair.specs.values()):
            pair.own_map, pair.held = self._by_values()

    def puts_together_anew(self, drawn: Verdict) -> bool:
        """Put the pair together in another way where it is not equal with drawn weights.

        First with arrays without a counterpart left as they are, where all of them are constants; then by the numbers
        that both models have, where that map is complete and proven.

        Args:
            drawn: the verdict with drawn weights, on the pair as it is aligned now.

        Returns:
            Whether the pair is to be compared again.

        Raises:
            WorkerError: a worker fails.
        """
        pair = self.pair
        if drawn == "equal" or pair.own_map is not None:
            return False
        alone = dict(zip((FIRST, SECOND), pair.alignment.alone, strict=True))
        if not pair.held and (lone := constants(alone, self.own)):
            pair.held = lone
            return True
        if pair.layers:  # the user's map is not replaced by another one
            return False
        own_map, held = self._by_values()
        if not self._proven(own_map, held):
            return False
        pair.own_map, pair.held = own_map, held
        return True

    def _by_values(self) -> tuple[Pieces, dict[str, Collection[str]]]:
        """The map that the numbers of both models say, and the constants that are left as they are."""
        first, second = (
            {name: array for name, array in self.own[framework].items() if array.dtype.kind == "f"}
            for framework in (FIRST, SECOND)
        )
        self.partners = constant_partners(first, second)
        held = {FIRST: set(self.partners.values()), SECOND: set(self.partners)}
        rest = (
            {name: array for name, array in first.items() if name not in held[FIRST]},
            {name: array for name, array in second.items() if name not in held[SECOND]},
        )
        return map_by_values(*rest), dict(held)

    def _proven(self, own_map: Pieces, held: dict[str, Collection[str]]) -> bool:
        """Whether both models are equal with drawn weights under a map; the pair stays as it is."""
        trial = replace(self.pair, own_map=own_map, held=held, title_suffix=" by their own values")
        try:
            trial.open()
            sets = designed_inputs(trial.specs[FIRST].inputs, trial.seed, trial.images)
            alignment = align(trial, sets[0].arrays)
            return not any(alignment.alone) and decide(trial, sets).verdict == "equal"
        except WorkerError:
            return False
        finally:
            trial.forget()

    def compared(self, decided: PairVerdict) -> OwnWeights:
        """Compare weights, and outputs with them.

        Args:
            decided: the verdict with drawn weights, on the pair as it is aligned now.

        Returns:
            What was found, and the verdict.

        Raises:
            WorkerError: a worker fails.
        """
        pair = self.pair
        arrays = self._arrays(pair.alignment.pieces)
        mapped = decided.verdict == "equal"
        if any(one.state == "other" for one in arrays):
            arrays = self._exchanged(arrays, proven=mapped)
        self.on_event("stage", "both models with their own weights")
        rounded = any(one.rounded for one in decided.outcomes)
        outputs = OwnRuns(pair, self.own, arrays, rounded=rounded, mapped=mapped).outputs()
        alone = self._alone(proven=mapped)
        verdict, reasons = self._decided(decided, arrays, alone, outputs)
        worst = outputs.worst
        return OwnWeights(
            verdict=verdict,
            drawn=decided.verdict,
            arrays=arrays,
            alone=alone,
            title=outputs.real.name,
            inputs=outputs.real.count,
            sets=outputs.sets,
            elements=outputs.elements,
            gap=worst.gap if worst is not None and math.isfinite(worst.gap) else None,
            limit=worst.limit if worst is not None else None,
            top1=outputs.top[0],
            top5=outputs.top[1],
            reasons=reasons,
        )

    def _arrays(self, pieces: Pieces) -> list[OwnArray]:
        first, second = self.own[FIRST], self.own[SECOND]
        mapped = {name: own for name, own in pieces.items() if name not in self.pair.alignment.alone[1]}
        same = self.partners if self.pair.own_map is not None else {}
        return own_arrays(mapped, first, second) + [
            own_array(name, [source], first[source].reshape(second[name].shape), second[name])
            for name, source in same.items()
        ]

    def _exchanged(self, arrays: list[OwnArray], *, proven: bool) -> list[OwnArray]:
        """The arrays under a map in which layers are exchanged that hold each other's, where that is proven as well.

        Args:
            arrays: under the pair's own map.
            proven: whether that map is.
        """
        pieces = self.pair.alignment.pieces
        others = [one for one in arrays if one.state == "other"]
        holds = exchanged(others, pieces, self.own[FIRST], self.own[SECOND])
        named = [with_fields(one, holds=holds.get(one.name, "")) for one in arrays]
        if not proven or len(holds) < len(others):
            return named
        other_map = self._with_layers_exchanged(holds)
        if other_map is None:
            return named
        again = self._arrays(other_map)
        if any(one.state == "other" for one in again):
            return named
        self.on_event("stage", "layers that hold each other's weights, exchanged")
        self.pair.alignment.pieces = other_map
        self.pair.move()
        sets = designed_inputs(self.pair.specs[FIRST].inputs, self.pair.seed, self.pair.images)
        if decide(self.pair, sets).verdict == "equal":
            return again
        self.pair.alignment.pieces = pieces
        self.pair.move()
        return named

    def _with_layers_exchanged(self, holds: dict[str, str]) -> Pieces | None:
        """The map with whole layers exchanged; None where they do not fit."""
        units = [pair.arrays for pair in self.pair.alignment.pairs]
        unit_of = {name: index for index, names in enumerate(units) for name in names}
        partner: dict[int, int] = {}
        for name, held in holds.items():
            if partner.setdefault(unit_of[name], unit_of[held]) != unit_of[held]:
                return None
        if set(partner) != set(partner.values()):
            return None
        pieces = dict(self.pair.alignment.pieces)
        for one, other in partner.items():
            free = [name for name in units[other] if name not in holds.values()]
            for name in units[one]:
                like = next((rest for rest in free if self._alike(name, rest)), None)
                if name not in holds and like is None:
                    return None
                pieces[name] = self.pair.alignment.pieces[holds.get(name) or str(like)]
        return pieces

    def _alike(self, one: str, other: str) -> bool:
        """Whether Paddle arrays of two layers have one shape and role."""
        shapes = [self.own[SECOND][name].shape for name in (one, other)]
        return shapes[0] == shapes[1] and role(one) == role(other)

    def _alone(self, *, proven: bool) -> list[LoneArray]:
        """All arrays that are not under the map; `proven`: whether the models are equal with constants held."""
        pair, alignment = self.pair, self.pair.alignment
        terms = {term.source for own in alignment.pieces.values() for piece in own for term in piece.terms}
        mapped = {FIRST: terms, SECOND: set(alignment.pieces)}
        if pair.own_map is not None:
            mapped = {FIRST: terms | set(self.partners.values()), SECOND: mapped[SECOND] | set(self.partners)}
        lone = []
        for side, framework in enumerate((FIRST, SECOND)):
            for name, fact in pair.opened[framework].arrays.items():
                array = self.own[framework][name]
                if name in alignment.alone[side]:
                    number = constant(array)
                    text = "numbers of its own" if number is None else f"all {number:g}"
                    lone.append(LoneArray(framework, name, array.size, False, text))
                elif name in pair.held.get(framework, ()):
                    text = f"all {constant(array):g}" + (": the models are equal with it as it is" if proven else "")
                    lone.append(LoneArray(framework, name, array.size, proven, text))
                elif name in mapped[framework]:
                    continue
                elif "float" not in fact["dtype"]:
                    lone.append(LoneArray(framework, name, array.size, True, "whole numbers, compared as they are"))
                elif framework == SECOND and name in alignment.kept:
                    text = "not trained: compared as it is, with what TensorFlow has in its code"
                    lone.append(LoneArray(framework, name, array.size, True, text))
                else:
                    lone.append(LoneArray(framework, name, array.size, True, "no operation uses it"))
        return lone

    def _decided(
        self, decided: PairVerdict, arrays: Sequence[OwnArray], alone: Sequence[LoneArray], outputs: OwnOutputs
    ) -> tuple[Verdict, list[str]]:
        """The verdict, and why it is not "equal"; see the module."""
        others = [one for one in arrays if one.state == "other"]
        reasons = [_output_line(name, gap) for name, gap in list(outputs.differing.items())[:MOST_REASONS]]
        if reasons:
            if decided.verdict == "different" and self.pair.own_map is not None:
                reasons.append(
                    "arrays were put together by their numbers, under which the models differ with drawn weights, too: "
                    "some may lie where others belong, or the models do not compute the same"
                )
            return "different", reasons + [_array_line(one) for one in others[:MOST_REASONS]]
        if decided.training is not None and not decided.training.passed:
            return "different", ["in training mode the models differ, with drawn weights"]
        certified = {name for pair in self.pair.alignment.pairs if pair.certified for name in pair.arrays}
        witnesses = [one for one in others if decided.verdict == "equal" or one.name in certified]
        if decided.verdict != "different" and witnesses:
            return "different", [_array_line(one) for one in witnesses[:MOST_REASONS]]
        worst = outputs.worst
        size = f"largest gap {worst.gap:.1e}, limit {worst.limit:.1e}" if worst is not None else "nothing was compared"
        agree = f"with their own weights the outputs agree on {outputs.real.count} inputs ({size})"
        left = [f"{FRAMEWORKS[one.framework].title}'s {one.name}" for one in alone if not one.idle]
        left += [f"{FRAMEWORKS[SECOND].title}'s {one.name}" for one in others]
        if decided.verdict == "different":
            reasons.append(
                f"{agree}, but with drawn weights the models differ, so that these inputs prove nothing of others: "
                "something was folded into other layers, or they differ where these weights do not reach"
            )
        elif decided.verdict == "undecided":
            missing = decided.missing[:MOST_REASONS] or ["undecided"]
            reasons += [f"with drawn weights: {line}" for line in missing]
        if left:
            start = "" if reasons else f"{agree}, but "
            reasons.append(f"{start}these arrays could not be put together: {few(left, 8)}")
        reasons += [f"with own weights, {line}" for line in outputs.missing[:MOST_REASONS]]
        if not outputs.elements:
            reasons.append("with their own weights no output was compared")
        if not arrays:
            reasons.append("no array was compared")
        return ("undecided" if reasons else "equal"), reasons


def _output_line(name: str, gap: Any) -> str:
    where = f" of {gap.path}" if gap.path else ""
    return f"with own weights, {name}: " + (
        gap.problem or f"the outputs{where} differ by {gap.gap:.1e}, limit {gap.limit:.1e}"
    )


def _array_line(one: OwnArray) -> str:
    sources = few(one.sources, 3)
    if one.holds:
        return f"{one.name} does not hold {sources}, but what belongs to {one.holds}"
    size = "not a number" if one.gap is None else f"gap {one.gap:.1e}"
    why = f", {one.why}" if one.why else ""
    return f"{one.name} holds other numbers than {sources}{why}: {size} at {one.index}"
