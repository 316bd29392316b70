"""The commands `matrix status` and `matrix plan`: what a store of trainings holds, and what it still needs.

With `matrix errors`, which says how often the test errs by which it is decided what is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from parity.cli.help_texts import help_of
from parity.cli.matrix_errors import errors
from parity.cli.options import JsonOption

if TYPE_CHECKING:
    from parity.training.forecast import Forecast
    from parity.training.matrix import MatrixEntry

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Names = Annotated[list[str] | None, typer.Argument(metavar="NETWORK...", help="Without any: all that are there.")]

Out = Annotated[str, typer.Option(help="Folder or URL of the trainings, as `parity train --out`.", metavar="DIR")]

SMALL = 0.005  # CPU hours that are shown as fewer than a hundredth


@app.command(**help_of("matrix status"))
def status(
    out: Out,
    names: Names = None,
    seeds: Annotated[int, typer.Option(min=0, help="Expect this many seeds of every network.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """List the trainings of a store: done, running, waiting, stopped after an epoch, failed and why, not begun."""
    from parity.cli import console
    from parity.training.matrix import matrix_of
    from parity.training.store import Store

    _require_known(names or ())
    with Store.opened(out, write=False) as store:
        entries = matrix_of(store, names or (), seeds)
    if as_json:
        console.print_json({"trainings": [_facts(entry) for entry in entries]})
        return
    table = console.table_of("network", "framework", "seed", "state", "epochs", "test", "hours", right=(2, 4, 5, 6))
    for entry in entries:
        final = entry.record.final if entry.record else None
        table.add_row(
            _title(entry),
            _framework(entry),
            str(entry.seed),
            _state(entry),
            f"{entry.epochs}/{entry.planned or '?'}" if entry.state != "not begun" else "-",
            f"{final.test_accuracy:.2%}" if final else "-",
            f"{entry.record.seconds / 3600:.2f}" if entry.record else "-",
        )
    console.print_table(console.stdout(), table)
    counts = Counter(entry.state for entry in entries)
    listed = ", ".join(f"{count} {state}" for state, count in counts.items())
    console.print_message(console.stdout(), listed or f"{out}: no trainings are there")
    for entry in entries:
        if entry.problem:
            console.print_message(
                console.stderr(), f"{_title(entry)}, {_framework(entry)}, seed {entry.seed}: {entry.problem}"
            )


@app.command(**help_of("matrix plan"))
def plan(
    out: Out,
    names: Names = None,
    most: Annotated[int, typer.Option(min=4, help="The most seeds a framework that would be trained.")] = 20,
    seed_batch: Annotated[int, typer.Option(min=1, help="Seeds between two tests, as for `parity train`.")] = 2,
    cpus: Annotated[
        int | None, typer.Option(min=1, help="CPUs that train at the same time; default: all of this machine.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Take the CPUs of this cluster, as `parity train --cluster`.", metavar="ADDRESS")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say how many seeds a verdict on the accuracies still needs, and what they cost."""
    from parity.cli import console
    from parity.records.sequential import SequentialPlan
    from parity.training.forecast import forecasts
    from parity.training.matrix import matrix_of
    from parity.training.store import Store
    from parity.workers.interpreter import default_threads

    if cpus is not None and cluster is not None:
        raise ValueError("expected --cpus or --cluster, found both. Leave one out: --cluster counts its own CPUs")
    _require_known(names or ())
    with Store.opened(out, write=False) as store:
        entries = matrix_of(store, names or ())
    networks = forecasts(entries, SequentialPlan(batch=seed_batch, most=most))
    at_once = cpus or (_cpus_of(cluster) if cluster else default_threads())
    if as_json:
        console.print_json({"cpus": at_once, "networks": [_plan_facts(forecast, at_once) for forecast in networks]})
        return
    headings = "network", "seeds", "difference", "verdict so far", "seeds in all", "for", "CPU hours"
    table = console.table_of(*headings, f"hours on {at_once} CPUs", right=(1, 2, 4, 6, 7))
    for forecast in networks:
        table.add_row(*_plan_row(forecast, most, at_once))
    out_console = console.stdout()
    console.print_table(out_console, table)
    console.print_message(
        out_console,
        f"seeds in all: those by which a verdict holds in 80 % of the cases, by the sequential test at most {most}; "
        "CPU hours: of the seeds to come, in both frameworks, evaluations apart",
    )
    if not networks:
        console.print_message(out_console, f"{out}: no trainings are there")
    for forecast in networks:
        if forecast.problem:
            console.print_message(console.stderr(), f"{_title(forecast)}: {forecast.problem}")


