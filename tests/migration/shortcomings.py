"""What `parity compare` is known not to say yet of pairs in `tests/migration/pairs`, and why.

A list to be emptied: `tests/migration/test_pairs.py` fails where a pair lacks more than is written here, and where it
lacks less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Shortcoming:
    """Of one pair.

    Attributes:
        demands: that are not met: "layer", "cause".
        reason: what is said instead.
    """

    demands: tuple[str, ...]
    reason: str


def _of(demands: str, reason: str, *names: str) -> dict[str, Shortcoming]:
    return dict.fromkeys(names, Shortcoming(tuple(demands.split()), reason))


def _joined(parts: Sequence[dict[str, Shortcoming]]) -> dict[str, Shortcoming]:
    joined = {name: known for part in parts for name, known in part.items()}
    assert len(joined) == sum(map(len, parts))
    return joined


SHORTCOMINGS = _joined(
    [
        # The place.
        _of(
            "layer",
            "a function that only Paddle has is named as there, and not by the TensorFlow layer around it",
            "masks/maximum-zeroed",
            "recurrent/bidirectional-merge",
            "siamese/triplet-dot",
            "custom_layers/temperature-inverse",
            "custom_layers/class-token-last",
            "random_layers/noise-always",
            "random_layers/dropout-mode",
            "building/subclass-residual",
            "building/lambda-constant",
            "building/one-hot-shifted",
            "images/inverted-linear",
        ),
        _of(
            "layer",
            "a function that only TensorFlow has is named itself, and not the layer before it",
            "clips/clip-missing",
            "clips/log-probability-floor",
        ),
        _of("layer", "an operation in no layer gives its own name", "building/gather-order"),
        _of(
            "layer",
            "the constant of a sum differs, and the sum is named by its operation",
            "custom_layers/sinusoids-order",
        ),
        _of(
            "layer",
            "named is the last layer of the segment, not its first",
            "recommenders/cross-first",
            "volumes/rows-order",
            "precision/float32-only-rates",
        ),
        _of(
            "layer",
            "a difference in training mode gives the output, while the layer is in the text",
            "recurrent/lstm-dropout",
            "recurrent/stacked-dropout",
            "random_layers/dropout-kind",
        ),
        _of(
            "layer cause",
            "as above, and of attention it is called rate",
            "attention/dropout",
        ),
        # The cause.
        _of(
            "cause",
            "the number of an embedding is told in words: padding index, max norm",
            "masks/padding-idx",
            "masks/padding-idx-last",
            "masks/max-norm",
        ),
        _of("cause", "a mean over what is real is told as its functions, and no mask", "masks/mean-paddle-only"),
        _of("layer cause", "the relation that makes the mask is named, and no mask", "attention/padded-inverted"),
        _of(
            "cause",
            "attention as a layer against functions is one segment that no kind explains",
            "attention/scale",
            "attention/scale-of-width",
            "attention/softmax-axis",
            "attention/heads",
            "fused/attention-scale",
        ),
        _of("cause", "a recurrent cell by hand is a segment that no kind explains", "recurrent/own-cell-activation"),
        _of(
            "cause",
            "of a transposed convolution the rows that are cut off are told, and no padding",
            "segmentation/deconvolution-symmetric",
            "autoencoders/up",
        ),
        _of(
            "cause",
            "a norm whose parts are functions on one side, or that uses the batch's own statistics, is not explained",
            "normalisation/batch-statistics",
            "normalisation/rms-epsilon",
            "volumes/classifier-epsilon",
        ),
        _of("cause", "the epsilon of a normalised vector is told as its smallest norm", "normalisation/unit-epsilon"),
        _of("cause", "an activation is told as missing on one side, and not as another", "fused/gate-function"),
        _of(
            "cause",
            "a second encoder is told as arrays that one model has alone",
            "siamese/distance-unshared",
            "siamese/recurring-unshared",
        ),
        _of("cause", "outputs of other shapes are told as such, and not as transposed", "outputs/frames-first"),
        _of("cause", "a dropout that acts in inference is told as its functions", "random_layers/monte-carlo-rate"),
        _of("cause", "a pool is told to be of another kind, and not by its windows", "images/adaptive-windows"),
    ]
)
