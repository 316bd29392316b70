"""What the proofs of a network share."""

import pytest

from parity.catalogue.networks import network
from parity.data.dataset import Dataset
from parity.proofs.context import ProofContext
from parity.workers.pool import Workers


def test_the_images_of_a_training_are_drawn_once_and_nobody_can_write_to_them(dataset: Dataset) -> None:
    context = ProofContext(Workers(threads=1), network("lenet5"), dataset)  # no worker is asked
    part = context.part(20)
    assert context.part(20) is part
    assert len(context.part(30).train_images) == 30
    again = ProofContext(Workers(threads=1), network("lenet5"), dataset).part(20)
    assert (again.train_images == part.train_images).all()
    assert (again.test_labels == part.test_labels).all()
    with pytest.raises(ValueError, match="read-only"):
        part.train_images[0] = 0
