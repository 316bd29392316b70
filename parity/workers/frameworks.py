"""The frameworks: their names, titles, packages, and the environment variables that their workers get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from parity.catalogue.titles import TITLES
from parity.catalogue.versions import OLDEST


@dataclass(frozen=True)
class Framework:
    """What the suite knows about a framework without importing it."""

    title: str
    package: str  # the twin's package
    modules: tuple[str, ...]  # what must never be imported in the other worker
    install: str
    interpreter_variable: str  # names another Python, for frameworks that need environments of their own
    amd_variables: Mapping[str, str] = field(default_factory=dict)  # unless set already; AMD with AVX2
    # What the framework imports where it is installed, and uses for nothing that a worker does.
    extras: tuple[str, ...] = ()


FRAMEWORKS: dict[str, Framework] = {
    "paddle": Framework(
        title=TITLES["paddle"],
        package="paddle_impl",
        modules=("paddle",),
        install=f"pip install 'paddlepaddle>={OLDEST['paddle']['paddle']}' (or paddlepaddle-gpu, see README)",
        interpreter_variable="PARITY_PADDLE_PYTHON",
        # Paddle brings an MKL of 2019, which takes its kernels without AVX on any processor that is not Intel's:
        # small networks train 1.3 to 4 times slower with them. 5 stands for AVX2.
        amd_variables={"MKL_DEBUG_CPU_TYPE": "5"},
        extras=("click",),  # of the command httpx, whose library Paddle imports
    ),
    "tensorflow": Framework(
        title=TITLES["tensorflow"],
        package="tf_impl",
        modules=("tensorflow", "keras"),
        install=f"pip install 'tensorflow-cpu>={OLDEST['tensorflow']['tensorflow']}' (or tensorflow[and-cuda])",
        interpreter_variable="PARITY_TENSORFLOW_PYTHON",
        # Keras's galleries of pictures, tables as data of a training, models in the dress of scikit-learn's; and sparse
        # matrices in the former Keras that still lies in TensorFlow. None of them is required by either.
        extras=("matplotlib", "pandas", "scipy", "sklearn"),
    ),
}
