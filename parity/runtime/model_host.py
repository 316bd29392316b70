"""The side of a worker that hosts a user's model, as far as it is the same in both frameworks: state and verbs."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from parity.numerics.arrays import Arrays
from parity.runtime.graph import INPUT, UNKNOWN, Graph
from parity.runtime.user_models import Adoption, Kept, Roundings, Wanted, cast_inputs, require_static
from parity.weights.initializers import proof_state
from parity.weights.state import check_state, digests


class HostedModel(ABC):
    """One user's model in one precision: its steps by place, and the canonical names of those that were adopted.

    A framework's package says how it is built, traced, and how its arrays lie.
    """

    def __init__(self, wanted: Wanted, dtype: str) -> None:
        self.wanted, self.dtype = wanted, dtype
        self.names: dict[str, Adoption] = {}
        self.steps: list[Any] = []  # of the framework's `tracing.Step`

    def begin(self) -> None:
        """Trace the built model, twice: another input must not take another way. Raises TargetError."""
        first, second = (self.traced(self.wanted.example(opposite=opposite)) for opposite in (False, True))
        require_static([each.name for each in first], [each.name for each in second], self.wanted.target)
        self.steps = first
        self.forget()

    @abstractmethod
    def traced(self, inputs: np.ndarray, *, training: bool = False) -> list[Any]:
        """The steps of one run on canonical inputs, with their outputs. Raises TargetError."""

    @abstractmethod
    def graph(self) -> Graph:
        """What the model is, in neutral terms."""

    @abstractmethod
    def slots(self) -> list[Any]:
        """The arrays of the adopted steps, in the order of the names; those of a layer that runs twice once."""

    @abstractmethod
    def write(self, slot: Any, array: np.ndarray) -> None:
        """Overwrite one array with a canonical one in this model's dtype."""

    @abstractmethod
    def read(self, slot: Any) -> np.ndarray:
        """A copy of one array, canonical."""

    @abstractmethod
    def neutralise(self, step: Any, kind: str) -> None:
        """Make an array that the other model does not have do nothing."""

    @abstractmethod
    def output(self, step: Any) -> np.ndarray:
        """What a step made, canonical."""

    @abstractmethod
    def alone(self, name: str, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """One adopted step on canonical inputs, in inference."""

    def load(self, kept: Kept, roundings: Roundings | None = None) -> None:
        """Overwrite the adopted arrays, moved by `roundings`; make those neutral that the other model does not have."""
        slots = {slot.entry.name: slot for slot in self.slots()}
        entries = [replace(slot.entry, dtype="float32") for slot in slots.values()]
        check_state(kept.state, entries, receiver=f"the model {self.wanted.target}")
        for name, array in kept.cast(self.dtype, roundings):
            self.write(slots[name], array)
        for adoption in self.names.values():
            for kind in adoption.neutral:
                self.neutralise(self.steps[adoption.step], kind)

    def export(self) -> Arrays:
        """The adopted arrays, canonical, in float32."""
        return {slot.entry.name: self.read(slot).astype("float32", copy=False) for slot in self.slots()}

    def outputs(self, inputs: np.ndarray, names: Sequence[str] | None = None) -> Arrays:
        """What the adopted steps (or those named) make of the model's inputs, canonical."""
        self.steps = self.traced(inputs)
        found = {name: self.output(self.steps[self.names[name].step]) for name in names or self.names}
        self.forget()
        return found

    def inputs(self, inputs: np.ndarray, names: Sequence[str]) -> Arrays:
        """What reaches these adopted steps, canonical: `name/0` for a step's first input, and so on."""
        self.steps = self.traced(inputs)
        found = {
            f"{name}/{place}": inputs if source == INPUT else self.output(self.steps[source])
            for name in names
            for place, source in enumerate(self.steps[self.names[name].step].inputs)
            if source != UNKNOWN
        }
        self.forget()
        return found

    def forget(self) -> None:
        """Let go of what the steps made."""
        for step in self.steps:
            step.output = None


@dataclass
class Loaded:
    """One user's model by name: how to build it, and what it was given."""

    wanted: Wanted
    names: dict[str, Adoption] = field(default_factory=dict)
    fixes: list[str] = field(default_factory=list)
    kept: Kept = field(default_factory=Kept)
    built: HostedModel | None = None  # the last one, in one precision: large models fit into memory only once


class Host:
    """The verbs about users' models that are the same in both frameworks; `build(wanted, dtype, fixes)` is not."""

    def __init__(self, build: Callable[[Wanted, str, Sequence[str]], HostedModel]) -> None:
        self.build = build
        self.loaded: dict[str, Loaded] = {}

    @property
    def verbs(self) -> tuple[Callable[..., Any], ...]:
        """What a worker can be asked for, by name."""
        return (
            self.load_model,
            self.adopt,
            self.fix_model,
            self.draw_state,
            self.keep_state,
            self.own_state,
            self.model_stages,
            self.model_inputs,
            self.model_layers,
            self.model_ends,
        )

    def model(self, network: str, dtype: str = "") -> Any:
        """The model in `dtype`, or in the precision that the comparison is made in."""
        loaded = self.loaded[network]
        dtype = dtype or loaded.wanted.dtype
        if loaded.built is None or loaded.built.dtype != dtype:
            loaded.built = None  # let go of the one before the next is built
            loaded.built = self.build(loaded.wanted, dtype, loaded.fixes)
        loaded.built.names = loaded.names
        return loaded.built

    def with_state(self, network: str, dtype: str = "", roundings: Roundings | None = None) -> Any:
        """As `model`, with the kept state loaded, moved by `roundings`."""
        model = self.model(network, dtype)
        model.load(self.loaded[network].kept, roundings)
        return model

    def ready(
        self, network: str, inputs: np.ndarray, dtype: str = "", roundings: Mapping[str, Any] | None = None
    ) -> tuple[Any, np.ndarray]:
        """As `with_state`, and the inputs in its precision; both moved by `roundings`, the fields of `Roundings`."""
        moved_by = Roundings(**roundings) if roundings else None
        model = self.with_state(network, dtype, moved_by)
        return model, cast_inputs(inputs, model.dtype, moved_by)

    def load_model(self, network: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """Build and trace the model; its graph. A model of that name that was loaded before is forgotten."""
        self.loaded[network] = Loaded(Wanted(**wanted))
        return dataclasses.asdict(self.model(network).graph())

    def adopt(self, network: str, names: dict[str, Any]) -> dict[str, Any]:
        """Give steps their canonical names; the state's `entries`, in float32."""
        self.loaded[network].names = {name: Adoption(**each) for name, each in names.items()}
        slots = self.model(network).slots()
        return {"entries": [dataclasses.asdict(replace(slot.entry, dtype="float32")) for slot in slots]}

    def fix_model(self, network: str, code: str) -> dict[str, Any]:
        """Build the model anew and let code of the form `def fix(model): ...` change it; its graph."""
        loaded = self.loaded[network]
        loaded.fixes, loaded.names, loaded.built = [code], {}, None
        return dataclasses.asdict(self.model(network).graph())

    def draw_state(self, network: str, seed: int) -> dict[str, Any]:
        """Draw a state of random float32 numbers, keep it for the runs to come, load it and read it back.

        Gives the sha256 of every array as `drawn` and as `read`, by name.
        """
        loaded, model = self.loaded[network], self.model(network)
        loaded.kept = Kept(proof_state([replace(slot.entry, dtype="float32") for slot in model.slots()], seed))
        model.load(loaded.kept)
        return {"drawn": digests(loaded.kept.state), "read": digests(model.export())}

    def keep_state(self, network: str, arrays: Arrays) -> dict[str, Any]:
        """Keep a float32 state for the runs to come."""
        self.loaded[network].kept = Kept(arrays)
        return {}

    def own_state(self, network: str) -> tuple[dict[str, Any], Arrays]:
        """The weights that the model itself was built with: the adopted ones."""
        self.loaded[network].built = None
        return {}, self.model(network, "float32").export()

    def model_stages(
        self, network: str, dtype: str, arrays: Arrays, roundings: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], Arrays]:
        """Every adopted step's output; `roundings` as in `ready`."""
        model, inputs = self.ready(network, arrays["inputs"], dtype, roundings)
        return {}, model.outputs(inputs)

    def model_inputs(self, network: str, arrays: Arrays, names: list[str]) -> tuple[dict[str, Any], Arrays]:
        """What reaches these steps."""
        model, inputs = self.ready(network, arrays["inputs"])
        return {}, model.inputs(inputs, names)

    def model_layers(self, network: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """Adopted steps alone on the arrays `name/0`, `name/1`, ..."""
        model = self.with_state(network)
        given: dict[str, list[np.ndarray]] = {}
        for key, array in arrays.items():
            given.setdefault(key.rpartition("/")[0], []).append(array)
        return {}, {name: model.alone(name, inputs) for name, inputs in given.items()}

    def model_ends(
        self, network: str, dtype: str, end: str, at_once: int, arrays: Arrays
    ) -> tuple[dict[str, Any], Arrays]:
        """The `output` of the adopted step at which the models end, from runs of `at_once` inputs each."""
        model, inputs = self.ready(network, arrays["inputs"], dtype)
        parts = [model.outputs(inputs[i : i + at_once], [end])[end] for i in range(0, len(inputs), at_once)]
        return {}, {"output": np.concatenate(parts)}
