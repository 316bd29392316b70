"""The ResNet twins against the documents' own model, rebuilt in Keras: parameters and logits at several image sizes."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from parity.catalogue.networks import network
from parity.numerics.arrays import Arrays, pack
from parity.numerics.comparison import FLOAT64_LIMIT
from parity.weights.initializers import proof_state
from parity.weights.state import Entry
from parity.workers.pool import Workers

ROOT = Path(__file__).resolve().parents[2]


NAMES = (
    "resnet20_v1",
    "resnet20_v1-64px",  # 2x2 maps are left by the pool
    "resnet20_v1-100c-70px",  # a last map of 18x18: two rows and columns find no window
    "resnet11_v2-30px",
    "resnet20_v2-64px",
    "resnet11_v2-100px",  # 25x25: 3x3 maps
)


@dataclass(frozen=True)
class DocumentAnswer:
    """The weights and images of one network, packed, and the logits of the documents' code."""

    arrays: Arrays
    logits: np.ndarray  # float64 [n, classes]
    parameters: int


@pytest.fixture(scope="module")
def document_answers(workers: Workers, tmp_path_factory: pytest.TempPathFactory) -> dict[str, DocumentAnswer]:
    """The answer for every network, from one process."""
    folders = {name: tmp_path_factory.mktemp("document") / name for name in NAMES}
    packed = {}
    for name, folder in folders.items():
        entries = workers["tensorflow"].describe(name).entries
        state = proof_state([Entry(e.name, e.shape, "float64", e.trainable) for e in entries], seed=3)
        images = np.random.default_rng(3).normal(size=(2, *network(name).image)).astype(np.float32)
        folder.mkdir()
        np.savez(folder / "state.npz", **state)  # type: ignore[arg-type]
        np.save(folder / "images.npy", images)
        packed[name] = pack(state=state, images={"nhwc": images})
    subprocess.run(
        [sys.executable, "-m", "tests.proofs.document_resnet", *map(str, folders.values())],
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    answers = {name: np.load(folder / "out.npz") for name, folder in folders.items()}
    return {n: DocumentAnswer(packed[n], answer["logits"], int(answer["parameters"])) for n, answer in answers.items()}


@pytest.mark.parametrize("name", NAMES)
def test_both_twins_compute_what_the_documents_code_does(
    workers: Workers, document_answers: dict[str, DocumentAnswer], name: str
) -> None:
    document = document_answers[name]
    predicted = {
        framework: stages["head/logits"]
        for framework, stages in workers.map(lambda worker: worker.stages(name, "float64", document.arrays)).items()
    }
    assert document.parameters == network(name).params
    scale = np.abs(document.logits).max()
    for framework, logits in predicted.items():
        assert logits.shape == document.logits.shape
        assert np.abs(logits - document.logits).max() < FLOAT64_LIMIT * scale, framework
