"""Paddle twins of the models of `own_keras`, with weights that were converted well, badly, rounded, or folded."""

import sys
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

Arrays = dict[str, np.ndarray]


class Picture(nn.Layer):
    """Convolutions and a batch norm; without one, the first convolution has a bias instead."""

    def __init__(self, norm: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2D(3, 6, 3, padding=1, bias_attr=False if norm else None)
        self.norm = nn.BatchNorm2D(6, epsilon=1e-5) if norm else nn.Identity()
        self.conv2 = nn.Conv2D(6, 6, 3, padding=1)
        self.conv3 = nn.Conv2D(6, 6, 3, padding=1)
        self.fc = nn.Linear(6, 7)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        relu = nn.functional.relu
        x = relu(self.conv2(relu(self.norm(self.conv(x)))))
        return self.fc(relu(self.conv3(x)).mean([2, 3]))


def picture(norm: bool = True) -> nn.Layer:
    return Picture(norm)


class Words(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm, self.fc = nn.Embedding(50, 6), nn.LSTM(6, 4), nn.Linear(4, 3)

    def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
        return self.fc(self.lstm(self.embedding(ids))[0][:, -1])


def words() -> nn.Layer:
    return Words()


class Gated(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 6), nn.Linear(4, 6), nn.Linear(6, 6)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.c(self.a(x) * self.b(x))


def gated() -> nn.Layer:
    return Gated()


def converted(own: Arrays) -> Arrays:
    """The numbers of `own_keras.picture` in Paddle's layout."""
    names = {"gamma": "weight", "beta": "bias", "moving_mean": "_mean", "moving_variance": "_variance"}
    made = {}
    for path, array in own.items():
        layer, _, role = path.partition("/")
        right = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array
        made[f"{layer}.{names.get(role, 'weight' if role == 'kernel' else 'bias')}"] = right
    return made


def folded(own: Arrays) -> Arrays:
    """The same with the batch norm in the convolution before it."""
    scale = own["norm.weight"] / np.sqrt(own["norm._variance"] + 1e-5)
    made = {name: array for name, array in own.items() if not name.startswith("norm.")}
    made["conv.weight"] = own["conv.weight"] * scale[:, None, None, None]
    return made | {"conv.bias": own["norm.bias"] - own["norm._mean"] * scale}


def recurrent(own: Arrays) -> Arrays:
    """The numbers of `own_keras.words`; the bias shared out between the two that Paddle has."""
    bias = own["lstm/lstm_cell/bias"]
    return {
        "embedding.weight": own["embedding/embeddings"],
        "lstm.weight_ih_l0": own["lstm/lstm_cell/kernel"].T,
        "lstm.weight_hh_l0": own["lstm/lstm_cell/recurrent_kernel"].T,
        "lstm.bias_ih_l0": bias / 4,
        "lstm.bias_hh_l0": bias * 3 / 4,
        "fc.weight": own["fc/kernel"],
        "fc.bias": own["fc/bias"],
    }


def changed(array: np.ndarray, index: tuple[int, ...], number: float) -> np.ndarray:
    made = array.copy()
    made[index] = number
    return made


def write(folder: Path) -> None:
    """Files of weights for each twin, and a program for inference."""

    def save(name: str, model: nn.Layer, arrays: Arrays) -> None:
        model.set_state_dict({key: np.ascontiguousarray(array, "float32") for key, array in arrays.items()})
        paddle.save(model.state_dict(), str(folder / f"{name}.pdparams"))

    own = converted(dict(np.load(folder / "picture.npz")))
    save("right", Picture(), own)
    program = Picture()
    program.set_state_dict({key: np.ascontiguousarray(array) for key, array in own.items()})
    program.eval()
    spec = paddle.static.InputSpec([None, 3, 6, 6], "float32", "picture")
    paddle.jit.save(program, str(folder / "program"), input_spec=[spec])
    swapped = {"conv2.weight": own["conv3.weight"], "conv3.weight": own["conv2.weight"]}
    save("swapped", Picture(), own | swapped)
    save("half", Picture(), {name: array.astype("float16") for name, array in own.items()})
    save("part", Picture(), own | {"fc.weight": own["fc.weight"].astype("float16")})
    save("nan", Picture(), own | {"fc.bias": changed(own["fc.bias"], (3,), np.nan)})
    save("folded", Picture(norm=False), folded(own))
    wrong = {"conv.bias": folded(own)["conv.bias"] + np.float32(1e-3)}
    save("wrongly_folded", Picture(norm=False), folded(own) | wrong)
    words = recurrent(dict(np.load(folder / "words.npz")))
    save("words", Words(), words)
    save("row", Words(), words | {"embedding.weight": changed(words["embedding.weight"], (45, 2), 1.0)})
    gates = dict(np.load(folder / "gated.npz"))
    right = [("a", "one"), ("b", "two"), ("c", "fc")]
    for name, pairs in (("gated", right), ("exchanged", [("a", "two"), ("b", "one"), ("c", "fc")])):
        arrays = {f"{own}.weight": gates[f"{layer}/kernel"] for own, layer in pairs}
        save(name, Gated(), arrays | {f"{own}.bias": gates[f"{layer}/bias"] for own, layer in pairs})


if __name__ == "__main__":
    write(Path(sys.argv[1]))
