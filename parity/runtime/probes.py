"""The verbs that proofs use: a model's description, a round trip of its state, single layers, stages, logits.

The same in both frameworks but for what each framework's `Probes` says: how a layer and a model are run, and watched.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from parity.catalogue import networks
from parity.numerics.arrays import Arrays, take, unpack
from parity.runtime.model_state import Slot, load_slots
from parity.runtime.training_loop import logits_of
from parity.runtime.twin import Twin

NOT_STAGES = ("flatten",)  # a change of shape only, in an order of the framework's own

SEVERAL_INPUTS = ("add", "concat")

Gradients = list[np.ndarray | None]


class ProofProbes(ABC):
    """The verbs, about the twins of one framework. Arrays of maps are NHWC, rows in canonical order."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin

    @abstractmethod
    def tensor(self, array: np.ndarray, layer: Any = None) -> Any:
        """A canonical array as the framework's tensor.

        Args:
            array: maps NHWC or rows in canonical order.
            layer: that takes the tensor; None for a model, which takes images.

        Returns:
            A tensor of the array's dtype, in the framework's own order.
        """

    @abstractmethod
    def alone(self, layer: Any, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Run one layer.

        Args:
            layer: the framework's.
            x: its canonical input, in the layer's dtype.
            training: training mode, in which the running statistics of a batch norm move; else inference mode.

        Returns:
            The output, canonical.
        """

    @abstractmethod
    def backward(self, layer: Any, x: np.ndarray, gradient: np.ndarray, slots: Sequence[Slot]) -> Gradients:
        """The gradients of one layer in training mode.

        Args:
            layer: the framework's.
            x: its canonical input.
            gradient: of its output, canonical.
            slots: the layer's arrays.

        Returns:
            Canonical gradients of the input and of every slot; None for one that the output does not depend on.
        """

    @abstractmethod
    def watched_outputs(self, model: Any, images: Any, layers: Mapping[str, Any], *, training: bool) -> Arrays:
        """The outputs of layers when the model runs.

        Args:
            model: the framework's.
            images: a tensor, as `tensor` gives it.
            layers: of the model, by the names that the outputs get.
            training: as in `alone`.

        Returns:
            Canonical outputs by name, maps NHWC.
        """

    @abstractmethod
    def watched_inputs(self, model: Any, images: Any, layers: Mapping[str, Any]) -> Arrays:
        """The inputs of layers when the model runs in inference.

        Args:
            model: the framework's.
            images: a tensor, as `tensor` gives it.
            layers: of the model, which take one input each, by the names that the inputs get.

        Returns:
            Canonical inputs by name, maps NHWC, rows in canonical order.
        """

    @abstractmethod
    def inference(self, model: Any, dtype: str, count: int) -> Callable[[np.ndarray], np.ndarray]:
        """The model's forward pass, compiled where that is worth its time.

        Args:
            model: the framework's.
            dtype: of the images.
            count: how many images the function will be given in all.

        Returns:
            A function from images [n, h, w, c] in `dtype` to logits [n, classes]; n may differ from call to call.
        """

    @property
    def verbs(self) -> tuple[Callable[..., Any], ...]:
        """The functions that a worker offers, by their names."""
        return (
            self.describe,
            self.round_trip,
            self.probe_layers,
            self.probe_batch_norms,
            self.probe_gradients,
            self.stages,
            self.layer_inputs,
            self.predict,
        )

    def describe(self, network: str) -> dict[str, Any]:
        """The state's entries, every layer's spec, and the dropout layers; in the order of the forward pass.

        Args:
            network: its name.

        Returns:
            `entries`: the fields of each `Entry`, in float32; `layers`: each layer's `name` and spec; `dropout`: the
            number of `sites`, and `largest`, the elements of one image's largest dropout input. `Description.from_dict`
            reads them.

        Raises:
            UnknownNetworkError: there is no such network.
        """
        twin, image = self.twin, networks.network(network).image
        model = twin.cached(network, "float32")
        return {
            "entries": [dataclasses.asdict(slot.entry) for slot in twin.slots(model)],
            "layers": [{"name": name} | dict(layer.spec) for name, layer in twin.layers_of(model).items()],
            "dropout": {"sites": len(twin.dropouts(model)), "largest": twin.largest_dropout(model, image)},
        }

    def round_trip(self, network: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """Load a state into the model and read it back.

        Args:
            network: its name.
            arrays: float32, by canonical name.

        Returns:
            The state as the model then holds it, by the same names.

        Raises:
            StateError: a state that does not fit; nothing is written then.
        """
        model = self.twin.cached(network, "float32")
        self.twin.load_state(model, arrays, network)
        return {}, self.twin.export_state(model)

    def probe_layers(self, network: str, dtype: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """Run single layers, in inference.

        Args:
            network: its name.
            dtype: "float32" or "float64", of all arrays.
            arrays: the group `state`, the network's weights, and the group `input`: by a layer's name, what it gets.

        Returns:
            The outputs by the layers' names; maps NHWC, rows in canonical order, as the inputs.
        """
        layers = self.twin.layers_of(self._loaded(network, dtype, arrays))
        inputs = unpack(arrays, "input")
        return {}, {name: self.alone(layers[name], x, training=False) for name, x in inputs.items()}

    def probe_batch_norms(self, network: str, dtype: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """Run single batch norms in training mode.

        Args:
            network: its name.
            dtype: "float32" or "float64", of all arrays.
            arrays: the group `state`, the network's weights and statistics, and the group `input`: by a layer's name,
                what it gets.

        Returns:
            `<name>/output`, and the running statistics after the step, `<name>/mean` and `<name>/variance`.
        """
        layers = self.twin.layers_of(self._loaded(network, dtype, arrays))
        outputs: Arrays = {}
        for name, x in unpack(arrays, "input").items():
            outputs[f"{name}/output"] = self.alone(layers[name], x, training=True)
            statistics = [slot for slot in self.twin.own_slots(layers[name], name) if not slot.entry.trainable]
            outputs |= {slot.entry.name: self.twin.read(slot) for slot in statistics}
        return {}, outputs

    def probe_gradients(self, network: str, dtype: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """The gradients of single layers in training mode.

        Args:
            network: its name.
            dtype: "float32" or "float64", of all arrays.
            arrays: the group `state`, the arrays of these layers only; the groups `input` and `gradient`: by a layer's
                name, its input and the gradient of its output.

        Returns:
            Gradients of the input, `<name>/input`, and of the layer's arrays, `<name>/kernel` and so on; canonical.
        """
        layers, gradients = self.twin.layers_of(self.twin.cached(network, dtype)), unpack(arrays, "gradient")
        own = {name: self.twin.own_slots(layers[name], name) for name in gradients}
        if slots := [slot for layer_slots in own.values() for slot in layer_slots]:
            load_slots(slots, take(arrays, "state"), self.twin.write, receiver="the layers alone")
        computed: Arrays = {}
        for name, x in unpack(arrays, "input").items():
            trainable = [slot for slot in own[name] if slot.entry.trainable]
            names = [f"{name}/input", *(slot.entry.name for slot in trainable)]
            made = zip(names, self.backward(layers[name], x, gradients[name], trainable), strict=True)
            computed |= {full: gradient for full, gradient in made if gradient is not None}
        return {}, computed

    def stages(self, network: str, dtype: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """Run the network in inference.

        Args:
            network: its name.
            dtype: "float32" or "float64".
            arrays: the group `state`, the weights in `dtype`, and the group `images`: `nhwc` [n, h, w, 3].

        Returns:
            The output of every stage by its name, maps NHWC.
        """
        model = self._loaded(network, dtype, arrays)
        images = self.tensor(unpack(arrays, "images")["nhwc"].astype(dtype))
        return {}, self.stage_outputs(model, images, training=False)

    def stage_outputs(self, model: Any, images: Any, *, training: bool) -> Arrays:
        """Every named stage's output: of all layers but those that only change the shape.

        Args:
            model: the framework's.
            images: a tensor, as `tensor` gives it.
            training: as in `alone`.

        Returns:
            Canonical outputs by the layers' names, maps NHWC.
        """
        layers = self.twin.layers_of(model).items()
        stages = {name: layer for name, layer in layers if layer.spec["kind"] not in NOT_STAGES}
        return self.watched_outputs(model, images, stages, training=training)

    def layer_inputs(self, network: str, dtype: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """As `stages`, but the input of every layer that has a single one.

        Args:
            network: its name.
            dtype: "float32" or "float64".
            arrays: as in `stages`.

        Returns:
            The inputs by the layers' names, maps NHWC, rows in canonical order.
        """
        model = self._loaded(network, dtype, arrays)
        layers = self.twin.layers_of(model).items()
        single = {name: layer for name, layer in layers if layer.spec["kind"] not in SEVERAL_INPUTS}
        return {}, self.watched_inputs(model, self.tensor(unpack(arrays, "images")["nhwc"].astype(dtype)), single)

    def predict(
        self, network: str, dtype: str, arrays: Arrays, progress: Callable[..., None]
    ) -> tuple[dict[str, Any], Arrays]:
        """Logits of images, in inference.

        Args:
            network: its name.
            dtype: "float32" or "float64".
            arrays: the group `state`, the weights in `dtype`, and the group `data`, see `logits_of`.
            progress: is called with the number of `images` so far.

        Returns:
            `logits` [n, classes].
        """
        model = self._loaded(network, dtype, arrays)
        data = unpack(arrays, "data")
        infer = self.inference(model, dtype, len(data["images"]))
        return {}, {"logits": logits_of(infer, data, dtype, progress)}

    def _loaded(self, network: str, dtype: str, arrays: Arrays) -> Any:
        """The network's model with the weights of the group `state`, which leaves the arrays."""
        model = self.twin.cached(network, dtype)
        self.twin.load_state(model, take(arrays, "state"), network)
        return model
