"""Decide which networks are proven equal. The rules are strict: what was not shown counts against the network.

A network is equal only if all levels of `parity.records.levels.LEVELS` are recorded with the same versions of the
frameworks, each of them sound (see `proof_faults`), and no further level on record fails. It is different
where a level fails that compared something; one in which a framework gave no answer says nothing about the network,
which is not proven.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from parity.records.levels import LEVELS as PROOFS
from parity.records.levels import LOSS_CURVE, LOSS_CURVE_TITLE
from parity.records.records import Proof
from reports.evidence import loss_curves
from reports.evidence.merged_runs import MergedRuns
from reports.evidence.outcomes import Tested, cross_faults, equivalence_faults, holds
from reports.formatting import (
    code,
    framework_order,
    framework_title,
    gap_text,
    is_number,
    levels_text,
    listed,
    network_label,
    plain,
    within,
)

OUTCOME = 10

REPORTED_LEVELS = PROOFS | {LOSS_CURVE: LOSS_CURVE_TITLE, OUTCOME: "accuracy over seeds"}

REQUIRED = tuple(PROOFS)

ALL_REQUIRED = f"{REQUIRED[0]} to {REQUIRED[-1]}"

LEVELS_WITH_OWN_LIMITS = (3, 7, 8)  # levels in which each framework is held against its own float64 run

NOT_RUN = "not run"


class NetworkStatus(StrEnum):
    """What the records show of a network."""

    EQUAL = "equal"
    DIFFERENT = "NOT EQUAL"
    UNPROVEN = "not proven"


@dataclass(frozen=True)
class NetworkVerdict:
    """The judgement on one network in one combination of versions.

    `failed` maps a failed level to its reasons, one line of Markdown each.
    """

    network: str
    status: NetworkStatus
    proofs: Mapping[int, Sequence[Proof]]  # by level; one may hold several, which differ in their titles
    failed: Mapping[int, Sequence[str]]
    missing: Sequence[int]
    unanswered: frozenset[int] = frozenset()  # failed levels in which a framework did not answer
    outcomes: Mapping[int, str] = field(default_factory=dict)  # of the levels that curves and trainings show
    versions: str = ""  # those of the frameworks, plain text, where the report covers several

    @property
    def label(self) -> str:
        """The network's name for a table, in Markdown, with its versions where they are needed."""
        return network_label(self.network, self.versions)

    @property
    def levels(self) -> set[int]:
        """Every level of which something is on record."""
        return {*self.proofs, *self.outcomes}

    def text_of(self, level: int) -> str:
        """The outcome of one level, for a table."""
        if level in self.failed:
            return "**no answer**" if level in self.unanswered else "**FAILED**"
        return self.outcomes.get(level) or ("passed" if level in self.proofs else NOT_RUN)


def proof_status(network: str, versions: str, verdicts: Sequence[NetworkVerdict]) -> str:
    """The levels that a trained network passed in these versions, for a table; bold where they were not all passed."""
    verdict = next(
        (verdict for verdict in verdicts if (verdict.network, verdict.versions) == (network, versions)), None
    )
    if verdict is None or not verdict.proofs:
        return "**not proven**"
    if against := [level for level in verdict.failed if level in REQUIRED]:
        return f"**not proven**: {levels_text(against)} failed"
    if verdict.missing:
        return f"**not proven**: {levels_text(verdict.missing)} not run"
    return f"levels {ALL_REQUIRED}"


def judge(merged: MergedRuns, tests: Sequence[Tested]) -> list[NetworkVerdict]:
    """Judge every network that any record of these versions names.

    Args:
        merged: the records of one combination of versions.
        tests: those of equivalence, of the same versions.

    Returns:
        The verdicts, in the catalogue's order of networks.
    """
    return [_judge(name, merged, tests) for name in merged.networks]


def _judge(network: str, merged: MergedRuns, tests: Sequence[Tested]) -> NetworkVerdict:
    own = [item.record for item in merged.proofs if item.record.network == network]
    proofs: dict[int, list[Proof]] = {}
    for proof in sorted(own, key=lambda proof: proof.level):
        proofs.setdefault(proof.level, []).append(proof)
    failed = {level: reasons for level, level_proofs in proofs.items() if (reasons := _reasons(level_proofs))}
    silent = {level for level in failed if all(map(unanswered, filter(proof_faults, proofs[level])))}
    outcomes: dict[int, str] = {}
    accuracy = _accuracy(network, merged, tests)
    for level, outcome in ((LOSS_CURVE, _loss_curves(network, merged)), (OUTCOME, accuracy)):
        word, reasons = outcome
        if reasons:
            failed[level] = [*failed.get(level, []), *reasons]
            silent -= {level}
        if word:
            outcomes[level] = word
    missing = [level for level in REQUIRED if level not in proofs]
    status = (
        NetworkStatus.DIFFERENT
        if failed.keys() - silent
        else NetworkStatus.UNPROVEN
        if failed or missing
        else NetworkStatus.EQUAL
    )
    return NetworkVerdict(network, status, proofs, failed, missing, frozenset(silent), outcomes, merged.label)


def unanswered(proof: Proof) -> bool:
    """Whether a failed proof names nothing that it compared: a worker died, hung or raised."""
    return not proof.passed and not proof.compared


