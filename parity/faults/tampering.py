"""Faults of what a framework is sent: weights, images, settings, learning rates; distorted on the way to one worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.catalogue.recipes import Optimizer
from parity.diagnosis.scene import Scene
from parity.faults.sites import twin_of
from parity.numerics.arrays import Arrays
from parity.workers.client import Client
from parity.workers.pool import Worker, Workers
from parity.workers.reply import Reply

StateChange = Callable[[Arrays], Arrays]


@dataclass(frozen=True)
class Distortion:
    """What happens to the messages of one worker; by default nothing."""

    state: StateChange = lambda state: state  # a canonical state on its way in
    back: StateChange = lambda state: state  # and on its way out: the fault of a transfer is made in both directions
    images: Callable[[np.ndarray], np.ndarray] = lambda images: images  # [n, h, w, c], of proofs and of trainings
    mean: Callable[[np.ndarray], np.ndarray] = lambda mean: mean  # [h, w, c], the mean that a training subtracts
    settings: Callable[[dict[str, Any]], dict[str, Any]] = lambda settings: settings  # of `start_training`
    late: int = 0  # steps by which learning rates come late


@dataclass
class TamperedWorker(Client):
    """A worker whose messages are distorted in `call`, which all requests go through; for all else it is the worker."""

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
        if verb == "round_trip":  # a bare state both ways
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
    """Both workers, one of them tampered with; stopping them is left to who started them."""

    def __init__(self, workers: Workers, framework: str, distortion: Distortion) -> None:
        self._workers = {name: workers[name] for name in workers}
        self._workers[framework] = TamperedWorker(workers[framework], distortion)  # type: ignore[assignment]


def distortion(change: str, stage: str, scene: Scene) -> Distortion | None:
    """The distortion of that name for a stage; None where the change is not one of these but the packages'."""
    make = _CHANGES.get(change)
    return make(stage, scene) if make else None


def _regrouped(arrays: Arrays, change: StateChange) -> Arrays:
    """The group `state` changed, all else as it is, in its order."""
    prefix = "state:"
    state = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    changed = change(state) if state else {}
    return {
        name: changed[name.removeprefix(prefix)] if name.startswith(prefix) else each for name, each in arrays.items()
    }


def _replacing(name: str, forth: Callable[[np.ndarray], np.ndarray], back: Callable[..., np.ndarray]) -> Distortion:
    """One array changed on the way in, and changed back on the way out."""
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
    return _exchanged(f"{stage}/kernel", f"{twin_of(stage, scene)}/kernel")


def _bias_lost(stage: str, scene: Scene) -> Distortion:
    return Distortion(state=lambda state: state | {f"{stage}/bias": np.zeros_like(state[f"{stage}/bias"])})


def _channels_first(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(images.shape)


def _mean_of_each_channel(mean: np.ndarray) -> np.ndarray:
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


_CHANGES: dict[str, Callable[[str, Scene], Distortion]] = {
    "swapped kernel axes": _swapped_kernel_axes,
    "transposed kernel": _transposed_kernel,
    "rows in another order": _rows_in_another_order,
    "gamma for beta": lambda stage, scene: _exchanged(f"{stage}/gamma", f"{stage}/beta"),
    "mean for variance": lambda stage, scene: _exchanged(f"{stage}/mean", f"{stage}/variance"),
    "another layer's kernel": _another_layers_kernel,
    "bias lost": _bias_lost,
    "BGR": lambda stage, scene: Distortion(images=lambda images: np.ascontiguousarray(images[..., ::-1])),
    "channels first by reshape": lambda stage, scene: Distortion(images=_channels_first),
    "no scaling": lambda stage, scene: Distortion(
        images=lambda images: images if images.dtype == np.uint8 else images.astype(np.float64) * 255
    ),
    "mean of each channel": lambda stage, scene: Distortion(mean=_mean_of_each_channel),
    "half the decay": lambda stage, scene: Distortion(settings=lambda s: s | {"l2": s["l2"] / 2}),
    "another scope of decay": lambda stage, scene: Distortion(settings=_another_scope),
    "the other momentum": lambda stage, scene: Distortion(settings=_the_other_momentum),
    "the other epsilon": lambda stage, scene: Distortion(settings=_the_other_epsilon),
    "rates one step late": lambda stage, scene: Distortion(late=1),
}
