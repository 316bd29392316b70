"""The ResNet twins against the documents' own model, rebuilt in Keras: parameters and logits at several image sizes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from parity.catalogue.networks import network
from parity.numerics.arrays import pack
from parity.numerics.comparison import FLOAT64_LIMIT
from parity.weights.initializers import proof_state
from parity.weights.state import Entry
from parity.workers.pool import Workers

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "name",
    [
        "resnet20_v1",
        "resnet20_v1-64px",  # 2x2 maps are left by the pool
        "resnet20_v1-100c-70px",  # a last map of 18x18: two rows and columns find no window
        "resnet11_v2-30px",
        "resnet20_v2-64px",
        "resnet11_v2-100px",  # 25x25: 3x3 maps
    ],
)
def test_both_twins_compute_what_the_documents_code_does(workers: Workers, tmp_path: Path, name: str) -> None:
    entry = network(name)
    entries = workers["tensorflow"].describe(name).entries
    state = proof_state([Entry(e.name, e.shape, "float64", e.trainable) for e in entries], seed=3)
    images = np.random.default_rng(3).normal(size=(2, *entry.image)).astype(np.float32)
    arrays = pack(state=state, images={"nhwc": images})
    predicted = {
        framework: stages["head/logits"]
        for framework, stages in workers.map(lambda worker: worker.stages(name, "float64", arrays)).items()
    }
    document = documents_answer(name, state, images, tmp_path)
    assert document["parameters"] == entry.params
    scale = np.abs(document["logits"]).max()
    for framework, logits in predicted.items():
        assert logits.shape == document["logits"].shape
        assert np.abs(logits - document["logits"]).max() < FLOAT64_LIMIT * scale, framework


def documents_answer(
    name: str, state: dict[str, np.ndarray], images: np.ndarray, folder: Path
) -> dict[str, np.ndarray]:
    """The rebuilt model's logits and number of parameters, from a process of its own."""
    depth, version = name.partition("-")[0].removeprefix("resnet").split("_v")
    np.savez(folder / "state.npz", **state)  # type: ignore[arg-type]
    np.save(folder / "images.npy", images)
    files = [str(folder / file) for file in ("state.npz", "images.npy", "out.npz")]
    subprocess.run(
        [sys.executable, "-m", "tests.proofs.document_resnet", version, depth, *files],
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(np.load(folder / "out.npz"))
