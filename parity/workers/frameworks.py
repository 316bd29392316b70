"""The frameworks: their names, titles, packages, and the environment variables that their workers get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from parity.catalogue.titles import TITLES
from parity.catalogue.versions import OLDEST


@dataclass(frozen=True)
class Framework:
    """What the suite knows about a framework without importing it.

    Attributes:
        title: for a reader.
        package: the package of its twins.
        modules: top-level modules that must never be imported in the other worker.
        install: how it is installed.
        modes: how its steps of training can run, beside "auto"; those of the package's `Trainer`.
        interpreter_variable: the environment variable that names the Python of its worker.
        amd_variables: environment variables of a worker on an AMD processor with AVX2, unless they are set already.
        extras: packages that the framework imports where they are installed, and that a worker does not need.
    """

    title: str
    package: str
    modules: tuple[str, ...]
    install: str
    modes: tuple[str, ...]
    interpreter_variable: str
    amd_variables: Mapping[str, str] = field(default_factory=dict)
    extras: tuple[str, ...] = ()


FRAMEWORKS: dict[str, Framework] = {
    "paddle": Framework(
        title=TITLES["paddle"],
        package="paddle_impl",
        modules=("paddle",),
        install=f"pip install 'paddlepaddle>={OLDEST['paddle']['paddle']}' (or paddlepaddle-gpu, see README)",
        modes=("eager", "to_static"),
        interpreter_variable="PARITY_PADDLE_PYTHON",
        # Paddle brings an MKL of 2019, which takes its kernels without AVX on any processor that is not Intel's:
        # small networks train 1.3 to 4 times slower with them. The value 5 selects AVX2.
        amd_variables={"MKL_DEBUG_CPU_TYPE": "5"},
        extras=("click",),  # of the command httpx, whose library Paddle imports
    ),
    "tensorflow": Framework(
        title=TITLES["tensorflow"],
        package="tf_impl",
        modules=("tensorflow", "keras"),
        install=f"pip install 'tensorflow-cpu>={OLDEST['tensorflow']['tensorflow']}' (or tensorflow[and-cuda])",
        modes=("tf.function", "xla"),
        interpreter_variable="PARITY_TENSORFLOW_PYTHON",
        # oneDNN's kernels, which TensorFlow itself takes only on processors with AVX-512 VNNI: with AVX2 networks train
        # 1.6 to 2.7 times faster with them.
        amd_variables={"TF_ENABLE_ONEDNN_OPTS": "1"},
        # Keras's galleries of pictures, tables as data of a training, wrappers for scikit-learn; and sparse
        # matrices in the earlier Keras that TensorFlow still contains. None of them is required by either.
        extras=("matplotlib", "pandas", "scipy", "sklearn"),
    ),
}
