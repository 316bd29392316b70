"""Read saved runs and merge them: for each key, the record of the latest run of the same versions and devices.

What was shown with some versions of the frameworks is not shown for others, so the runs of each combination are merged
by themselves (see `reports.evidence.versions`), and are shown side by side in the report.

Keys: proofs by (network, level, title); update rules by (rule, network); speed by (network, framework, what, batch);
training by its conditions (see `reports.evidence.experiments`), framework and seed; overhead by (network, framework,
baseline);
loss curves by (network, recipe, data set, batch, seed); equivalence by (network, recipe, data set, images, epochs);
cross-evaluation by (network, recipe, data set, seed, both frameworks); detections by (network, change, framework,
stage); control runs by network; trials by (network, framework, change, batch, threads);
profiles by (network, framework, batch, threads); errors of the sequential test by all of their setting but the number
of matrices and the seed of the random numbers.
Proofs of replicas by (network, title), their faults by (network, fault, framework, replicas), their speeds by
(network, framework, replicas, batch), reductions by (framework, replicas, elements).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from parity.records.accuracy_records import CrossEvaluation, Equivalence, SequentialErrors
from parity.records.environment import FrameworkFacts
from parity.records.levels import LOWERED_RATES
from parity.records.records import ControlRun, Curves, Detection, Proof, Record, RuleProof, Training
from parity.records.replicas import ReductionSpeed, ReplicaDetection, ReplicaProof, ReplicaSpeed
from parity.records.saved_run import SavedRun, Stats, load_run
from parity.records.speed_records import Overhead, Profile, Speed, Trial
from parity.records.validation import RecordError
from reports.evidence.experiments import conditions
from reports.evidence.network_facts import network_order
from reports.evidence.outcomes import crossing_key, equivalence_key
from reports.evidence.versions import Setting, Versions, by_versions, sentence, to_be_shown
from reports.formatting import TITLES, framework_order

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Sourced(Generic[R]):
    """A record with pytest-benchmark's statistics and the run that it came from."""

    record: R
    stats: Stats
    run: SavedRun


@dataclass(frozen=True)
class MergedRuns:
    """The merged records of all runs, or of those of one combination of versions; in the catalogue's order of networks.

    The whole has `parts`, one for every combination; what compares or judges looks at these, one at a time.
    """

    runs: list[SavedRun]  # oldest first
    proofs: list[Sourced[Proof]]
    rules: list[RuleProof]
    speeds: list[Sourced[Speed]]
    trainings: list[Sourced[Training]]
    overheads: list[Sourced[Overhead]]
    curves: list[Curves]
    equivalences: list[Equivalence]
    cross_evaluations: list[CrossEvaluation]
    detections: list[Detection]
    control_runs: list[ControlRun]
    trials: list[Trial]
    profiles: list[Profile]
    replica_proofs: list[ReplicaProof]
    replica_detections: list[ReplicaDetection]
    replica_speeds: list[ReplicaSpeed]
    reduction_speeds: list[ReductionSpeed]
    sequential_errors: list[SequentialErrors] = field(default_factory=list)  # of the whole: they are of no framework
    where: str = ""  # of a part: its versions, in Markdown, for a sentence
    label: str = ""  # of a part: as `where`, for a name, in plain text; empty where there is one part alone
    parts: list[MergedRuns] = field(default_factory=list)

    @property
    def networks(self) -> list[str]:
        """Every network that was proven, timed or trained; overheads and update rules say nothing about a network."""
        records = [*self._of_networks, *(item.record for item in self.speeds)]
        return sorted({record.network for record in records}, key=network_order)

    @property
    def measured(self) -> list[Speed | Training]:
        """The records of speed and training: what was timed."""
        return [*(item.record for item in self.speeds), *self.trained]

    @property
    def trained(self) -> list[Training]:
        """The records of training."""
        return [item.record for item in self.trainings]

    @property
    def frameworks(self) -> list[str]:
        """The project's two frameworks, and any other that a record or an environment names."""
        named = {record.framework for record in self.measured} | {item.record.framework for item in self.overheads}
        named |= {name for run in self.runs for name in run.environment.frameworks}
        return sorted(named | set(TITLES), key=framework_order)

    def versions(self, framework: str) -> list[str]:
        """The versions of a framework in these runs, oldest run first, without repeats."""
        return _distinct(facts.version for facts in self._facts(framework))

    def devices(self, framework: str) -> list[str]:
        """The devices that a framework was given in these runs, "cpu" or "gpu", oldest run first, without repeats."""
        return _distinct(facts.device for facts in self._facts(framework))

    def _facts(self, framework: str) -> list[FrameworkFacts]:
        named = [run.environment.frameworks for run in self.runs]
        return [frameworks[framework] for frameworks in named if framework in frameworks]

    @property
    def datasets(self) -> list[str]:
        """The titles of all data sets that were used; drawn images are marked where their title does not say so."""
        with_data = [*self._of_networks, *self.rules, *self.replica_proofs]
        recorded = dict.fromkeys(record.dataset for record in with_data if record.dataset)
        drawn = set()
        for run in self.runs:
            dataset = run.environment.dataset
            if dataset and dataset.title:
                recorded.setdefault(dataset.title)
                drawn |= {dataset.title} if is_drawn(f"{dataset.title} {dataset.source}") else set()
        return [f"{title} (generated data)" if title in drawn and not is_drawn(title) else title for title in recorded]

    @property
    def _of_networks(self) -> list[Proof | Training | Curves | Equivalence | CrossEvaluation]:
        """The records that say something of a network on a data set."""
        proofs = [item.record for item in self.proofs]
        return [*proofs, *self.trained, *self.curves, *self.equivalences, *self.cross_evaluations]


