"""The suite's own networks: their description, a round trip of their state, single layers, stages, logits.

Where `arrays` holds groups they are packed by `parity.numerics.arrays.pack`. Maps are [n, h, w, c], rows [n, features],
names and layouts canonical (see `parity.weights.state`). A float64 model takes float32 weights, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from parity.workers.client.requests import Requests, counted

if TYPE_CHECKING:  # workers begin before numpy and the like are imported, and this is imported before them
    import numpy as np

    from parity.catalogue.recipes import Optimizer
    from parity.numerics.arrays import Arrays
    from parity.weights.description import Description
    from parity.weights.state import State


class ModelRequests(Requests):
    """Requests about a network of the catalogue, by its name; `dtype` is "float32" or "float64"."""

    def describe(self, network: str) -> Description:
        """Entries, layers and dropout of the network as this framework's twin was built."""
        from parity.weights.description import Description

        return Description.from_dict(self.call("describe", network=network).result)

    def round_trip(self, network: str, arrays: State) -> State:
        """Load a float32 state into the model and read it back.

        Args:
            network: its name.
            arrays: the state. Fails, with all reasons, for one that does not fit.
        """
        return self.call("round_trip", network=network, arrays=arrays).arrays

    def probe_layers(self, network: str, dtype: str, arrays: Arrays) -> Arrays:
        """The outputs of single layers in inference.

        Args:
            network: its name.
            dtype: of the model.
            arrays: the groups `state`, all of it, and `input`, by layer, in `dtype`.

        Returns:
            The outputs by layer, in `dtype`.
        """
        return self.call("probe_layers", network=network, dtype=dtype, arrays=arrays).arrays

    def probe_batch_norms(self, network: str, dtype: str, arrays: Arrays) -> Arrays:
        """Single batch norms in training mode.

        Args:
            network: its name.
            dtype: of the model.
            arrays: the groups `state`, all of it, and `input`, by layer, in `dtype`.

        Returns:
            Of every layer `<name>/output` and the updated running `<name>/mean` and `<name>/variance`.
        """
        return self.call("probe_batch_norms", network=network, dtype=dtype, arrays=arrays).arrays

    def probe_gradients(self, network: str, dtype: str, arrays: Arrays) -> Arrays:
        """Single layers backwards, in training mode.

        Args:
            network: its name.
            dtype: of the model.
            arrays: the groups `state`, of these layers alone, `input` and `gradient`, that of the output, by layer.

        Returns:
            Of every layer the gradients `<name>/input`, `<name>/kernel` and so on; what has none is left out.
        """
        return self.call("probe_gradients", network=network, dtype=dtype, arrays=arrays).arrays

    def stages(self, network: str, dtype: str, arrays: Arrays) -> Arrays:
        """The forward pass in inference: every named stage's output.

        Args:
            network: its name.
            dtype: of the model.
            arrays: the groups `state` and `images`, with the one array `nhwc` [n, h, w, 3], preprocessed.

        Returns:
            The outputs by stage, in `dtype`.
        """
        return self.call("stages", network=network, dtype=dtype, arrays=arrays).arrays

    def layer_inputs(self, network: str, dtype: str, arrays: Arrays) -> Arrays:
        """The forward pass in inference: the input of every layer that has exactly one.

        Args:
            network: its name.
            dtype: of the model.
            arrays: as for `stages`.

        Returns:
            The inputs by layer, in `dtype`.
        """
        return self.call("layer_inputs", network=network, dtype=dtype, arrays=arrays).arrays

    def predict(
        self, network: str, dtype: str, arrays: Arrays, on_progress: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """The logits [n, classes] of images, in inference.

        Args:
            network: its name.
            dtype: of the model.
            arrays: the groups `state` and `data`: `images`, uint8 [n, h, w, c], and where one is subtracted from them
                `mean`, float32 [h, w, c].
            on_progress: called with the number of images that are done.
        """
        listener = counted(on_progress, "images")
        return self.call("predict", network=network, dtype=dtype, arrays=arrays, on_progress=listener).arrays["logits"]

    def repeated_updates(
        self,
        network: str,
        rule: Optimizer,
        rate: float,
        checkpoints: Sequence[int],
        arrays: Arrays,
        on_progress: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """An optimizer alone, with the same gradient in every step: what some of its steps subtract from the weights.

        Args:
            network: only for errors: the network whose optimizer it is.
            rule: the update rule.
            rate: the learning rate of every step.
            checkpoints: the steps whose updates are returned, counted from 1, in ascending order.
            arrays: `gradient` [n], in the precision of the optimizer.
            on_progress: called with the number of steps that are done.

        Returns:
            The updates [checkpoints, n].
        """
        reply = self.call(
            "repeated_updates",
            network=network,
            rule=asdict(rule),
            rate=rate,
            checkpoints=list(checkpoints),
            arrays=arrays,
            on_progress=counted(on_progress, "step"),
        )
        return reply.arrays["updates"]
