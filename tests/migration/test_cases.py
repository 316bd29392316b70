"""`parity compare` on the pairs that a list of cases names, where PARITY_CASES is the folder with `cases.tsv`.

The list has the columns case, tensorflow, paddle, arguments and expected: a verdict and in parentheses what differs and
in which layers. PARITY_CASES_TABLE is a Markdown file that takes the outcomes, as `reports/pairs.md` was made; rows of
an earlier run that this one leaves out are kept, so that it may run in slices (`-k`). All but every eighth are slow.
"""

import csv
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from parity.workers.interpreter import shared_threads
from parity.workers.pool import Workers
from tests.migration.verdicts import Outcome, compare_words

if not os.environ.get("PARITY_CASES"):
    pytest.skip("PARITY_CASES is the folder of no list of cases", allow_module_level=True)

FOLDER = Path(os.environ["PARITY_CASES"]).resolve()

# The list says "two inputs" of these and no more.
SEVERAL_INPUTS = {
    "f01_widedeep": "--input ids=6:int --input numbers=4 --tokens 100",
    "f04_siamese": "--input a=16,16,1 --input b=16,16,1",
    "c25": "--input function=10 --input place=2",
}

# Verdicts of the list that are wrong. The mask of Keras's embedding gets lost at `x + attention(x)`, an operator and no
# layer, so that the mean behind it counts the padding (our own pairs masks/residual-... show both); Paddle's does not.
CORRECTED = {"c06_encoder_mask": "different"}

EVERY = 8  # of the cases one is quick

SAYING_NOTHING = {
    *("a", "and", "does", "for", "in", "is", "no", "not", "of", "the", "to", "where", "with"),
    *("keras", "paddle", "tensorflow"),
}

# Some cases import modules that are not in the folder. `tfm` and `pdm` are two of its modules under other names, of
# which `preprocessing` is missing; `advt` and `advp` are missing, and only what one case says of them is known. What is
# missing is written here after the words of the case.
SHIMS = {
    "tfm": """
from keras_pairs import *
def preprocessing():
    x = inputs = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, -1, name="rescaling")(x)
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="conv")(x)
    return keras.Model(inputs, layers.Dense(4, name="fc")(layers.GlobalAveragePooling2D(name="mean")(x)))
""",
    "pdm": """
from paddle_pairs import *
class Preprocessing(nn.Layer):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2D(3, 8, 3, stride=2)
        self.fc = nn.Linear(8, 4)
    def forward(self, x):
        return self.fc(F.relu(self.conv(x / 127.5 - 1)).mean(axis=[2, 3]))
def preprocessing():
    return Preprocessing()
""",
    "advt": """
import keras
import tensorflow as tf
class Compiled(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(16, activation="relu")
        self.out = keras.layers.Dense(4)
    def build(self, shape):
        self.hidden.build(shape)
        self.out.build((None, 16))
        self.built = True
    @tf.function
    def call(self, x):
        return self.out(self.hidden(x))
def tf_function_inside():
    return Compiled()
""",
    "advp": "from paddle_traps import mlp8\n",
}

HEADER = "| # | case | paddle | expected | verdict | | layers | cause | seconds |"


@dataclass(frozen=True)
class Case:
    """A row of the list."""

    number: int
    name: str
    tensorflow: str
    paddle: str
    arguments: str
    expected: str

    @property
    def verdict(self) -> str:
        return CORRECTED.get(self.name, self.expected.split()[0])

    @property
    def words_of_difference(self) -> set[str]:
        """In which the list says what differs and where; none where it does not."""
        return words_of(self.expected.partition("(")[2])

    @property
    def words(self) -> list[str]:
        arguments = SEVERAL_INPUTS[self.name] if self.arguments.startswith("two inputs") else self.arguments
        return [self.tensorflow, self.paddle, *shlex.split(arguments)]

    def __str__(self) -> str:
        return f"{self.number:03d}-{self.name}"


def words_of(text: str) -> set[str]:
    """The words of a text, without those that say nothing, and the frameworks' names."""
    return set(re.findall(r"\w+", text.lower())) - SAYING_NOTHING


def read_cases() -> list[Case]:
    with (FOLDER / "cases.tsv").open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [
            Case(number, row["case"], row["tensorflow"], row["paddle"], _plain(row["arguments"]), row["expected"])
            for number, row in enumerate(rows, 1)
        ]


def _plain(arguments: str) -> str:
    return "two inputs" if arguments.startswith("two inputs") else arguments


@pytest.fixture(scope="module")
def case_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """Workers in the folder of the cases, which find the modules of other names as well."""
    shims = tmp_path_factory.mktemp("shims")
    for name, source in SHIMS.items():
        (shims / f"{name}.py").write_text(source)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(FOLDER)
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(shims), os.environ.get("PYTHONPATH")))))
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        with Workers(device="cpu", threads=shared_threads()) as workers:
            yield workers


@pytest.fixture(scope="module")
def rows() -> Iterator[dict[int, str]]:
    """Lines of the table by number, written when all are there."""
    lines: dict[int, str] = {}
    yield lines
    path = os.environ.get("PARITY_CASES_TABLE")
    if path:
        earlier = Path(path).read_text().splitlines() if Path(path).exists() else []
        kept = {int(match[1]): line for line in earlier if (match := re.match(r"\| (\d+) ", line))}
        table = kept | lines
        right = sum("| yes |" in line for line in table.values())
        head = [
            "# Pairs of models that other people wrote, and what `parity compare` says of them",
            "",
            f"{right} of {len(table)} verdicts are right. Seconds: one after the other, workers started, two cores.",
            "",
            HEADER,
            "|" + " --- |" * HEADER.count(" |"),
        ]
        Path(path).write_text("\n".join([*head, *(table[number] for number in sorted(table))]) + "\n")


def row(case: Case, outcome: Outcome) -> str:
    """The line of the table."""
    causes = "; ".join(outcome.causes[:2]) + (
        f"; and {len(outcome.causes) - 2} more" if len(outcome.causes) > 2 else ""
    )
    layers = ", ".join(outcome.layers[:4]) + (", ..." if len(outcome.layers) > 4 else "")
    right = "yes" if outcome.verdict == case.verdict else "no"
    expected = f"{case.expected} (should be {case.verdict})" if case.name in CORRECTED else case.expected
    texts = [str(case.number), case.name, case.paddle.partition(":")[2], expected, outcome.verdict, right]
    texts += [layers, causes, f"{outcome.seconds:.1f}"]
    return "| " + " | ".join(text.replace("|", "\\|").replace("\n", " ") for text in texts) + " |"


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=[] if case.number % EVERY == 1 else [pytest.mark.slow]) for case in read_cases()],
    ids=str,
)
def test_verdict_and_place_are_the_expected_ones(case_workers: Workers, rows: dict[int, str], case: Case) -> None:
    outcome = compare_words(case_workers, case.words)
    rows[case.number] = row(case, outcome)
    assert outcome.verdict == case.verdict, outcome
    if case.verdict == "different" and case.words_of_difference:
        assert words_of(" ".join([*outcome.layers, *outcome.causes])) & case.words_of_difference, outcome
