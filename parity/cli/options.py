"""What the commands share: options, exit codes, loading of the data set, start of the workers, saving."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parity.data.names import CHOICES

if TYPE_CHECKING:  # a command imports what it needs, so that `parity --help` and the like answer at once
    from parity.data.dataset import Dataset
    from parity.records.records import Record
    from parity.training.sharing import Sharing
    from parity.workers.pool import Workers

DIFFERENT, UNUSABLE = 1, 2


class Device(StrEnum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"


class ProofDevice(StrEnum):
    """Where to compute proofs: the two frameworks may use different devices, because exact results are the same."""

    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"
    paddle_gpu = "paddle-gpu"
    tensorflow_gpu = "tensorflow-gpu"


class TrainingPrecision(StrEnum):
    """The type in which activations and gradients are computed; weights are float32."""

    float32 = "float32"
    tf32 = "tf32"
    bfloat16 = "bfloat16"


DeviceOption = Annotated[Device, typer.Option("--device", help="auto: the GPU if both frameworks see one.")]

ProofDeviceOption = Annotated[
    ProofDevice,
    typer.Option(
        "--device", help="auto: the GPU if both frameworks see one. paddle-gpu, tensorflow-gpu: that one alone."
    ),
]

ThreadsOption = Annotated[
    int | None, typer.Option("--threads", min=1, help="CPU threads of each framework, or of each replica.")
]

SyncBatchNormOption = Annotated[
    bool,
    typer.Option(
        "--sync-batch-norm",
        help="With replicas: batch norm computes its statistics over all of them, and not over each one's share.",
    ),
]

SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of weights, order of images, crops and flips.")]

SaveOption = Annotated[Path | None, typer.Option(help="Saved run for `parity report`.", metavar="FILE.json")]

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]

DatasetOption = Annotated[
    str | None,
    typer.Option(help=f"{CHOICES}. Without it: cifar10 if it is on this machine.", metavar="DATA"),
]


def dataset_or_default(dataset: str | None, seed: int) -> Dataset:
    """Load the data set that was asked for; without one, CIFAR-10 if it is on this machine, else generated images.

    Args:
        dataset: a name or a path; None where the user gave none.
        seed: of generated images.

    Raises:
        DataError: the data set cannot be loaded.
    """
    from parity.cli import console
    from parity.data.registry import find, load

    if dataset is None and find() is None:
        note = "note: CIFAR-10 is not on this machine, so the inputs are generated images"
        console.print_message(console.stderr(), f"{note} (`--dataset cifar10` downloads it).")
        dataset = "generated"
    return load(dataset or "cifar10", seed=seed, progress=sys.stderr.isatty())


def begin_workers(
    frameworks: Sequence[str], threads: int | None, *, tf32: bool = False, sharing: Sharing | None = None
) -> Workers:
    """Workers that start while the command continues; `await_ready` waits for them.

    Args:
        frameworks: names.
        threads: CPU threads of each; None: all cores.
        tf32: whether they may compute in TF32.
        sharing: how many processes of each framework share a batch, each with so many threads; None: one takes it
            whole.

    Raises:
        ValueError: processes that share a batch would have more threads together than there are cores.
    """
    from parity.workers.interpreter import default_threads
    from parity.workers.pool import Workers

    if sharing is None or sharing.replicas == 1:
        workers = Workers(frameworks, threads=threads, tf32=tf32)
    else:
        cores = default_threads()
        if threads is not None and sharing.replicas * threads > cores:
            raise ValueError(
                f"--threads: expected {cores // sharing.replicas} or fewer for each of {sharing.replicas} replicas on "
                f"{cores} cores, found {threads}. Without --threads each takes its part of the cores"
            )
        from parity.workers.replicated_worker import ReplicatedWorkers  # imports numpy, too: only where asked for

        workers = ReplicatedWorkers(
            sharing.replicas, synchronised=sharing.synchronised, frameworks=frameworks, threads=threads
        )
    workers.begin()
    return workers


def await_ready(workers: Workers, device: Device | ProofDevice) -> None:
    """Wait until workers of `begin_workers` have answered, and set the device. Raises WorkerError."""
    from parity.cli import console
    from parity.workers.frameworks import FRAMEWORKS
    from parity.workers.start import await_workers

    titles = " and ".join(FRAMEWORKS[name].title for name in workers)
    with console.busy(console.stderr(), f"starting {titles}"):
        await_workers(workers, device.value)


def try_to_save(path: Path, records: Sequence[Record], environment: Mapping[str, Any]) -> bool:
    """Save the records so far; where that fails, print why and continue.

    A full disk must not lose the results of an hour: after the next network all records are saved again.

    Args:
        path: the file to write.
        records: all of this run.
        environment: what `parity.workers.environment.collect` returned.

    Returns:
        Whether they were saved.
    """
    from parity.cli import console
    from parity.records.saved_run import save_records

    try:
        save_records(path, records, environment)
    except OSError as error:
        console.print_message(
            console.stderr(), f"parity: {error} What comes next is still done, and saved if it can be.", "red"
        )
        return False
    return True


def command_line() -> str:
    """The command as the user typed it, for the record."""
    return shlex.join(["parity", *sys.argv[1:]])
