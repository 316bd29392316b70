"""Known faults of a trainer that its own verbs can make, the same in either framework; see `training_faults` there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import numpy as np

from parity.numerics.arrays import Arrays

Patches = Iterator[Any]


def forgotten_memory(trainer: type[Any]) -> Patches:
    """The optimizer begins anew with every epoch."""
    own = trainer.clear_sums

    def clear_sums(self: Any) -> None:
        own(self)
        self.load_optimizer({})

    yield patch.object(trainer, "clear_sums", clear_sums)


def forgotten_where_epochs_begin(trainer: type[Any]) -> Patches:
    """The first step of an epoch finds velocities and first moments of zero."""
    own = trainer.step

    def step(self: Any, plan: Any, index: int) -> None:
        remembered = self.export_optimizer()
        if index == 0 and remembered:
            lost = {name: np.zeros_like(a) for name, a in remembered.items() if name.startswith(("m/", "velocity/"))}
            self.load_optimizer(remembered | lost)
        own(self, plan, index)

    yield patch.object(trainer, "step", step)


def memory_not_restored(trainer: type[Any]) -> Patches:
    """A training that goes on from a checkpoint begins with an empty memory."""
    own = trainer.load_optimizer
    yield patch.object(trainer, "load_optimizer", lambda self, state: own(self, {}))


def weights_from_before(trainer: type[Any]) -> Patches:
    """An evaluation runs with the weights that were loaded last, not with those that were trained since."""
    load, evaluate = trainer.load, trainer.evaluate
    loaded: dict[int, Arrays] = {}

    def load_and_keep(self: Any, state: Arrays) -> None:
        load(self, state)
        loaded[id(self)] = self.export()

    def evaluate_loaded(self: Any, part: slice) -> Any:
        trained = self.export()
        load(self, loaded[id(self)])
        result = evaluate(self, part)
        load(self, trained)
        return result

    yield patch.object(trainer, "load", load_and_keep)
    yield patch.object(trainer, "evaluate", evaluate_loaded)
