"""The records of how fast the frameworks compute: steps, the suite's own loop, and what was tried to make it faster."""

from __future__ import annotations

from parity.records.records import SHARES_OFF, Above0, Count, Measured, Record, Share, Some


class Speed(Record, frozen=True, tag="speed"):
    """What a speed measurement was; the seconds a step themselves are the benchmark's `stats`."""

    network: str
    framework: str
    what: str  # "forward" (inference) or "train step"
    batch: Some
    mode: str  # how the step ran: "tf.function", "eager", "to_static"
    precision: str  # "float32"
    device: str  # "cpu" or "gpu"
    threads: Count
    steps_per_measurement: Some
    first_seconds: Measured  # the first step: tracing and compiling included


class Overhead(Record, frozen=True, tag="overhead"):
    """The suite's own training loop against a baseline loop in the same framework, interleaved in one run."""

    network: str
    framework: str
    baseline: str  # "bare loop" or "Model.fit"
    batch: Count  # 0: arrays were moved, no images
    threads: Count
    ratios: list[Measured]  # one an interleaved pair: baseline seconds / suite seconds; above 1 the suite is faster
    target: Measured  # what the median ratio should reach


class Profile(Record, frozen=True, tag="profile"):
    """Where the time of a training step goes, by the framework's own profiler: made once by hand, as a `Trial` is."""

    network: str
    framework: str
    batch: Some
    threads: Count
    shares: dict[str, Share]  # of the step by kind of operation: "convolution, backward"; what is left is between them

    def __post_init__(self) -> None:
        """Raise ValueError for shares of more than the whole."""
        if (total := sum(self.shares.values())) > 1 + SHARES_OFF:
            raise ValueError(f"shares: expected at most 1 in all, found {total:.3g}")


class Trial(Record, frozen=True, tag="trial"):
    """What was tried to make a training faster, and what came of it: a measurement made once by hand for the record.

    No command of the suite makes one: the script that measured writes it with `parity.records.saved_run.save_records`.
    """

    network: str
    framework: str
    change: str  # what was tried, in words: "to_static in place of eager"
    batch: Some
    threads: Count
    ratios: list[Above0]  # one an interleaved pair: seconds without the change / seconds with it; above 1 it is faster
    note: str = ""  # such as why there is no ratio

    def __post_init__(self) -> None:
        """Raise ValueError for a trial of which nothing is said."""
        if not self.ratios and not self.note:
            raise ValueError("ratios: expected one or more, or a note that says why there are none, found neither")
