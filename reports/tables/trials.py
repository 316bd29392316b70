"""Tables of what was tried to make trainings faster, and of where their time goes."""

from __future__ import annotations

from collections.abc import Sequence

from parity.records.speed_records import Profile, Trial
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


def profile_table(profiles: Sequence[Profile]) -> str:
    """One row a kind of operation, one column a profile: percent of the step; the last row is what is left."""
    kinds = list(dict.fromkeys(kind for profile in profiles for kind in profile.shares))
    total = {kind: sum(profile.shares.get(kind, 0) for profile in profiles) for kind in kinds}
    headers = [f"{code(profile.network)}, {framework_title(profile.framework)}" for profile in profiles]
    rows = [
        [plain(kind), *(_percent(profile.shares.get(kind)) for profile in profiles)]
        for kind in sorted(kinds, key=lambda kind: -total[kind])
    ]
    rows.append(["between operations", *(_percent(1 - sum(profile.shares.values())) for profile in profiles)])
    return table(["percent of a step", *headers], rows, headers)


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.1f}"
