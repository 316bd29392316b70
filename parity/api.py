"""What a Python program calls: the same proofs as the commands give, as records."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from parity.catalogue.networks import default_networks, network
from parity.data.dataset import Dataset
from parity.data.registry import load
from parity.diagnosis.prove import CHECKS, prove
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.compare import compare_pair
from parity.migration.prove.user_inputs import pair_inputs
from parity.migration.specs import model_specs, require_float64
from parity.proofs.context import ProofContext
from parity.records.levels import LEVELS
from parity.records.migrations import Migration
from parity.records.records import Proof
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.interpreter import shared_threads
from parity.workers.pool import Workers
from parity.workers.start import await_workers


def check(
    *networks: str,
    dataset: Dataset | None = None,
    levels: Sequence[int] = tuple(LEVELS),
    seed: int = 0,
    threads: int | None = None,
    on_proof: Callable[[Proof], None] = lambda proof: None,
) -> dict[str, list[Proof]]:
    """Prove level by level that the twins of networks of the catalogue compute the same, on the CPU.

    Args:
        networks: their names, as `parity networks` lists them; the default ones if none.
        dataset: where the images come from, see `parity.data.registry.load`; generated images if None.
        levels: which to prove, see `parity.records.levels.LEVELS`.
        seed: of weights and images.
        threads: of each framework; if None, half of the machine's.
        on_proof: called with each proof as soon as it is there.

    Returns:
        By network, the proofs in the order of the levels. Of a proof that failed `passed` is False; its `problems` say
        what differs, its `causes` why. Where a framework crashed, the proof failed and compared nothing.

    Raises:
        UnknownNetworkError: the catalogue has no network of that name; the message lists those that there are.
        ValueError: a level that does not exist, or none.

    Example:
        >>> import parity
        >>> proofs = parity.check("lenet5", levels=[1])
        >>> proofs["lenet5"][0].passed
        True
    """
    if not levels or set(levels) - set(CHECKS):
        raise ValueError(f"levels: expected some of {', '.join(map(str, CHECKS))}, found {list(levels)}")
    names = [network(name).name for name in dict.fromkeys(networks)] or default_networks()
    images = dataset or load("generated", seed=seed)
    proofs: dict[str, list[Proof]] = {}
    updates: dict[str, Any] = {}  # of optimizers alone, which networks share
    with Workers(threads=threads or shared_threads()) as workers:
        for name in names:
            proofs[name] = []
            for proof in prove(ProofContext(workers, network(name), images, seed, updates), levels):
                proofs[name].append(proof)
                on_proof(proof)
    return proofs


def compare(
    tensorflow: str | Any,
    paddle: str,
    input: str | Sequence[int] | Sequence[str] | Mapping[str, str | Sequence[int]] | None = None,
    *,
    inputs: str | Path | Mapping[str, Any] | None = None,
    own_weights: bool = False,
    classes: int | None = None,
    tokens: int | None = None,
    weights: Mapping[str, Path] | None = None,
    layers: Mapping[str, str] | None = None,
    dataset: Dataset | None = None,
    apply_fixes: bool = False,
    fix: str = "paddle",
    training: bool = False,
    dtype: str = "float64",
    seed: int = 0,
    threads: int | None = None,
    device: str = "cpu",
    workers: Workers | None = None,
) -> Migration:
    """Compare a TensorFlow model with the Paddle model that should be its twin, layer by layer.

    Args:
        tensorflow: `package.module:callable`, with arguments or without, that returns a keras.Model; a saved model; or
            a keras.Model, which is saved as a `.keras` file and read again in another process.
        paddle: a target as above for a paddle.nn.Layer. Each runs in a process of its own, in this one's folder.
        input: the shape of one input, without the batch: (height, width, channels), (time, channels) or (features,). Of
            several inputs by name, see `parity.migration.specs.input_specs`. None where `inputs` show it.
        inputs: your own: a .npz file, `package.module:callable`, or arrays [n, ...] by the inputs' names. The verdict
            counts them.
        own_weights: whether to compare the weights that both models have, too, array by array; see
            `parity.migration.own_weights.check`.
        classes: offered to callables that take a number of classes.
        tokens: inputs are token ids below this number.
        weights: by "tensorflow" or "paddle", a file of weights to load into that model.
        layers: names of layers of the TensorFlow model to names of the Paddle layers that correspond to them.
        dataset: images for inputs (height, width, 1 or 3); random inputs if None.
        apply_fixes: whether `fixed` says that the code of the suggested changes is wanted.
        fix: "paddle" or "tensorflow": whose model the suggested changes are of.
        training: whether to compare a pass in training mode and all gradients, too; float64 only.
        dtype: "float64"; "float32" for models that cannot be built in float64, which proves less.
        seed: of weights and inputs.
        threads: of each framework; if None, half of the machine's.
        device: "cpu" or "gpu"; "auto": the GPU where both frameworks see one; "tensorflow-gpu" or "paddle-gpu": that
            framework alone on the GPU.
        workers: processes of both frameworks to use again, set up; they stay. If None, they are started and stopped.

    Returns:
        `verdict` is "equal", "different" or "undecided"; each of `causes` names layer, number and trap; `changes` says
        how layers of one model are written so that the two agree, `fix` is Python code that does it, and
        `fixed_verdict` is the verdict with these, which were made and proven; `assert_equal()` is for tests.

    Raises:
        ValueError: a shape or combination that has no meaning, or a file of weights that does not exist.
        TypeError: `tensorflow` is neither a text nor a model that can be saved.
        TargetError: a target that cannot be imported, or is no model, or does not run on inputs of this shape; or
            `inputs` that are not of the form that the models take.
        MatchError: `layers` names some that the models do not have, or puts together what values contradict.
        WorkerError: a framework crashed or raised.

    Example:
        >>> import parity
        >>> models = "tests.migration.keras_models:small()", "tests.migration.paddle_models:small()"
        >>> result = parity.compare(*models, input=(16, 16, 3))
        >>> result.verdict, result.causes
        ('equal', [])
        >>> result.assert_equal()
    """
    require_float64(training, dtype)
    if fix not in FRAMEWORKS:
        raise ValueError(f"expected fix {' or '.join(map(repr, FRAMEWORKS))}, found {fix!r}")
    forms, user_inputs = pair_inputs(input, tokens, inputs)
    with contextlib.ExitStack() as stack:
        target, title = tensorflow, tensorflow
        if not isinstance(tensorflow, str):
            target = saved_keras_model(tensorflow, Path(stack.enter_context(tempfile.TemporaryDirectory())))
            title = f"keras.Model {tensorflow.name!r}"
        specs = model_specs(target, paddle, forms, classes=classes, weights=weights, dtype=dtype)
        if workers is None:
            workers = stack.enter_context(Workers(threads=threads or shared_threads()))
            if device != "cpu":
                await_workers(workers, device)
        pair = RecordedPair(workers, specs, dataset, seed, layers or {}, user_inputs=user_inputs)
        found = compare_pair(pair, apply_fixes=apply_fixes, fix=fix, training=training, own_weights=own_weights)
        pair.forget()
    return replace(found, first=title)


def saved_keras_model(model: Any, folder: Path) -> str:
    """Save a live Keras model for the process that compares it.

    Args:
        model: a keras.Model.
        folder: where to.

    Returns:
        The target: the path of a `.keras` file.

    Raises:
        TypeError: no Keras model.
    """
    if not callable(getattr(model, "save", None)) or not hasattr(model, "layers"):
        raise TypeError(
            f"tensorflow: expected a target such as 'my.models:net' or a keras.Model, found {type(model).__name__}"
        )
    path = folder / "model.keras"
    model.save(path)
    return str(path)
