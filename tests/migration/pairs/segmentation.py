"""Segmentation: resizes, transposed convolutions, crops, skip connections in either order."""

from typing import Any


def tensorflow_unet(up: str = "transpose", kernel: int = 2, interpolation: str = "bilinear") -> Any:
    """One level of a U-Net."""
    import keras
    from keras import layers

    inputs = keras.Input((12, 12, 3))
    skip = layers.Conv2D(4, 3, padding="same", activation="relu", name="encode1")(inputs)
    x = layers.MaxPooling2D(2, name="pool")(skip)
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="encode2")(x)
    if up == "transpose":
        x = layers.Conv2DTranspose(4, kernel, strides=2, padding="same", name="up")(x)
    else:
        x = layers.UpSampling2D(2, interpolation=interpolation, name="enlarge")(x)
        x = layers.Conv2D(4, 1, name="up")(x)
    x = layers.Concatenate(name="join")([skip, x])
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="decode")(x)
    return keras.Model(inputs, layers.Conv2D(2, 1, name="classes")(x))


def paddle_unet(
    up: str = "transpose",
    kernel: int = 2,
    padding: Any = 0,
    swapped: bool = False,
    mode: str = "bilinear",
    align_corners: bool = False,
) -> Any:
    """swapped: the skip connection comes last; padding: of the transposed convolution."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class UNet(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.down1 = nn.Sequential(nn.Conv2D(3, 4, 3, padding=1), nn.ReLU())
            self.pool = nn.MaxPool2D(2)
            self.down2 = nn.Sequential(nn.Conv2D(4, 6, 3, padding=1), nn.ReLU())
            if up == "transpose":
                self.up = nn.Conv2DTranspose(6, 4, kernel, stride=2, padding=padding)
            else:
                self.up = nn.Conv2D(6, 4, 1)
            self.mix = nn.Sequential(nn.Conv2D(8, 4, 3, padding=1), nn.ReLU())
            self.out = nn.Conv2D(4, 2, 1)

        def forward(self, x: Any) -> Any:
            skip = self.down1(x)
            x = self.down2(self.pool(skip))
            if up != "transpose":
                x = F.interpolate(x, size=skip.shape[2:], mode=mode, align_corners=align_corners)
            x = self.up(x)
            x = paddle.concat([x, skip] if swapped else [skip, x], axis=1)
            return self.out(self.mix(x))

    return UNet()


def tensorflow_resize(how: str = "layer", size: int = 15, antialias: bool = False, method: str = "bilinear") -> Any:
    """A map enlarged to a size that is no multiple."""
    import keras
    import tensorflow as tf
    from keras import layers

    x = inputs = keras.Input((10, 10, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="features")(x)
    if how == "layer":
        x = layers.Resizing(size, size, interpolation=method, antialias=antialias, name="enlarge")(x)
    elif how == "ops":
        x = keras.ops.image.resize(x, (size, size), interpolation=method, antialias=antialias)
    else:
        x = layers.Lambda(lambda maps: tf.image.resize(maps, (size, size), method=method), name="enlarge")(x)
    return keras.Model(inputs, layers.Conv2D(2, 1, name="classes")(x))


def paddle_resize(
    size: int = 15, align_corners: bool = False, align_mode: int = 0, mode: str = "bilinear", layer: bool = False
) -> Any:
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2D(3, 4, 3, padding=1)
            self.upsample = nn.Upsample([size, size], mode=mode, align_corners=align_corners, align_mode=align_mode)
            self.head = nn.Conv2D(4, 2, 1)

        def forward(self, x: Any) -> Any:
            x = F.relu(self.conv(x))
            if layer:
                return self.head(self.upsample(x))
            options = {} if mode == "nearest" else {"align_corners": align_corners, "align_mode": align_mode}
            return self.head(F.interpolate(x, [size, size], mode=mode, **options))

    return Net()


def tensorflow_crop(top: int = 1, left: int = 1) -> Any:
    """Skip connection of an unpadded U-Net: cropped to the size of the smaller map."""
    import keras
    from keras import layers

    inputs = keras.Input((12, 12, 3))
    skip = layers.Conv2D(4, 3, padding="same", name="wide")(inputs)
    x = layers.Conv2D(4, 3, activation="relu", name="valid")(skip)
    skip = layers.Cropping2D(((top, 2 - top), (left, 2 - left)), name="crop")(skip)
    x = layers.Concatenate(name="join")([skip, x])
    return keras.Model(inputs, layers.Conv2D(2, 1, name="classes")(x))


def paddle_crop(top: int = 1, left: int = 1) -> Any:
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.wide = nn.Conv2D(3, 4, 3, padding=1)
            self.valid = nn.Conv2D(4, 4, 3)
            self.classes = nn.Conv2D(8, 2, 1)

        def forward(self, x: Any) -> Any:
            skip = self.wide(x)
            x = F.relu(self.valid(skip))
            height, width = x.shape[2:]
            skip = skip[:, :, top : top + height, left : left + width]
            return self.classes(paddle.concat([skip, x], axis=1))

    return Net()


def tensorflow_deconvolution(kernel: int = 3, stride: int = 2, padding: str = "same") -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((6, 6, 3))
    x = layers.Conv2DTranspose(4, kernel, strides=stride, padding=padding, activation="relu", name="up")(x)
    return keras.Model(inputs, layers.Conv2D(2, 1, name="classes")(x))


def paddle_deconvolution(
    kernel: int = 3, stride: int = 2, padding: Any = 0, output_padding: int = 0, size: int | None = None, crop: int = 0
) -> Any:
    """size: given to the call as output_size; crop: rows and columns cut off below and right afterwards."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.up = nn.Conv2DTranspose(
                3, 4, kernel, stride=stride, padding=padding, output_padding=0 if size else output_padding
            )
            self.head = nn.Conv2D(4, 2, 1)

        def forward(self, x: Any) -> Any:
            x = self.up(x, output_size=[size, size]) if size else self.up(x)
            if crop:
                x = x[:, :, :-crop, :-crop]
            return self.head(F.relu(x))

    return Net()


def tensorflow_shuffle() -> Any:
    """Sub-pixel upsampling with TensorFlow's depth_to_space: blocks before channels."""
    import keras
    import tensorflow as tf
    from keras import layers

    x = inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(12, 3, padding="same", name="features")(x)
    x = layers.Lambda(lambda maps: tf.nn.depth_to_space(maps, 2), name="shuffle")(x)
    return keras.Model(inputs, layers.Conv2D(2, 3, padding="same", name="classes")(x))


def paddle_shuffle(blocks_first: bool = True) -> Any:
    """Paddle's PixelShuffle takes channels before blocks, so the map is rearranged by hand."""
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2D(3, 12, 3, padding=1)
            self.head = nn.Conv2D(3, 2, 3, padding=1)
            self.shuffle = nn.PixelShuffle(2)

        def forward(self, x: Any) -> Any:
            x = self.conv(x)
            if not blocks_first:
                return self.head(self.shuffle(x))
            n, _, h, w = x.shape
            x = x.reshape([n, 2, 2, 3, h, w]).transpose([0, 3, 4, 1, 5, 2])
            return self.head(x.reshape([n, 3, 2 * h, 2 * w]))

    return Net()