_RECORDS = (
    "proofs", "rules", "speeds", "trainings", "overheads", "curves", "equivalences", "cross_evaluations", "detections",
    "control_runs", "trials", "profiles", "replica_proofs", "replica_detections", "replica_speeds", "reduction_speeds",
)  # fmt: skip


def is_drawn(title: str) -> bool:
    """Whether a title or source names generated images in place of a real data set."""
    return any(word in title.lower() for word in ("generated", "synthetic"))


def _distinct(values: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))


def read_runs(paths: Sequence[Path]) -> MergedRuns:
    """Read and merge saved runs. "Later" is by the runs' own date; runs without one come first, in the order given.

    Args:
        paths: JSON files of `pytest --benchmark-save`, `parity train` or `parity check --save`.

    Returns:
        All records, with a part for each combination of versions of the frameworks.

    Raises:
        RecordError: a file is not a saved run, something in it is not what it should be, or none of the files holds a
            record of this suite.
    """
    runs = sorted((load_run(Path(path)) for path in paths), key=_moment)
    if not any(run.entries for run in runs):
        names = ", ".join(str(path) for path in paths) or "no file was given"
        raise RecordError(
            f"nothing to report: expected records of proofs, speed or training, found none ({names}). "
            "Save some with `pytest parity/ --benchmark-save=NAME` or `parity train`."
        )
    of_frameworks = [run for run in runs if not _simulated(run)] or runs
    combined = _with_borrowed([(versions, _merged(own)) for versions, own in by_versions(of_frameworks)])
    shown = to_be_shown([versions for versions, _ in combined])
    parts = [
        replace(
            part,
            where=sentence(versions, shown),
            label=", ".join(versions.names(shown)) if len(combined) > 1 else "",
        )
        for versions, part in combined
    ]
    errors = [item.record for item in _merge(runs, SequentialErrors, _error_key)]
    return replace(_joined(parts), runs=runs, parts=parts, sequential_errors=errors)


def _simulated(run: SavedRun) -> bool:
    """Whether a run holds simulations alone, which are of no framework, and so of no combination of versions."""
    return bool(run.entries) and all(isinstance(record, SequentialErrors) for record, _ in run.entries)


def _merged(runs: list[SavedRun]) -> MergedRuns:
    """The latest record of each key, of runs of the same versions."""
    curves = _merge(runs, Curves, lambda r: (r.network, r.recipe, r.dataset, r.batch, r.seed))
    equivalences = _merge(runs, Equivalence, equivalence_key)
    crossed = _merge(runs, CrossEvaluation, lambda record: (*crossing_key(record), record.seed))
    return MergedRuns(
        runs,
        _merge(runs, Proof, lambda r: (r.network, r.level, r.title.partition(LOWERED_RATES)[0])),
        [item.record for item in _merge(runs, RuleProof, lambda record: (record.rule, record.network))],
        _merge(runs, Speed, lambda record: (record.network, record.framework, record.what, record.batch)),
        _merge(runs, Training, _training_key),
        _merge(runs, Overhead, lambda record: (record.network, record.framework, record.baseline)),
        [item.record for item in curves],
        [item.record for item in equivalences],
        [item.record for item in crossed],
        [item.record for item in _merge(runs, Detection, lambda r: (r.network, r.change, r.framework, r.stage))],
        [item.record for item in _merge(runs, ControlRun, lambda r: (r.network,))],
        [item.record for item in _merge(runs, Trial, _trial_key)],
        [item.record for item in _merge(runs, Profile, lambda r: (r.network, r.framework, r.batch, r.threads))],
        [item.record for item in _merge(runs, ReplicaProof, lambda r: (r.network, r.replicas, r.synchronised))],
        [item.record for item in _merge(runs, ReplicaDetection, _fault_key)],
        [item.record for item in _merge(runs, ReplicaSpeed, lambda r: (r.network, r.framework, r.replicas, r.batch))],
        [item.record for item in _merge(runs, ReductionSpeed, lambda r: (r.framework, r.replicas, r.elements))],
    )


