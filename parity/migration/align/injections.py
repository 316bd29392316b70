"""TensorFlow's numbers in the place of what a Paddle unit takes and gives."""

from __future__ import annotations

from collections.abc import Iterator

from parity.migration.align.paddle_values import PaddleValues
from parity.migration.align.recorded_graph import RecordedGraph, Unit


class Injections:
    """Puts TensorFlow's values around a unit in the place of Paddle's.

    Args:
        values: of the Paddle model.
    """

    def __init__(self, values: PaddleValues) -> None:
        self.values = values
        self.first, self.second, self.found, self.close = values.first, values.second, values.found, values.close

    def of_inputs(self, group: tuple[int, ...], unit: Unit) -> list[int]:
        """Put the TensorFlow unit's inputs in the place of the Paddle unit's that differ; the numbers of these."""
        firsts = [n for n in self.first.inputs_of(self.first.units[group[0]]) if n in self.values.signatures]
        seconds = [n for n in self.second.inputs_of(unit) if n in self.values.now]
        if len(firsts) > len(seconds):  # the user's code takes some of what its layer is given elsewhere
            others = {
                match.first
                for number, match in self.found.matches.items()
                if number not in seconds and match.gap <= self.close.exact
            }
            left = [number for number in firsts if number not in others]
            firsts = left if len(left) >= len(seconds) else firsts
        changed = []
        for first, second in zip(firsts, seconds, strict=False):
            match = self.found.matches.get(second)
            same = (
                match is not None and match.gap <= self.close.exact and self.values.same_numbers(first, [match.first])
            )
            if same and self.values.arrangement([first], [second]) is not None:
                continue
            if len(firsts) == len(seconds):  # else one takes what the other makes of several values
                first, second = self._of_one_size(first, second)
            if self.values.signatures[first].size != self.values.now[second].size:
                continue  # nothing could run on it
            gap = self.values.inject(first, second)
            if gap is not None:
                changed.append(second)
                self.values.gaps[second] = gap
        return changed

    def _of_one_size(self, first: int, second: int) -> tuple[int, int]:
        """Two values, or ones before them of as many numbers where one of the layers pads for itself."""
        size = self.values.now[second].size
        if self.values.signatures[first].size == size:
            return first, second
        for number in self._before(self.first, first):
            if number in self.values.signatures and self.values.signatures[number].size == size:
                return number, second
        for number in self._before(self.second, second):
            if number in self.values.now and self.values.now[number].size == self.values.signatures[first].size:
                return first, number
        return first, second

    @staticmethod
    def _before(graph: RecordedGraph, number: int) -> Iterator[int]:
        """The values of which operations without arrays made a value, one after the other."""
        while (index := graph.producer.get(number)) is not None and not graph.arrays_of(index):
            sources = [n for n in graph.operations[index].inputs if graph.data[n]]
            if len(sources) != 1:
                return
            number = sources[0]
            yield number

    def outputs(self, one: Unit, other: Unit) -> list[tuple[int, int]]:
        """What a TensorFlow unit and a Paddle unit give, value by value; an activation may be part of the first."""
        bare_steps = [s.output for s in self.first.steps if s.name == one.path and s.output in self.values.signatures]
        last = [n for n in self.first.operations[one.operations[-1]].outputs if n in self.values.signatures]
        seconds = [n for n in self.second.outputs_of(other) if n in self.values.now]
        pairs = []
        for first in [n for n in self.first.outputs_of(one) if n in self.values.signatures]:
            size = self.values.signatures[first].size
            fitting = [n for n in seconds if self.values.now[n].size == size] or seconds
            if not fitting:
                break
            second = fitting[0]
            if bare_steps and self.values.signatures[bare_steps[0]].size == size:
                pairs.append((bare_steps[0], second))
                seconds.remove(second)
                continue
            bare = [
                n for n in last if n != first and self.values.signatures[n].size == size == self.values.now[second].size
            ]
            nearest = min([first, *bare], key=lambda number: self.values.gap(number, second)) if bare else first
            pairs.append((nearest, second))
            seconds.remove(second)
        return pairs
