"""Heads of detectors: transposes and reshapes, several outputs, several levels."""

from typing import Any


def tensorflow_box_head() -> Any:
    """Boxes [n, anchors, 4] of one level."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="features")(x)
    x = layers.Conv2D(12, 3, padding="same", name="boxes")(x)
    return keras.Model(inputs, layers.Reshape((-1, 4), name="rows")(x))


def paddle_box_head(transposed: bool = True, merged: bool = False) -> Any:
    """transposed: to channels last before the reshape, as it must be; merged: with flatten in place of reshape."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Head(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2D(3, 6, 3, padding=1)
            self.box = nn.Conv2D(6, 12, 3, padding=1)

        def forward(self, x: Any) -> Any:
            x = self.box(F.relu(self.conv(x)))
            if not transposed:
                return x.reshape([x.shape[0], -1, 4])
            if merged:
                return x.flatten(2).transpose([0, 2, 1]).reshape([x.shape[0], -1, 4])
            return x.transpose([0, 2, 3, 1]).reshape([x.shape[0], -1, 4])

    return Head()


def tensorflow_two_heads(boxes_activation: str | None = None) -> Any:
    """Scores and boxes of every anchor, as a list."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="features")(x)
    scores = layers.Conv2D(10, 3, padding="same", name="scores")(x)
    boxes = layers.Conv2D(8, 3, padding="same", activation=boxes_activation, name="boxes")(x)
    scores = layers.Softmax(name="probabilities")(layers.Reshape((-1, 5), name="score_rows")(scores))
    return keras.Model(inputs, [scores, layers.Reshape((-1, 4), name="box_rows")(boxes)])


def paddle_two_heads(padding: Any = (0, 1, 0, 1), softmax_axis: int = -1) -> Any:
    """padding: left, right, top, bottom before the convolution of stride 2."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Detector(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2D(3, 6, 3, stride=2)
            self.cls = nn.Conv2D(6, 10, 3, padding=1)
            self.reg = nn.Conv2D(6, 8, 3, padding=1)

        def forward(self, x: Any) -> Any:
            x = F.relu(self.conv(F.pad(x, list(padding))))
            n = x.shape[0]
            scores = self.cls(x).transpose([0, 2, 3, 1]).reshape([n, -1, 5])
            boxes = self.reg(x).transpose([0, 2, 3, 1]).reshape([n, -1, 4])
            return F.softmax(scores, axis=softmax_axis), boxes

    return Detector()


def tensorflow_levels() -> Any:
    """One head for the maps of two levels, joined along the anchors."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 8, 3))
    fine = layers.Conv2D(6, 3, padding="same", activation="relu", name="fine")(x)
    coarse = layers.Conv2D(6, 3, padding="same", activation="relu", name="coarse")(layers.MaxPooling2D(2)(fine))
    head = layers.Conv2D(8, 3, padding="same", name="head")
    rows = layers.Reshape((-1, 4), name="rows")
    return keras.Model(inputs, layers.Concatenate(axis=1, name="anchors")([rows(head(fine)), rows(head(coarse))]))


def paddle_levels(coarse_first: bool = False) -> Any:
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Pyramid(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.stage1 = nn.Conv2D(3, 6, 3, padding=1)
            self.stage2 = nn.Conv2D(6, 6, 3, padding=1)
            self.head = nn.Conv2D(6, 8, 3, padding=1)

        def rows(self, x: Any) -> Any:
            return self.head(x).transpose([0, 2, 3, 1]).reshape([x.shape[0], -1, 4])

        def forward(self, x: Any) -> Any:
            fine = F.relu(self.stage1(x))
            coarse = F.relu(self.stage2(F.max_pool2d(fine, 2)))
            levels = [self.rows(fine), self.rows(coarse)]
            return paddle.concat(levels[::-1] if coarse_first else levels, axis=1)

    return Pyramid()


def tensorflow_decode(clipped: bool = False) -> Any:
    """Offsets to corners: exponentials of sizes, slices, a concatenation."""
    import keras
    from keras import layers, ops

    x = inputs = keras.Input((6, 6, 3))
    x = layers.Reshape((-1, 4), name="rows")(layers.Conv2D(8, 3, padding="same", name="offsets")(x))
    centers, sizes = x[..., :2], ops.exp(ops.clip(x[..., 2:], -4.0, 4.0) if clipped else x[..., 2:])
    return keras.Model(inputs, ops.concatenate([centers - sizes / 2, centers + sizes / 2], axis=-1))


def paddle_decode(half: bool = True) -> Any:
    import paddle
    from paddle import nn

    class Decode(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2D(3, 8, 3, padding=1)

        def forward(self, x: Any) -> Any:
            x = self.conv(x).transpose([0, 2, 3, 1]).reshape([x.shape[0], -1, 4])
            centers, sizes = paddle.split(x, 2, axis=-1)
            sizes = paddle.exp(sizes) * (0.5 if half else 1.0)
            return paddle.concat([centers - sizes, centers + sizes], axis=-1)

    return Decode()