def _with_borrowed(parts: Sequence[tuple[Versions, MergedRuns]]) -> list[tuple[Versions, MergedRuns]]:
    """The parts, each with the trainings that only another part holds though they are of its own setting as well.

    A finished training is not repeated when the other framework is updated: the new version's trainings are compared
    with those that the unchanged framework did before. A part that then holds nothing of its own is left out.
    """
    parts_with_borrowed = []
    for own, part in parts:
        trained = {_training_key(item.record) for item in part.trainings}
        partners = {(*conditions(item.record), item.record.seed) for item in part.trainings}
        borrowed: dict[tuple[Hashable, ...], Sourced[Training]] = {}
        for its, other in parts:
            for item in other.trainings:
                record, key = item.record, _training_key(item.record)
                same = own.of(record.framework) == its.of(record.framework) != Setting()
                if same and key not in trained and (*conditions(record), record.seed) in partners:
                    borrowed[key] = max(borrowed.get(key, item), item, key=lambda sourced: _moment(sourced.run))
        parts_with_borrowed.append((own, replace(part, trainings=_ordered([*part.trainings, *borrowed.values()]))))
    for _, part in list(parts_with_borrowed):
        rest = [pair for pair in parts_with_borrowed if pair[1] is not part]
        if rest and not any(getattr(part, name) for name in _RECORDS if name != "trainings"):
            records = {id(item.record) for item in part.trainings}
            if not records or any(records < {id(item.record) for item in other.trainings} for _, other in rest):
                parts_with_borrowed = rest
    return parts_with_borrowed


def _joined(parts: Sequence[MergedRuns]) -> MergedRuns:
    """Everything of all parts; a record that several have is there once."""
    joined: dict[str, Any] = {}
    for name in _RECORDS:
        every = [item for part in parts for item in getattr(part, name)]
        joined[name] = list({id(getattr(item, "record", item)): item for item in every}.values())
    return MergedRuns(runs=[], **joined)


def _moment(run: SavedRun) -> datetime:
    """When the run was saved; the beginning of time when that is not recorded."""
    try:
        moment = datetime.fromisoformat(run.datetime)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _merge(runs: Sequence[SavedRun], kind: type[R], key: Callable[[R], tuple[Hashable, ...]]) -> list[Sourced[R]]:
    """The latest record of each key, in the catalogue's order of networks, then in the order of frameworks."""
    latest: dict[tuple[Hashable, ...], Sourced[R]] = {}
    for run in runs:
        for record, stats in run.entries:
            if type(record) is kind:  # a proof of an update rule is none of a network
                latest[key(record)] = Sourced(record, stats, run)

    return _ordered(latest.values())


def _ordered(items: Iterable[Sourced[R]]) -> list[Sourced[R]]:
    """In the catalogue's order of networks, then in the order of frameworks."""

    def order(item: Sourced[R]) -> tuple[tuple[int, str], tuple[int, str]]:
        # every kind has a network, though their base class does not say so
        framework = framework_order(getattr(item.record, "framework", ""))
        return network_order(str(getattr(item.record, "network", ""))), framework

    return sorted(items, key=order)


def _training_key(record: Training) -> tuple[Hashable, ...]:
    return *conditions(record), record.framework, record.seed


def _fault_key(record: ReplicaDetection) -> tuple[Hashable, ...]:
    return record.network, record.fault, record.framework, record.replicas


def _trial_key(record: Trial) -> tuple[Hashable, ...]:
    return record.network, record.framework, record.change, record.batch, record.threads


def _error_key(record: SequentialErrors) -> tuple[Hashable, ...]:
    plan = record.first, record.seed_batch, record.most, record.margin, record.confidence
    return record.distributions, record.deviations, record.true_difference, *plan
