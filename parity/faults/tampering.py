"""Faults of what a framework is sent: weights, images, settings, learning rates; changed on the way to one worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.catalogue.recipes import Optimizer
from parity.catalogue.traps import FaultName
from parity.diagnosis.scene import Scene
from parity.faults.sites import layer_of_same_kernel
from parity.numerics.arrays import Arrays
from parity.workers.client import Client
from parity.workers.pool import Workers
from parity.workers.reply import Reply
from parity.workers.worker import Worker

StateChange = Callable[[Arrays], Arrays]


@dataclass(frozen=True)
class Distortion:
    """What is changed in the messages of one worker; by default nothing.

    Attributes:
        state: of a canonical state that is sent.
        back: of one that comes back: the fault of a transfer is made in both directions.
        images: of [n, h, w, c], in proofs and in trainings.
        mean: of [h, w, c], the mean that a training subtracts.
        settings: of the arguments of `start_training`.
        late: steps by which learning rates come late.
    """

    state: StateChange = lambda state: state
    back: StateChange = lambda state: state
    images: Callable[[np.ndarray], np.ndarray] = lambda images: images
    mean: Callable[[np.ndarray], np.ndarray] = lambda mean: mean
    settings: Callable[[dict[str, Any]], dict[str, Any]] = lambda settings: settings
    late: int = 0


@dataclass
class TamperedWorker(Client):
    """A worker whose messages are changed in `call`, which all requests go through; all else is the worker's own."""

    worker: Worker
    distortion: Distortion
    _rates: list[float] = field(default_factory=list)  # of the training so far

    def __getattr__(self, name: str) -> Any:
        return getattr(self.worker, name)

    def call(self, verb: str, *, arrays: Mapping[str, np.ndarray] | None = None, **arguments: Any) -> Reply:
        """As `Worker.call`."""
        if verb == "start_training":
            self._rates.clear()
            arguments = self.distortion.settings(arguments)
        if arrays is None:
            return self.worker.call(verb, **arguments)
        if verb == "round_trip":  # a state without groups, in both directions
            reply = self.worker.call(verb, arrays=self.distortion.state(dict(arrays)), **arguments)
            return Reply(reply.result, self.distortion.back(reply.arrays))
        reply = self.worker.call(verb, arrays=self._incoming(verb, dict(arrays)), **arguments)
        return Reply(reply.result, _regrouped(reply.arrays, self.distortion.back))

    def _incoming(self, verb: str, arrays: Arrays) -> Arrays:
        change = self.distortion
        arrays = _regrouped(arrays, change.state)
        for name in ("images:nhwc", "data:images", "data:test_images"):
            if name in arrays:
                arrays[name] = change.images(arrays[name])
        for name in ("data:mean", "data:test_mean"):
            if name in arrays:
                arrays[name] = change.mean(arrays[name])
        if verb == "train_epoch" and change.late:
            self._rates += arrays["rate"].tolist()
            begin = len(self._rates) - len(arrays["rate"])
            shifted = [self._rates[max(0, begin + i - change.late)] for i in range(len(arrays["rate"]))]
            arrays["rate"] = np.asarray(shifted, arrays["rate"].dtype)
        return arrays


class TamperedWorkers(Workers):
    """Both workers, one of them tampered with. Who started them stops them."""

    def __init__(self, workers: Workers, framework: str, distortion: Distortion) -> None:
        self._workers = {name: workers[name] for name in workers}
        self._workers[framework] = TamperedWorker(workers[framework], distortion)  # type: ignore[assignment]


def distortion(change: FaultName, stage: str, scene: Scene) -> Distortion | None:
    """The distortion of that name for a stage; None for a fault of the packages' own tables.

    Args:
        change: the fault.
        stage: a layer's canonical name, or "images", "optimizer" and so on.
        scene: of the network.
    """
    make = _CHANGES.get(change)
    return make(stage, scene) if make else None


def _regrouped(arrays: Arrays, change: StateChange) -> Arrays:
    """The arrays with `change` applied to the group `state`; all others as they are, in the same order."""
    prefix = "state:"
    state = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    changed = change(state) if state else {}
    return {
        name: changed[name.removeprefix(prefix)] if name.startswith(prefix) else array for name, array in arrays.items()
    }


def _replacing(name: str, forth: Callable[[np.ndarray], np.ndarray], back: Callable[..., np.ndarray]) -> Distortion:
    """One array that is changed when it is sent, and changed back when it is returned."""
    return Distortion(
        state=lambda state: state | {name: np.ascontiguousarray(forth(state[name]))},
        back=lambda state: state | {name: np.ascontiguousarray(back(state[name]))},
    )


