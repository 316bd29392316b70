"""Records of earlier versions, and of `--json`, in today's form: the one place where an old saved run is converted."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from parity.records.levels import RENUMBERED

_TWO_NAMES = re.compile(r"^mini_resnet-nobn(?=-|$)")  # of one network; today it has the catalogue's only

_OLD_RULE = re.compile(r"test_update_rule\[(\w+)\]")


def of_today(values: Mapping[str, Any], test: str = "") -> dict[str, Any]:
    """A record as a file holds it, in today's form; one that is in it already comes back as it is.

    Nothing is checked here: what has another form than any version gave it stays as it is, to be refused by
    `parity.records.validation`. Fields that earlier versions did not have yet are those that have a default.

    Args:
        values: the record's plain JSON values.
        test: the name of the test that saved it, where that is known.
    """
    found = dict(values)
    if found.get("kind") == "proof" and (old := _OLD_RULE.fullmatch(test)):  # update rules had no kind of their own
        found |= {"kind": "update rule", "rule": old[1]}
    if "level" in found:
        found["level"] = RENUMBERED.get(f"{found['level']} {found.get('title')}", found["level"])
    if isinstance(network := found.get("network"), str):
        found["network"] = _TWO_NAMES.sub("mini_resnet_nobn", network)
    if found.get("kind") == "curves":
        found |= _with_perturbed_runs(found)
    if found.get("impact") == {}:  # not measured
        found["impact"] = None
    if isinstance(causes := found.get("causes"), list):
        found["causes"] = [_with_numbers(each) if isinstance(each, dict) else each for each in causes]
    if isinstance(proofs := found.get("proofs"), list):
        found["proofs"] = [of_today(each) if isinstance(each, dict) else each for each in proofs]
    return found


def _with_perturbed_runs(curves: Mapping[str, Any]) -> dict[str, Any]:
    """Losses and pairs with today's words: a perturbed run was "nudged", what two of its kind show was "chaos"."""
    changed: dict[str, Any] = {}
    if isinstance(losses := curves.get("losses"), dict):
        changed["losses"] = {_perturbed(run): numbers for run, numbers in losses.items()}
    if isinstance(pairs := curves.get("pairs"), list):
        changed["pairs"] = [_with_perturbed_run(pair) if isinstance(pair, dict) else pair for pair in pairs]
    return changed


def _with_perturbed_run(pair: Mapping[str, Any]) -> dict[str, Any]:
    converted = {name: _perturbed(value) for name, value in pair.items()}
    return converted | ({"meaning": "divergence"} if pair.get("meaning") == "chaos" else {})


def _perturbed(run: Any) -> Any:
    """The name of a run; anything else as it is."""
    return re.sub(" nudged$", " perturbed", run) if isinstance(run, str) else run


def _with_numbers(cause: Mapping[str, Any]) -> dict[str, Any]:
    """A cause whose gaps are numbers: `--json` writes null for those that are none."""
    return {name: math.nan if value is None and name in ("before", "after") else value for name, value in cause.items()}
