"""Rates over many detections, and the margin between the weakest fault and the control runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from parity.records.records import ControlRun, Detection


@dataclass(frozen=True)
class Rates:
    """How many of the injected faults were detected, and how well."""

    injected: int
    caught: int
    located: int
    named: int


def rates_of(detections: Sequence[Detection]) -> Rates:
    """Count what became of injected faults.

    Args:
        detections: at least one, of any networks and traps.

    Returns:
        Counts, not shares: each at most `injected`.

    Raises:
        ValueError: nothing was injected, so that there is no rate.
    """
    if not detections:
        raise ValueError("no fault was put in, so there is no rate of detection")
    return Rates(
        injected=len(detections),
        caught=sum(detection.caught for detection in detections),
        located=sum(detection.located for detection in detections),
        named=sum(detection.named for detection in detections),
    )


def margin(detections: Sequence[Detection], control_runs: Sequence[ControlRun]) -> float | None:
    """Orders of magnitude between the smallest gap of a fault and the largest of a control run, in units of limits.

    Args:
        detections: a fault whose gap is not a number, or that was not detected, is left out.
        control_runs: of correct pairs, of the same networks.

    Returns:
        log10 of the ratio; None where no gap of a fault, or none of a control run, is known.
    """
    faults = [record.severity for record in detections if record.severity]
    correct = [record.severity for record in control_runs if record.severity]
    return math.log10(min(faults) / max(correct)) if faults and correct else None
