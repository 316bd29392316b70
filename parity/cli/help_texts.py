"""The end of each command's help: examples, exit codes, environment variables."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from parity.error_causes import DEBUG

WIDTH = 76  # of a line of text; with the indentation of the help 80 columns

SUMMARIES = {  # for the list of commands, which otherwise shortens the first line of each command's help
    "networks": "List the networks of the catalogue.",
    "check": "Prove that both twins of a network are equal, level by level.",
    "traps": "Put known faults into twins or your pair; show which are detected.",
    "compare": "Compare your own two models; say what differs.",
    "convert": "Convert trained weights to the other framework, proven.",
    "repro": "Write a difference as two scripts for a bug report.",
    "train": "Train networks in both frameworks and compare.",
    "matrix": "Show what a store of trainings holds, and what it still needs.",
    "matrix status": "List trainings: done, running, stopped, failed and why.",
    "matrix plan": "Say how many more seeds a verdict needs, and their cost.",
    "matrix errors": "Simulate how often the test of accuracies errs.",
    "report": "Write a Markdown report on saved runs.",
    "doctor": "Test the installation; say what to do about problems.",
}

INTERPRETERS = {
    "PARITY_PADDLE_PYTHON": "the Python in which Paddle is installed, if not this one",
    "PARITY_TENSORFLOW_PYTHON": "the same for TensorFlow",
}

ERRORS = {DEBUG: "set: errors come with their traceback"}

DATA = {"PARITY_DATA": "a data set, or a directory that holds several"}

WORKERS = INTERPRETERS | ERRORS

ALL = DATA | WORKERS

MISSING = "wrong usage, or something that is needed is missing"

DONE = {0: "done", 2: MISSING}

EXAMPLES: dict[str, Sequence[str]] = {
    "": ("parity doctor", "parity check lenet5 resnet20_v1", "parity COMMAND --help"),
    "networks": ("parity networks", "parity networks --json"),
    "check": (
        "parity check vgg16 resnet18",
        "parity check --save run.json && parity report run.json",
        "parity check vgg16 --device tensorflow-gpu",
    ),
    "traps": (
        "parity traps --network resnet20_v1",
        "parity traps --network lenet5 --no-faults --seeds 5",
        "parity traps --pair my.models:net my.twins:net --input 32,32,3 --sites 3",
    ),
    "compare": (
        'parity compare "keras.applications:MobileNet(weights=None)" \\',
        "    paddle.vision.models:mobilenet_v1 --input 224,224,3 -o report.md",
        "parity compare my.models:net my.twins:net --input 128,64 --apply-fixes",
        "parity compare model.keras my.twins:net --input 32 --tokens 1000",
        "parity compare model.keras my.twins:net --inputs mine.npz \\",
        "    --weights own --paddle-weights model.pdparams",
    ),
    "convert": (
        "parity convert model.weights.h5 model.pdparams \\",
        "    --tensorflow my.models:net --paddle my.twins:net --input 32,32,3",
    ),
    "repro": ("parity repro my.models:net my.twins:net --input 32,32,3 -o repro",),
    "train": (
        "parity train lenet5 --seeds 5 --out runs",
        "parity train mini_resnet --no-batch-norm --epochs 3",
        "parity train resnet20_v1 --dataset generated --limit 5000",
        "parity train lenet5 mini_vgg --seeds 20 --until-decided \\",
        "    --cluster auto --out s3://bucket/runs",
    ),
    "matrix": ("parity matrix COMMAND --help",),
    "matrix status": ("parity matrix status --out runs lenet5 --seeds 5",),
    "matrix plan": ("parity matrix plan --out runs --most 30 --cpus 16",),
    "matrix errors": ("parity matrix errors --seeds 30 --save errors.json",),
    "report": ("parity report -o report.md", "parity report runs/*.json -o report.md"),
    "doctor": ("parity doctor", "parity doctor --device gpu"),
}

INTERRUPTED = {130: "interrupted (Ctrl-C)", 143: "ended by SIGTERM"}

EXIT_CODES: dict[str, dict[int, str]] = {
    "": {0: "equal, or done", 1: "different", 2: MISSING},
    "networks": DONE,
    "check": {0: "all are equal", 1: "one is different", 2: f"one could not be compared; {MISSING}"},
    "traps": {
        0: "every fault was caught, located and named, without any false alarm",
        1: "a fault was missed, or there was a false alarm",
        2: MISSING,
    },
    "compare": {0: "equal", 1: "different", 2: f"they cannot be compared, or only in part; {MISSING}"},
    "convert": {
        0: "converted",
        1: "the models are not equal, or do not compute the same with these weights",
        2: f"they cannot be converted; {MISSING}",
    },
    "repro": {0: "written", 1: "no layer differs by itself", 2: f"it cannot be written; {MISSING}"},
    "train": {
        0: "trained; no difference between the frameworks was shown",
        1: "the frameworks' batches, weights or accuracies differ",
        2: f"a training, or saving it, failed; {MISSING}",
    },
    "matrix": DONE,
    "matrix status": DONE,
    "matrix plan": DONE,
    "matrix errors": {
        0: "done; with normal accuracies it errs in 5 % at most, but for chance",
        1: "it errs more often, by more than three standard errors",
        2: MISSING,
    },
    "report": DONE,
    "doctor": {0: "everything needed is there", 2: "there are problems to solve"},
}

VARIABLES: dict[str, Mapping[str, str]] = {
    "networks": {},
    "report": ERRORS,
    "matrix": ERRORS,
    "matrix status": ERRORS,
    "matrix plan": ERRORS,
    "matrix errors": ERRORS,
}  # of all others ALL


def help_of(command: str) -> dict[str, Any]:
    """The texts of a command's help, as keyword arguments of typer's `command`.

    Example:
        >>> help_of("doctor")["short_help"]
        'Test the installation; say what to do about problems.'
    """
    return {"short_help": SUMMARIES[command], "epilog": epilog(command)}


def epilog(command: str) -> str:
    """Examples, exit codes and variables of a command ("" is `parity` itself), in lines of at most 80 columns."""
    parts = [
        ("Examples", EXAMPLES[command]),
        ("Exit codes", _filled((EXIT_CODES[command] | INTERRUPTED).items())),
        ("Environment variables", _listed(VARIABLES.get(command, ALL))),
    ]
    # \b keeps click from filling the lines of a paragraph
    return "\n\n".join(
        "\n".join(["\b", f"{title}:", *(f"  {line}" for line in lines)]) for title, lines in parts if lines
    )


def _filled(codes: Iterable[tuple[int, str]]) -> list[str]:
    return [
        line
        for code, meaning in codes
        for line in textwrap.wrap(f"{code:<4} {meaning}", WIDTH - 2, subsequent_indent=" " * 5)
    ]


def _listed(variables: Mapping[str, str]) -> list[str]:
    return [line for name, meaning in variables.items() for line in (name, f"    {meaning}")]
