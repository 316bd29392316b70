"""The command `matrix errors`: how often the sequential test of accuracies errs, by simulation."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated

import typer

from parity.cli.options import DIFFERENT, JsonOption, SaveOption, command_line

if TYPE_CHECKING:
    from parity.records.accuracy_records import SequentialErrors

ABOVE = "!"  # marks a share


def errors(
    seeds: Annotated[int, typer.Option(min=4, help="The most seeds a framework, as for `parity train`.")] = 20,
    seed_batch: Annotated[int, typer.Option(min=1, help="Seeds between two tests, as for `parity train`.")] = 2,
    matrices: Annotated[int, typer.Option(min=1, help="Experiments that are simulated of each setting.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the random numbers.")] = 0,
    save: SaveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate how often the test of `parity train --until-decided` errs.

    Accuracies are drawn, whose true difference is known: normal ones, and others, of which two are known to exceed 5 %.
    """
    from parity.cli import console
    from parity.records.saved_run import save_records
    from parity.records.sequential import SequentialPlan
    from parity.records.sequential_errors import NORMAL, STANDARD_ERRORS, exceeds, simulated_errors
    from parity.system import require_writable

    if save is not None:
        require_writable(save)
    with console.busy(console.stderr(), "simulating"):
        records = list(simulated_errors(SequentialPlan(batch=seed_batch, most=seeds), matrices, seed))
    if as_json:
        console.print_json({"settings": [_facts(record) for record in records]})
    else:
        _print(records)
    if save is not None:
        from parity.workers.environment import of_machine, of_run

        environment = of_run(None, profile="matrix errors", seed=seed, command=command_line()) | of_machine()
        save_records(save, records, environment)
    if any(record.distributions == NORMAL and exceeds(record, STANDARD_ERRORS) for record in records):
        raise typer.Exit(DIFFERENT)


def _print(records: list[SequentialErrors]) -> None:
    """A row for each setting, with what came of all its true differences."""
    from parity.cli import console
    from parity.records.sequential_errors import exceeds

    first = records[0]
    by_setting = [
        list(own) for _, own in itertools.groupby(records, lambda record: (record.distributions, record.deviations))
    ]
    wrong = [record for record in by_setting[0] if record.error is not None]
    headings = [
        f'"{"equivalent" if record.true_difference else "different"}" at {record.true_difference:g}' for record in wrong
    ]
    seeds = f"seeds at {', '.join(f'{record.true_difference:g}' for record in by_setting[0])}"
    table = console.table_of("accuracies", "deviations", *headings, seeds, right=(2, 3, 4))
    for own in by_setting:
        table.add_row(
            "/".join(dict.fromkeys(own[0].distributions)),
            "/".join(f"{deviation:g}" for deviation in own[0].deviations),
            *(_error(record) for record in own if record.error is not None),
            ", ".join(f"{record.mean_seeds:.1f}" for record in own),
        )
    out = console.stdout()
    console.print_table(out, table)
    marked = f"; {ABOVE}: above {100 * first.bound:g} %" if any(map(exceeds, records)) else ""
    console.print_message(
        out,
        f"shares of {first.matrices:,} simulated experiments with a wrong verdict, ± their standard error, at true "
        f"differences of so many points (margin {first.margin:g}); seeds: of each framework, on average, at most "
        f"{first.most}{marked}",
    )


def _error(record: SequentialErrors) -> str:
    from parity.records.sequential_errors import exceeds, standard_error

    share = record.error or 0.0
    spread = standard_error(share, record.matrices)
    return f"{100 * share:.2f} ± {100 * spread:.2f} %{f' {ABOVE}' if exceeds(record) else ''}"


def _facts(record: SequentialErrors) -> dict[str, object]:
    from parity.records.sequential_errors import exceeds, standard_error

    error = record.error
    return record.as_dict() | {
        "error": error,
        "standard_error": None if error is None else standard_error(error, record.matrices),
        "above": exceeds(record),
    }
