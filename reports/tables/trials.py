"""The table of what was tried to make trainings faster."""

from __future__ import annotations

from collections.abc import Sequence

from parity.records.records import Trial
from reports.formatting import NOTHING, code, count_text, framework_order, framework_title, plain, table
from reports.tables.speed import ratio_cells


def trial_table(trials: Sequence[Trial]) -> str:
    """One row a trial, those of a framework together: median ratio, range and number of pairs, and what else is known.

    A trial that gave no ratio has its note alone.
    """
    numeric = ["batch", "threads", "without / with", "range", "n"]
    rows = [
        [
            framework_title(trial.framework),
            code(trial.network),
            plain(trial.change),
            count_text(trial.batch),
            plain(trial.threads),
            *(ratio_cells(trial.ratios) if trial.ratios else [NOTHING, NOTHING, "0"]),
            plain(trial.note) if trial.note else NOTHING,
        ]
        for trial in sorted(trials, key=lambda trial: framework_order(trial.framework))
    ]
    return table(["framework", "network", "what was tried", *numeric, "note"], rows, numeric)
