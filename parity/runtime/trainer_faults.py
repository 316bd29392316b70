"""Known faults of a trainer that its own verbs can make, the same in either framework; see `training_faults` there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np

from parity.catalogue.traps import FaultName
from parity.numerics.arrays import Arrays
from parity.runtime import training_loop
from parity.runtime.fault_session import Faults, Patches

TRAINER_FAULTS = Faults()  # each is given a framework's `Trainer`


def faults_of(trainer: type[Any]) -> Faults:
    """The faults of a framework's trainings, to which the framework adds those of its own calls.

    Args:
        trainer: the framework's `parity.runtime.trainer.Trainer`; its methods are replaced while a fault is in.

    Returns:
        By name, functions without arguments that yield the replacements, as `FaultSession` enters them.
    """
    return Faults({name: partial(fault, trainer) for name, fault in TRAINER_FAULTS.items()})


@TRAINER_FAULTS.named(FaultName.FORGOTTEN_MEMORY)
def forgotten_memory(trainer: type[Any]) -> Patches:
    """The optimizer begins anew with every epoch."""
    own = trainer.clear_sums

    def clear_sums(self: Any) -> None:
        own(self)
        self.load_optimizer({})

    yield patch.object(trainer, "clear_sums", clear_sums)


@TRAINER_FAULTS.named(FaultName.FORGOTTEN_WHERE_EPOCHS_BEGIN)
def forgotten_where_epochs_begin(trainer: type[Any]) -> Patches:
    """The first step of an epoch finds velocities and first moments of zero."""
    own = trainer.steps

    def steps(self: Any, plan: Any, begin: int, end: int) -> None:
        remembered = self.export_optimizer()
        if begin == 0 and remembered:
            lost = {name: np.zeros_like(a) for name, a in remembered.items() if name.startswith(("m/", "velocity/"))}
            self.load_optimizer(remembered | lost)
        own(self, plan, begin, end)

    yield patch.object(trainer, "steps", steps)


@TRAINER_FAULTS.named(FaultName.MEMORY_NOT_RESTORED)
def memory_not_restored(trainer: type[Any]) -> Patches:
    """A training that continues from a checkpoint begins with an empty optimizer state."""
    own = trainer.load_optimizer
    yield patch.object(trainer, "load_optimizer", lambda self, state: own(self, {}))


@TRAINER_FAULTS.named(FaultName.WEIGHTS_FROM_BEFORE)
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


@TRAINER_FAULTS.named(FaultName.BIASES_ZEROED)
def biases_zeroed(trainer: type[Any]) -> Patches:
    """Biases begin at zero."""
    return _changed_start(trainer, lambda name, array: np.zeros_like(array) if name.endswith("/bias") else array)


@TRAINER_FAULTS.named(FaultName.WEIGHTS_IN_FLOAT16)
def weights_halved_in_precision(trainer: type[Any]) -> Patches:
    """Weights begin as float16 numbers."""
    return _changed_start(trainer, lambda name, array: array.astype(np.float16).astype(array.dtype))


@TRAINER_FAULTS.named(FaultName.LAST_BATCH_DROPPED)
def last_batch_dropped(trainer: type[Any]) -> Patches:
    """An incomplete last batch of test images is left out."""
    own = training_loop.evaluation_parts

    def parts(images: int, batch: int) -> list[slice]:
        return [part for part in own(images, batch) if part.stop - part.start == batch]

    yield patch.object(training_loop, "evaluation_parts", parts)


@TRAINER_FAULTS.named(FaultName.WITHOUT_THE_MEAN)
def without_the_mean(trainer: type[Any]) -> Patches:
    """Test images whose mean is not subtracted."""
    own = trainer.test_batch

    def test_batch(self: Any, pixels: Any) -> Any:
        mean, self.test_mean = self.test_mean, None
        images = own(self, pixels)
        self.test_mean = mean
        return images

    yield patch.object(trainer, "test_batch", test_batch)


def _changed_start(trainer: type[Any], change: Callable[[str, np.ndarray], np.ndarray]) -> Patches:
    """A float32 training begins with other weights than it was given."""
    own = trainer.load

    def load(self: Any, state: Arrays) -> None:
        changed = {name: change(name, array) for name, array in state.items()}
        own(self, changed if self.dtype == "float32" else state)

    yield patch.object(trainer, "load", load)
