"""Models that draw noise in inference, and dropout that acts in training only."""

from typing import Any


def tensorflow_vae() -> Any:
    import keras
    from keras import layers, ops

    class Sampling(layers.Layer):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.seeds = keras.random.SeedGenerator(1)

        def call(self, mean: Any, log_variance: Any) -> Any:
            noise = keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self.seeds)
            return mean + ops.exp(0.5 * log_variance) * noise

    x = inputs = keras.Input((8,))
    x = layers.Dense(6, activation="relu", name="hidden")(x)
    mean, log_variance = layers.Dense(3, name="mean")(x), layers.Dense(3, name="log_variance")(x)
    x = Sampling(name="sampling")(mean, log_variance)
    return keras.Model(inputs, layers.Dense(8, name="rebuilt")(layers.Dense(7, activation="relu", name="decode")(x)))


def paddle_vae(half: bool = True, sampled: bool = True) -> Any:
    """not half: the logarithm of the variance is taken for that of the deviation; not sampled: the mean alone."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class VAE(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Linear(8, 6)
            self.mu = nn.Linear(6, 3)
            self.log_var = nn.Linear(6, 3)
            self.decoder = nn.Sequential(nn.Linear(3, 7), nn.ReLU(), nn.Linear(7, 8))

        def forward(self, x: Any) -> Any:
            x = F.relu(self.encoder(x))
            mu, log_var = self.mu(x), self.log_var(x)
            if not sampled:
                return self.decoder(mu)
            noise = paddle.randn(mu.shape, dtype=mu.dtype)
            return self.decoder(mu + noise * paddle.exp(0.5 * log_var if half else log_var))

    return VAE()


def tensorflow_monte_carlo(rate: float = 0.5) -> Any:
    """Dropout that stays on, as a subclass that pays no heed to the mode."""
    import keras
    from keras import layers

    class MonteCarloDropout(layers.Dropout):
        def call(self, inputs: Any, training: bool | None = None) -> Any:
            return super().call(inputs, training=True)

    x = inputs = keras.Input((8,))
    x = layers.Dense(6, activation="relu", name="hidden")(x)
    x = MonteCarloDropout(rate, name="dropout")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def paddle_monte_carlo(rate: float = 0.5, always: bool = True) -> Any:
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(8, 6)
            self.out = nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            x = F.relu(self.fc(x))
            return self.out(F.dropout(x, rate, training=True if always else self.training))

    return Net()


def tensorflow_noise(deviation: float = 0.1) -> Any:
    """Noise on the inputs, in training only."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8,))
    x = layers.GaussianNoise(deviation, name="noise")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(layers.Dense(6, activation="relu", name="hidden")(x)))


def paddle_noise(always: bool = False) -> Any:
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(8, 6)
            self.out = nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            if always or self.training:
                x = x + 0.1 * paddle.randn(x.shape, dtype=x.dtype)
            return self.out(F.relu(self.fc(x)))

    return Net()


def tensorflow_dropout(spatial: bool = False) -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(x)
    x = layers.SpatialDropout2D(0.4, name="dropout")(x) if spatial else layers.Dropout(0.4, name="dropout")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(2, name="logits")(x))


def paddle_dropout(spatial: bool = False, mode: str = "upscale_in_train") -> Any:
    from paddle import nn

    drop = nn.Dropout2D(0.4) if spatial else nn.Dropout(0.4, mode=mode)
    return nn.Sequential(nn.Conv2D(3, 4, 3), nn.ReLU(), drop, nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(4, 2))