app.command(**help_of("matrix errors"))(errors)


def _require_known(names: Sequence[str]) -> None:
    """Raise UnknownNetworkError for a name that is no network's."""
    from parity.catalogue.networks import network

    for name in names:
        network(name)


def _cpus_of(address: str) -> int:
    """The CPUs of a running cluster. Raises ClusterError."""
    from parity.cli import console
    from parity.cluster.connection import connected

    with console.busy(console.stderr(), "connecting to the cluster"), connected(address) as ray:
        return max(1, int(ray.cluster_resources().get("CPU", 0)))


def _plan_row(forecast: Forecast, most: int, cpus: int) -> Sequence[str]:
    verdict, needed = forecast.verdict, forecast.needed
    so_far = str(verdict.verdict) if verdict else "-"
    difference = f"{verdict.difference:+.2f}" if verdict else "-"
    if needed is not None:
        seeds, of = (str(needed.seeds), str(needed.verdict)) if needed.seeds else (f"over {most}", "-")
    else:
        seeds, of = (str(forecast.seeds), so_far) if verdict else ("-", "-")
    hours = forecast.cpu_hours
    costs = ["-", "-"] if hours is None else [_hours(hours), _hours(hours / cpus)]
    return _title(forecast), str(forecast.seeds), difference, so_far, seeds, of, *costs


def _hours(hours: float) -> str:
    return "0" if not hours else f"{hours:.2f}" if hours >= SMALL else "under 0.01"


def _plan_facts(forecast: Forecast, cpus: int) -> dict[str, object]:
    verdict, needed = forecast.verdict, forecast.needed
    return {
        "network": forecast.network,
        "variant": forecast.variant,
        "seeds": forecast.seeds,
        "verdict": verdict.verdict if verdict else None,
        "difference": verdict.difference if verdict else None,
        "interval": verdict.interval if verdict else None,
        "seeds needed": needed.seeds if needed else None,
        "expected seeds": needed.expected_seeds if needed else None,
        "expected verdict": needed.verdict if needed else None,
        "cpu hours": forecast.cpu_hours,
        "hours": None if forecast.cpu_hours is None else forecast.cpu_hours / cpus,
        "problem": forecast.problem,
    }


def _facts(entry: MatrixEntry) -> dict[str, object]:
    final = entry.record.final if entry.record else None
    return {
        "network": entry.network,
        "variant": entry.variant,
        "framework": entry.framework,
        "seed": entry.seed,
        "state": entry.state,
        "epochs": entry.epochs,
        "epochs planned": entry.planned,
        "test accuracy": final.test_accuracy if final else None,
        "seconds": entry.record.seconds if entry.record else None,
        "problem": entry.problem,
        "goes on after epoch": entry.goes_on_after or None,
    }


def _state(entry: MatrixEntry) -> str:
    """The state, and of a training that failed whether the next start loses its epochs."""
    goes_on = entry.state == "failed" and entry.goes_on_after
    return f"failed; goes on after epoch {entry.goes_on_after}" if goes_on else entry.state


def _title(row: MatrixEntry | Forecast) -> str:
    return f"{row.network} ({row.variant})" if row.variant else row.network


def _framework(entry: MatrixEntry) -> str:
    from parity.workers.frameworks import FRAMEWORKS

    return FRAMEWORKS[entry.framework].title
