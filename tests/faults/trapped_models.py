"""A pair of equal models with places for many traps; imported in both workers, so no framework at the top."""

from typing import Any


def tensorflow_model() -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, strides=2, padding="same", name="conv")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.ReLU(name="again")(x)
    y = layers.Conv2D(6, 1, activation="sigmoid", name="gate")(x)
    x = layers.Concatenate(name="joined")([x, y])
    x = layers.GlobalAveragePooling2D(name="means")(x)
    x = layers.Dropout(0.4, name="dropout")(x)
    return keras.Model(inputs, layers.Dense(5, activation="softmax", name="classes")(x))


def paddle_model(epsilon: float = 1e-3) -> Any:
    import paddle
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2D(3, 6, 3, stride=2, padding="SAME")
            self.norm = nn.BatchNorm2D(6, momentum=0.99, epsilon=epsilon)
            self.relu = nn.ReLU()
            self.gate = nn.Conv2D(6, 6, 1)
            self.means = nn.AdaptiveAvgPool2D(1)
            self.dropout = nn.Dropout(0.4)
            self.classes = nn.Linear(12, 5)

        def forward(self, x: paddle.Tensor) -> paddle.Tensor:
            x = self.relu(self.relu(self.norm(self.conv(x))))
            x = paddle.concat([x, nn.functional.sigmoid(self.gate(x))], axis=1)
            return nn.functional.softmax(self.classes(self.dropout(self.means(x).flatten(1))))

    return Net()
