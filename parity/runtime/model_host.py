"""The verbs of a worker about users' models, each a `HostedModel` of the framework."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from parity.catalogue.user_models import Adoption
from parity.numerics.arrays import Arrays
from parity.numerics.tolerance import Roundings
from parity.runtime.hosted_model import HostedModel
from parity.runtime.user_models import BuildSpec, KeptState, cast_inputs
from parity.weights.initializers import proof_state
from parity.weights.state import digests


@dataclass
class Loaded:
    """One user's model by name: how to build it, and what it was given."""

    spec: BuildSpec
    names: dict[str, Adoption] = field(default_factory=dict)
    fixes: list[str] = field(default_factory=list)
    kept: KeptState = field(default_factory=KeptState)
    built: HostedModel | None = None  # the last one, in one precision: large models fit into memory only once


class Host:
    """The verbs about users' models; `build(spec, dtype, fixes)` makes one of the framework's."""

    def __init__(self, build: Callable[[BuildSpec, str, Sequence[str]], HostedModel]) -> None:
        self.build = build
        self.loaded: dict[str, Loaded] = {}

    @property
    def verbs(self) -> tuple[Callable[..., Any], ...]:
        """The functions that a worker offers, by their names."""
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
            self.read_weights,
            self.write_weights,
        )

    def model(self, network: str, dtype: str = "") -> HostedModel:
        """The model in one precision, built where the last one that was built is not in it.

        Args:
            network: the name of a loaded model.
            dtype: "float32" or "float64"; empty for the precision that the comparison is made in.

        Returns:
            The model under its canonical names, with the weights that it had last.

        Raises:
            KeyError: no model of this name is loaded.
            TargetError: it cannot be built in this precision, or does not run.
            WeightsError: a file of weights that cannot be read.
        """
        loaded = self.loaded[network]
        dtype = dtype or loaded.spec.dtype
        if loaded.built is None or loaded.built.dtype != dtype:
            loaded.built = None  # free the old model before the next one is built
            loaded.built = self.build(loaded.spec, dtype, loaded.fixes)
        loaded.built.names = loaded.names
        return loaded.built

    def with_state(self, network: str, dtype: str = "", roundings: Roundings | None = None) -> HostedModel:
        """As `model`, with the kept state loaded.

        Args:
            network: the name of a loaded model.
            dtype: as in `model`.
            roundings: by which the state is moved; None for not at all.

        Returns:
            The model.

        Raises:
            StateError: the kept state does not fit, or none is kept.
        """
        model = self.model(network, dtype)
        model.load(self.loaded[network].kept, roundings)
        return model

    def ready(
        self, network: str, inputs: np.ndarray, dtype: str = "", roundings: Mapping[str, Any] | None = None
    ) -> tuple[HostedModel, np.ndarray]:
        """As `with_state`, and the inputs in the model's precision.

        Args:
            network: the name of a loaded model.
            inputs: [n, *input].
            dtype: as in `model`.
            roundings: the fields of `Roundings`, by which the state and the inputs are moved; None for neither.

        Returns:
            The model, and the inputs in its dtype; whole numbers as they are.

        Raises:
            StateError: the kept state does not fit, or none is kept.
        """
        moved_by = Roundings(**roundings) if roundings else None
        model = self.with_state(network, dtype, moved_by)
        return model, cast_inputs(inputs, model.dtype, moved_by)

    def load_model(self, network: str, spec: dict[str, Any]) -> dict[str, Any]:
        """Build and trace a model; another one that was loaded under the name before is forgotten.

        Args:
            network: the name under which the other verbs use it.
            spec: the fields of `parity.catalogue.user_models.ModelSpec`.

        Returns:
            The model's `parity.kinds.graph.Graph` as plain JSON values.

        Raises:
            TargetError: the target gives no model, or the model does not run.
            WeightsError: a file of weights that cannot be read.
        """
        self.loaded[network] = Loaded(BuildSpec.from_dict(spec))
        return dataclasses.asdict(self.model(network).graph())

    def adopt(self, network: str, names: dict[str, Any]) -> dict[str, Any]:
        """Give steps their canonical names.

        Args:
            network: the name of a loaded model.
            names: by canonical name, the fields of `parity.catalogue.user_models.Adoption`.

        Returns:
            `entries`: the arrays of the model's canonical state, in float32.
        """
        self.loaded[network].names = {name: Adoption(**adoption) for name, adoption in names.items()}
        slots = self.model(network).slots()
        return {"entries": [dataclasses.asdict(replace(slot.entry, dtype="float32")) for slot in slots]}

    def fix_model(self, network: str, code: str) -> dict[str, Any]:
        """Build the model anew and let code change it.

        Canonical names and code that changed it before are dropped, the kept state stays.

        Args:
            network: the name of a loaded model.
            code: Python source of the form `def fix(model): ...`, which changes the framework's model in place.

        Returns:
            The changed model's graph, as `load_model` gives it.

        Raises:
            TargetError: the changed model does not run. What the code itself raises comes as it is.
        """
        loaded = self.loaded[network]
        loaded.fixes, loaded.names, loaded.built = [code], {}, None
        return dataclasses.asdict(self.model(network).graph())

    def draw_state(self, network: str, seed: int) -> dict[str, Any]:
        """Draw a state of random float32 numbers, keep it for the runs that follow, load it and read it back.

        Args:
            network: the name of a loaded model whose steps were adopted.
            seed: both workers draw the same numbers from one seed, see `proof_state`.

        Returns:
            By name, the sha256 of every array as it was `drawn` and as it was `read`.
        """
        loaded, model = self.loaded[network], self.model(network)
        loaded.kept = KeptState(proof_state([replace(slot.entry, dtype="float32") for slot in model.slots()], seed))
        model.load(loaded.kept)
        return {"drawn": digests(loaded.kept.state), "read": digests(model.export())}

    def keep_state(self, network: str, arrays: Arrays) -> dict[str, Any]:
        """Keep a canonical state; the runs that follow use it.

        Args:
            network: the name of a loaded model.
            arrays: float32, by canonical name; whether they fit is checked when they are loaded.

        Returns:
            Nothing: {}, the reply of a verb.
        """
        self.loaded[network].kept = KeptState(arrays)
        return {}

    def own_state(self, network: str) -> tuple[dict[str, Any], Arrays]:
        """The weights that the user's model was built with; the model is built anew for them.

        Args:
            network: the name of a loaded model whose steps were adopted.

        Returns:
            Arrays by canonical name, in float32, of the adopted steps only.
        """
        self.loaded[network].built = None
        return {}, self.model(network, "float32").export()

    def model_stages(
        self, network: str, dtype: str, arrays: Arrays, roundings: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], Arrays]:
        """Every adopted step's output.

        Args:
            network: the name of a loaded model.
            dtype: as in `model`.
            arrays: `inputs` [n, *input].
            roundings: as in `ready`.

        Returns:
            Canonical outputs [n, ...] by name, in `dtype`.
        """
        model, inputs = self.ready(network, arrays["inputs"], dtype, roundings)
        return {}, model.outputs(inputs)

    def model_inputs(self, network: str, arrays: Arrays, names: list[str]) -> tuple[dict[str, Any], Arrays]:
        """What reaches these steps, in the precision of the comparison.

        Args:
            network: the name of a loaded model.
            arrays: `inputs` [n, *input] of the model.
            names: of adopted steps.

        Returns:
            `name/0`, `name/1`, ...: canonical inputs, see `HostedModel.inputs`.
        """
        model, inputs = self.ready(network, arrays["inputs"])
        return {}, model.inputs(inputs, names)

    def model_layers(self, network: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """Adopted steps alone, in the precision of the comparison.

        Args:
            network: the name of a loaded model.
            arrays: `name/0`, `name/1`, ...: the inputs of each step, in this order, as `model_inputs` gives them.

        Returns:
            Canonical outputs by name.
        """
        model = self.with_state(network)
        given: dict[str, list[np.ndarray]] = {}
        for key, array in arrays.items():
            given.setdefault(key.rpartition("/")[0], []).append(array)
        return {}, {name: model.alone(name, inputs) for name, inputs in given.items()}

    def read_weights(self, network: str, path: str) -> tuple[dict[str, Any], Arrays]:
        """The adopted arrays of a file of the model's weights.

        Args:
            network: the name of a loaded model whose steps were adopted.
            path: see `HostedModel.read_file`.

        Returns:
            Arrays by canonical name, in float32.

        Raises:
            TargetError: a file that does not fit the model or is not in float32.
            WeightsError: a file that cannot be read.
        """
        self.loaded[network].built = None  # what the file lacks must not be found in the model
        model = self.model(network, "float32")
        model.read_file(Path(path))
        return {}, model.export()

    def write_weights(self, network: str, path: str) -> dict[str, Any]:
        """Write the kept state as a file of the model's weights, in the format of the file's suffix.

        Args:
            network: the name of a loaded model.
            path: see `HostedModel.read_file`; arrays that were not adopted are written as the model holds them.

        Returns:
            `bytes`: the file's size.

        Raises:
            StateError: the kept state does not fit, or none is kept.
        """
        self.with_state(network, "float32").write_file(Path(path))
        return {"bytes": Path(path).stat().st_size}
