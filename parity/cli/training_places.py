"""Where `parity train` trains: in workers of this machine, or on a cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from parity.cli import console
from parity.cli.matrix_display import MatrixDisplay
from parity.cli.options import Device, TrainingPrecision, await_ready, begin_workers, command_line
from parity.cli.training_display import TrainingDisplay
from parity.cluster.connection import connected
from parity.cluster.engine import ClusterEngine
from parity.cluster.nodes import describe_nodes
from parity.records.sequential import SequentialPlan
from parity.training.engines import LocalEngine
from parity.training.experiment import ExperimentResult, require_one_precision, require_precision, run
from parity.training.jobs import TrainingPlan
from parity.training.store import Store
from parity.workers.environment import collect, of_run


def train_here(
    plans: Sequence[TrainingPlan],
    store: Store | None,
    device: Device,
    threads: int | None,
    sequential: SequentialPlan | None,
) -> list[ExperimentResult]:
    """One training after the other in workers of this machine.

    Args:
        plans: what to train; they have the same images, frameworks, precision and sharing.
        store: where trainings are kept; None: nowhere.
        device: to train on.
        threads: CPU threads; None: all cores.
        sequential: when to test, and to train no more seeds; None: all seeds are trained.

    Returns:
        One for each plan that has begun.
    """
    first = plans[0]
    precision, results = first.settings.precision, []
    tf32 = precision == TrainingPrecision.tf32
    with begin_workers(first.frameworks, threads, tf32=tf32, sharing=first.sharing) as workers:
        await_ready(workers, device)
        require_precision(workers, precision)
        environment = collect(
            workers, dataset=first.images, profile="train", seed=first.seeds[0], command=command_line()
        )
        require_one_precision(environment)
        for plan in plans:
            several = len(plan.seeds) > 1
            with TrainingDisplay(
                plan.frameworks, plan.batch, several_seeds=several, console=console.stderr()
            ) as display:
                engine = LocalEngine(workers, environment, display.update, display.note)
                results += run(engine, [plan], store, environment, display.note, sequential)
            if results[-1].interrupted:
                break
    return results


def train_on_cluster(
    plans: Sequence[TrainingPlan],
    store: Store | None,
    address: str,
    device: Device,
    threads: int,
    sequential: SequentialPlan | None,
) -> list[ExperimentResult]:
    """All trainings at the same time, as far as the cluster has room.

    Args:
        plans: as for `train_here`.
        store: where trainings are kept; None: nowhere.
        address: of the cluster, see `parity.cluster.connection.connected`.
        device: to train on.
        threads: CPU threads of a training.
        sequential: as for `train_here`.

    Returns:
        One for each plan.

    Raises:
        ClusterError: the cluster cannot be used.
    """
    first, err = plans[0], console.stderr()
    precision = first.settings.precision
    with contextlib.ExitStack() as connection:
        with console.busy(err, "connecting to the cluster"):
            ray = connection.enter_context(connected(address))
            nodes = describe_nodes(ray, first.frameworks, device.value, threads, precision)
        environment = {
            **nodes.environment,
            **of_run(first.images, profile="train", seed=first.seeds[0], command=command_line()),
        }
        require_one_precision(environment)
        gpus = f" and {nodes.gpus} GPUs" if nodes.gpus else ""
        console.print_message(err, f"cluster: {nodes.cpus} CPUs{gpus} on {', '.join(nodes.names)}")
        with MatrixDisplay(sum(plan.trainings for plan in plans), console=err) as display:
            engine = ClusterEngine(ray, nodes, environment, display.update, display.note, display.end)
            return run(engine, plans, store, environment, display.note, sequential)
