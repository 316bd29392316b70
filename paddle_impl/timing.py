"""What the suite's own steps are compared with in speed: Paddle's own loops, on one ready-made batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import paddle

from paddle_impl import training
from paddle_impl.layers import SharedDropout
from paddle_impl.twin import twin
from parity.runtime.timing import ReadyMade, Steps, TimedModels


def _forward(ready: ReadyMade) -> tuple[Steps, str]:
    model, (images, _) = ready.model, _tensors(ready)
    model.eval()

    @paddle.no_grad()
    def run(steps: int) -> None:
        for _ in range(steps):
            model(images)

    return run, "eager"


def _bare_loop(ready: ReadyMade) -> tuple[Steps, str]:
    model = _with_stock_dropout(ready.model)
    return _loop(model, model, *_tensors(ready)), "eager"


def _bare_loop_to_static(ready: ReadyMade) -> tuple[Steps, str]:
    model = _with_stock_dropout(ready.model)
    return _loop(model, paddle.jit.to_static(model), *_tensors(ready)), "to_static"


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


def _fit(ready: ReadyMade) -> tuple[Steps, str]:
    model = paddle.Model(_with_stock_dropout(ready.model))
    model.prepare(
        paddle.optimizer.Adam(1e-3, parameters=ready.model.parameters()),
        paddle.nn.CrossEntropyLoss(),
        paddle.metric.Accuracy(),
    )
    images, labels = (tensor.numpy() for tensor in _tensors(ready))

    def run(steps: int) -> None:
        x, y = np.tile(images, (steps, 1, 1, 1)), np.tile(labels, steps)[:, None]
        batches = paddle.io.TensorDataset([paddle.to_tensor(x), paddle.to_tensor(y)])
        model.fit(batches, batch_size=len(labels), epochs=1, verbose=0, shuffle=True)

    return run, "Model.fit"


def _with_stock_dropout(model: paddle.nn.Layer) -> paddle.nn.Layer:
    """The same model, with Paddle's own dropout in place of the suite's."""
    for parent in model.sublayers(include_self=True):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, SharedDropout):
                parent.add_sublayer(name, paddle.nn.Dropout(layer.rate))
    return model


def _tensors(ready: ReadyMade) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Images [batch, c, h, w] and labels."""
    images = ready.images.transpose(0, 3, 1, 2)
    return paddle.to_tensor(images), paddle.to_tensor(ready.labels.astype(np.int64))


# "bare loop" is hand-written; "Model.fit" is the framework's own
timed_models = TimedModels(
    twin,
    training.loop,
    {
        "forward": _forward,
        "bare loop": _bare_loop,
        "bare loop, to_static": _bare_loop_to_static,
        "Model.fit": _fit,
    },
)
