"""Known faults, injected into a worker and removed again, to measure what the suite detects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, TypeVar
from unittest.mock import patch

from parity.catalogue.replica_faults import ReplicaFault
from parity.catalogue.traps import FaultName
from parity.runtime.trainer import Trainer
from parity.runtime.training_loop import Loop

Patches = Iterator[Any]  # context managers, each of which replaces something by something else

FaultFunction = TypeVar("FaultFunction", bound=Callable[..., Patches])


class Faults(dict[str, Callable[..., Patches]]):
    """Faults by name: of layers, which are given the layer, or of trainings, which are given nothing."""

    def named(self, name: FaultName | ReplicaFault) -> Callable[[FaultFunction], FaultFunction]:
        """Decorates the fault of that name.

        Args:
            name: under which `FaultSession.inject` finds it; a fault that had it before is replaced.

        Returns:
            A decorator that keeps the function and leaves it as it is.
        """

        def decorate(fault: FaultFunction) -> FaultFunction:
            self[name] = fault
            return fault

        return decorate


class FaultSession:
    """The faults that are injected in this worker: in a framework's twins, or in its `trainer`."""

    def __init__(
        self,
        trainer: type[Trainer],
        loop: Loop,
        layer_faults: Mapping[str, Callable[..., Patches]],
        training_faults: Mapping[str, Callable[..., Patches]],
    ) -> None:
        self._trainer, self._loop = trainer, loop
        self._layer_faults, self._training_faults = layer_faults, training_faults
        self._injected = ExitStack()

    @property
    def verbs(self) -> tuple[Callable[..., Any], ...]:
        """The functions that a worker offers, by their names."""
        return self.inject, self.restore

    def inject(self, network: str, fault: str, stage: str = "") -> dict[str, Any]:
        """Put a fault into a layer of the network's models, those that trainings build included, or into the training.

        It stays until `restore`, which is called first: one fault at a time.

        Args:
            network: as the catalogue names it; the training's faults do not use it.
            fault: a `parity.catalogue.traps.FaultName`; in a replica also a `ReplicaFault`.
            stage: the layer's canonical name; the training's faults do not use it.

        Returns:
            Nothing: {}, the reply of a verb.

        Raises:
            KeyError: an unknown fault or layer.
            UnknownNetworkError: there is no such network.
        """
        self.restore()
        if fault in self._training_faults:
            patches = list(self._training_faults[fault]())
        else:
            patches = self._into_layers(network, self._layer_faults[fault], stage)
        for replacement in patches:
            self._injected.enter_context(replacement)
        return {}

    def restore(self) -> dict[str, Any]:
        """Remove what was injected, and forget the training, which may be compiled with it.

        Returns:
            Nothing: {}, also where no fault was in.
        """
        self._injected.close()
        self._loop.forget_training()  # it may be compiled with the fault in it
        return {}

    def _into_layers(self, network: str, make: Callable[..., Patches], stage: str) -> list[Any]:
        """For the network's models, those that are kept and those that will be built."""
        twin = self._trainer.twin
        models = [twin.cached(network, dtype) for dtype in ("float32", "float64")]
        patches = [replacement for model in models for replacement in make(twin.layers_of(model)[stage])]

        def build(name: str, precision: str) -> Any:
            model = twin.build(name, precision)
            for replacement in make(twin.layers_of(model)[stage]) if name == network else ():
                replacement.start()  # the model is freed when the training that it was built for is forgotten
            return model

        return [*patches, patch.object(self._trainer, "twin", replace(twin, build=build))]