def _loss_curves(network: str, merged: MergedRuns) -> tuple[str, list[str]]:
    """The word for the network's loss curves, empty without any, and what failed."""
    own = [curves for curves in merged.curves if curves.network == network]
    if not own:
        return "", []
    findings = [loss_curves.worst(curves) for curves in own]
    early = any(
        finding in (loss_curves.CurveFinding.EARLY, loss_curves.CurveFinding.UNMEASURED) for finding in findings
    )
    return "open" if early else "passed", [fault for curves in own for fault in loss_curves.curve_faults(curves)]


def _accuracy(network: str, merged: MergedRuns, tests: Sequence[Tested]) -> tuple[str, list[str]]:
    """The word for the network's tests of equivalence and cross-evaluations, and what failed."""
    own = [test.record for test in tests if test.record.network == network]
    crossed = [record for record in merged.cross_evaluations if record.network == network]
    faulty = [fault for record in own for fault in equivalence_faults(record)]
    faulty += [fault for record in crossed for fault in cross_faults(record)]
    if own:
        return "equivalent" if all(map(holds, own)) else "undecided", faulty
    return "crossed only" if crossed else "", faulty


def _reasons(proofs: Sequence[Proof]) -> list[str]:
    """What is wrong with the proofs of one level; each names its title where there are several."""
    every_reason = []
    for proof in proofs:
        which = f"{plain(proof.title)}: " if len(proofs) > 1 else ""
        reasons = proof_faults(proof)
        if reasons and proof.first_failure is None and not unanswered(proof):
            reasons.insert(0, f"first failing {_location_name(proof)}: not recorded")
        if reasons and is_number(proof.gap) and is_number(proof.limit) and proof.gap <= proof.limit:
            reasons.append(f"gap {gap_text(proof.gap)}, limit {gap_text(proof.limit)} (within)")
        every_reason += [which + reason for reason in reasons]
    return every_reason


def proof_faults(proof: Proof, *, exact: bool = True) -> list[str]:
    """Why a proof does not hold, in Markdown; empty when it is sound.

    The record's own `passed` is necessary and not sufficient: nothing compared, a gap that is no number or lies above
    its limit, and recorded problems each overrule it. `exact`: there is a float64 run, of which each framework has an
    error of its own at some levels.
    """
    if unanswered(proof) and proof.problems:
        return [plain(problem) for problem in proof.problems]
    reasons = []
    if proof.first_failure:
        reasons.append(f"first failing {_location_name(proof)}: {code(proof.first_failure)}")
    reasons += _gap_faults(proof, exact=exact)
    what = "steps" if proof.level == LOSS_CURVE else "elements"
    empty = [kind for kind in (what, *sorted(proof.compared)) if not proof.compared.get(kind)]
    if empty:
        reasons.append(f"nothing was compared: no {listed(list(dict.fromkeys(empty)))} on record")
    reasons += [plain(problem) for problem in proof.problems]
    if not proof.passed and not reasons:
        reasons.append("recorded as failed, without a reason")
    return reasons


def _location_name(proof: Proof) -> str:
    return {2: "stage", 3: "stage", 4: "stage", 7: "position", LOSS_CURVE: "step"}.get(proof.level, "array")


def _gap_faults(proof: Proof, *, exact: bool) -> list[str]:
    """Faults of the gap, and of each framework's own gap to the float64 oracle where the level has one."""
    gap_faults = []
    # A certificate of bit-exact transfer may do without a gap; everywhere else none means "never got so far".
    if not (proof.level == 1 and proof.gap is None):
        gap_faults += _over(proof.gap, proof.limit, proof.worst)
    if exact and proof.level in LEVELS_WITH_OWN_LIMITS and len(proof.frameworks) < 2:
        gap_faults.append(f"expected the error of both frameworks, found {len(proof.frameworks)}")
    for name in sorted(proof.frameworks, key=framework_order):
        own = proof.frameworks[name]
        if proof.level not in LEVELS_WITH_OWN_LIMITS and own.gap is None:
            continue  # where a level need not hold each framework against its own limit
        reasons = _over(own.gap, own.limit, own.worst)
        gap_faults += [f"{framework_title(name)}: {reason}" for reason in reasons]
    return gap_faults


def _over(value: float | None, limit: float | None, worst: str | None) -> list[str]:
    """One line when a gap is not a number within its limit."""
    where = f" at {code(worst)}" if worst else ""
    if within(value, limit):
        return []
    return [
        f"gap {gap_text(value)}{where}, limit {gap_text(limit)}"
        if is_number(value)
        else f"gap {gap_text(value)}{where}: not a number"
    ]


def headline(verdicts: Sequence[NetworkVerdict], where: str) -> str:
    """The verdict in one bold sentence; `where` names the two frameworks with their versions."""
    if not verdicts:
        return f"**No network was looked at in {where}.**"
    number = {state: sum(verdict.status is state for verdict in verdicts) for state in NetworkStatus}
    noun = "network is" if len(verdicts) == 1 else "networks are"
    clauses = [f"{number[NetworkStatus.EQUAL]} of {len(verdicts)} {noun} equal in {where}"]
    for state, words in ((NetworkStatus.DIFFERENT, "not equal"), (NetworkStatus.UNPROVEN, "not proven")):
        if number[state]:
            clauses.append(f"{number[state]} {'is' if number[state] == 1 else 'are'} {words}")
    return f"**{'; '.join(clauses)}.**"