def _swapped_kernel_axes(stage: str, scene: Scene) -> Distortion:
    def swap(kernel: np.ndarray) -> np.ndarray:
        return kernel.transpose(1, 0, 2, 3)

    return _replacing(f"{stage}/kernel", swap, swap)


def _transposed_kernel(stage: str, scene: Scene) -> Distortion:
    return _replacing(f"{stage}/kernel", np.transpose, np.transpose)


def _rows_in_another_order(stage: str, scene: Scene) -> Distortion:
    maps = scene.flattened(stage)
    assert maps is not None
    h, w, c = maps

    def forth(kernel: np.ndarray) -> np.ndarray:
        return kernel.reshape(h, w, c, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)

    def back(kernel: np.ndarray) -> np.ndarray:
        return kernel.reshape(c, h, w, -1).transpose(1, 2, 0, 3).reshape(kernel.shape)

    return _replacing(f"{stage}/kernel", forth, back)


def _exchanged(first: str, second: str) -> Distortion:
    def swap(state: Arrays) -> Arrays:
        return state | {first: state[second], second: state[first]}

    return Distortion(state=swap, back=swap)


def _another_layers_kernel(stage: str, scene: Scene) -> Distortion:
    return _exchanged(f"{stage}/kernel", f"{layer_of_same_kernel(stage, scene)}/kernel")


def _bias_lost(stage: str, scene: Scene) -> Distortion:
    return Distortion(state=lambda state: state | {f"{stage}/bias": np.zeros_like(state[f"{stage}/bias"])})


def _channels_first(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(images.shape)


def _mean_per_channel(mean: np.ndarray) -> np.ndarray:
    return np.broadcast_to(mean.mean(axis=(0, 1)), mean.shape).astype(mean.dtype)


def _another_scope(settings: dict[str, Any]) -> dict[str, Any]:
    return settings | {"l2_scope": "kernels" if settings["l2_scope"] == "all" else "all"}


def _changed_rule(settings: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return settings | {"optimizer": settings["optimizer"] | changes}


def _the_other_momentum(settings: dict[str, Any]) -> dict[str, Any]:
    return _changed_rule(settings, kind={"momentum": "nesterov", "nesterov": "momentum"}[settings["optimizer"]["kind"]])


def _the_other_epsilon(settings: dict[str, Any]) -> dict[str, Any]:
    other = 1e-8 if settings["optimizer"]["epsilon"] > 5e-8 else 1e-7
    return _changed_rule(settings, epsilon=Optimizer("adam", epsilon=other).epsilon)


_CHANGES: dict[FaultName, Callable[[str, Scene], Distortion]] = {
    FaultName.SWAPPED_KERNEL_AXES: _swapped_kernel_axes,
    FaultName.TRANSPOSED_KERNEL: _transposed_kernel,
    FaultName.ROWS_IN_ANOTHER_ORDER: _rows_in_another_order,
    FaultName.GAMMA_FOR_BETA: lambda stage, scene: _exchanged(f"{stage}/gamma", f"{stage}/beta"),
    FaultName.MEAN_FOR_VARIANCE: lambda stage, scene: _exchanged(f"{stage}/mean", f"{stage}/variance"),
    FaultName.ANOTHER_KERNEL: _another_layers_kernel,
    FaultName.BIAS_LOST: _bias_lost,
    FaultName.BGR: lambda stage, scene: Distortion(images=lambda images: np.ascontiguousarray(images[..., ::-1])),
    FaultName.CHANNELS_FIRST_BY_RESHAPE: lambda stage, scene: Distortion(images=_channels_first),
    FaultName.NO_SCALING: lambda stage, scene: Distortion(
        images=lambda images: images if images.dtype == np.uint8 else images.astype(np.float64) * 255
    ),
    FaultName.MEAN_PER_CHANNEL: lambda stage, scene: Distortion(mean=_mean_per_channel),
    FaultName.HALF_THE_DECAY: lambda stage, scene: Distortion(settings=lambda s: s | {"l2": s["l2"] / 2}),
    FaultName.ANOTHER_SCOPE_OF_DECAY: lambda stage, scene: Distortion(settings=_another_scope),
    FaultName.THE_OTHER_MOMENTUM: lambda stage, scene: Distortion(settings=_the_other_momentum),
    FaultName.THE_OTHER_EPSILON: lambda stage, scene: Distortion(settings=_the_other_epsilon),
    FaultName.RATES_ONE_STEP_LATE: lambda stage, scene: Distortion(late=1),
}
