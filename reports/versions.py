"""With which versions of the frameworks, and on which devices, saved runs computed: what they show holds for these."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from parity.results import SavedRun
from reports.text import TITLES, framework_order, framework_title, listed, plain


@dataclass(frozen=True)
class Setting:
    """One framework of a run; None is what the run does not say."""

    version: str | None = None
    device: str | None = None  # "cpu" or "gpu"


@dataclass(frozen=True)
class Versions:
    """The settings of all frameworks of a run, in the report's order of frameworks."""

    settings: tuple[tuple[str, Setting], ...] = ()

    def of(self, framework: str) -> Setting:
        """One framework's; empty where the run does not name it."""
        return dict(self.settings).get(framework, Setting())

    def agrees(self, other: Versions) -> bool:
        """Whether this one names a framework, and the other has every one that it names in the same setting."""
        return bool(self.settings) and set(self.settings) <= set(other.settings)

    def names(self, *, devices: bool) -> list[str]:
        """`PaddlePaddle 3.3.1`, with its device behind it where `devices` says so; plain text."""
        found = []
        for framework in TITLES:
            own = self.of(framework)
            device = f" ({own.device.upper() if own.device else 'device not recorded'})" if devices else ""
            found.append(f"{framework_title(framework)} {own.version or '(version not recorded)'}{device}")
        return found

    @property
    def order(self) -> list[Any]:
        """Sort key: older versions first, framework by framework; what is not recorded comes first."""
        settings = [self.of(framework) for framework in TITLES]
        numbers = [[int(number) for number in re.findall(r"\d+", each.version or "")] for each in settings]
        return [*numbers, [(each.version or "", each.device or "") for each in settings]]


def versions_of(environment: Any) -> Versions:
    """What a run's environment says; a framework that gave no answer is there without a version."""
    frameworks = environment.get("frameworks") if isinstance(environment, dict) else None
    found = frameworks if isinstance(frameworks, dict) else {}
    settings = [(name, _setting(found[name])) for name in sorted(found, key=framework_order)]
    return Versions(tuple(settings))


def _setting(facts: Any) -> Setting:
    version, device = (facts.get(key) if isinstance(facts, dict) else None for key in ("version", "device"))
    return Setting(str(version) if version else None, str(device) if device else None)


def by_versions(runs: Sequence[SavedRun]) -> list[tuple[Versions, list[SavedRun]]]:
    """The runs of each combination of versions and devices, older versions first; runs in the order given.

    A run of one framework alone, such as a training, says nothing of the other: it belongs to every combination that
    has its framework in its setting, or, where there is none, to those with whatever was used of the other one. A run
    that names no framework at all stands alone: nobody knows what it shows.
    """
    known = [versions_of(run.environment) for run in runs]
    whole = list(dict.fromkeys(each for each in known if not each.settings or _complete(each)))
    for own in dict.fromkeys(known):
        if own.settings and not any(own.agrees(other) for other in whole):
            whole += [each for each in _completed(own, known) if each not in whole]
    found = [
        (each, [run for run, own in zip(runs, known, strict=True) if own == each or own.agrees(each)]) for each in whole
    ]
    return sorted(found, key=lambda pair: pair[0].order)


def _complete(versions: Versions) -> bool:
    return set(TITLES) <= {framework for framework, _ in versions.settings}


def _completed(own: Versions, known: Sequence[Versions]) -> Iterator[Versions]:
    """The combination with each setting in which the frameworks that are missing in it were used elsewhere."""
    names = [name for name, _ in own.settings]
    missing = [name for name in TITLES if name not in names]
    used = [
        dict.fromkeys((name, setting) for each in known for name, setting in each.settings if name == framework)
        for framework in missing
    ]
    for others in itertools.product(*(each for each in used if each)):
        yield Versions(tuple(sorted((*own.settings, *others), key=lambda pair: framework_order(pair[0]))))


def devices_matter(every: Sequence[Versions]) -> bool:
    """Whether a name without its device would hide something: a GPU, or a framework on several devices."""
    for framework in TITLES:
        devices = {versions.of(framework).device for versions in every}
        if "gpu" in devices or len(devices) > 1:
            return True
    return False


def sentence(versions: Versions, *, devices: bool) -> str:
    """`PaddlePaddle 3.3.1 and TensorFlow 2.21.0`, in Markdown."""
    return listed([plain(name) for name in versions.names(devices=devices)])
