"""Seconds of many steps, read in the worker: the suite's own steps, and what they are held against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import paddle

from paddle_impl import device, training
from paddle_impl.layers import SharedDropout
from paddle_impl.models import build
from paddle_impl.weights import export_state, load_state
from parity.numerics.arrays import Arrays, unpack
from parity.runtime.timing import Steps, Subjects, time_hops


def time_transfer(network: str, rounds: int) -> dict[str, Any]:
    """Bytes of the network's state, and the seconds of every hop of the transfer layer."""
    model = build(network, "float32")
    return time_hops(lambda: export_state(model), lambda state: load_state(model, state), rounds)


def _forward(network: str, arrays: Arrays, recipe: dict[str, Any]) -> tuple[Steps, str]:
    model, images, _ = _ready_made(network, arrays, recipe["batch"])
    model.eval()

    @paddle.no_grad()
    def run(steps: int) -> None:
        for _ in range(steps):
            model(images)

    return run, "eager"


def _train_step(network: str, arrays: Arrays, recipe: dict[str, Any]) -> tuple[Steps, str]:
    mode = training.loop.start_training(network, arrays=arrays, **recipe)["mode"]
    return training.loop.repeated_steps(unpack(arrays, "plan")), mode


def _bare_loop(network: str, arrays: Arrays, recipe: dict[str, Any]) -> tuple[Steps, str]:
    twin, images, labels = _ready_made(network, arrays, recipe["batch"])
    model = _with_stock_dropout(twin)
    return _loop(model, model, images, labels), "eager"


def _bare_loop_to_static(network: str, arrays: Arrays, recipe: dict[str, Any]) -> tuple[Steps, str]:
    twin, images, labels = _ready_made(network, arrays, recipe["batch"])
    model = _with_stock_dropout(twin)
    return _loop(model, paddle.jit.to_static(model), images, labels), "to_static"


def _loop(
    model: paddle.nn.Layer, forward: Callable[..., paddle.Tensor], images: paddle.Tensor, labels: paddle.Tensor
) -> Steps:
    model.train()
    optimizer = paddle.optimizer.Adam(1e-3, parameters=model.parameters())

    def run(steps: int) -> None:
        for _ in range(steps):
            paddle.nn.functional.cross_entropy(forward(images), labels).backward()
            optimizer.step()
            optimizer.clear_grad()

    return run


def _fit(network: str, arrays: Arrays, recipe: dict[str, Any]) -> tuple[Steps, str]:
    layer, images, labels = _ready_made(network, arrays, recipe["batch"])
    model = paddle.Model(_with_stock_dropout(layer))
    model.prepare(
        paddle.optimizer.Adam(1e-3, parameters=layer.parameters()),
        paddle.nn.CrossEntropyLoss(),
        paddle.metric.Accuracy(),
    )

    def run(steps: int) -> None:
        x, y = np.tile(images.numpy(), (steps, 1, 1, 1)), np.tile(labels.numpy(), steps)[:, None]
        batches = paddle.io.TensorDataset([paddle.to_tensor(x), paddle.to_tensor(y)])
        model.fit(batches, batch_size=recipe["batch"], epochs=1, verbose=0, shuffle=True)

    return run, "Model.fit"


def _with_stock_dropout(model: paddle.nn.Layer) -> paddle.nn.Layer:
    """The same model, with Paddle's own dropout in place of the suite's."""
    for parent in model.sublayers(include_self=True):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, SharedDropout):
                parent.add_sublayer(name, paddle.nn.Dropout(layer.rate))
    return model


def _ready_made(network: str, arrays: Arrays, batch: int) -> tuple[paddle.nn.Layer, paddle.Tensor, paddle.Tensor]:
    """The model with its weights, and one batch of preprocessed images and labels."""
    model = build(network, "float32")
    load_state(model, unpack(arrays, "state"))
    data = unpack(arrays, "data")
    images = (data["test_images"][:batch].astype(np.float32) / 255).transpose(0, 3, 1, 2)
    return model, paddle.to_tensor(images), paddle.to_tensor(data["test_labels"][:batch].astype(np.int64))


# "train step" is the suite's own, data pipeline included; the "bare loop" is hand-written and runs on one ready-made
# batch; "Model.fit" is the framework's own loop on ready-made batches.
subjects = Subjects(
    {
        "forward": _forward,
        "train step": _train_step,
        "bare loop": _bare_loop,
        "bare loop, to_static": _bare_loop_to_static,
        "Model.fit": _fit,
    },
    device.synchronize,
)
