"""What a classifier is judged by, in plain numpy: the cross entropy, and which images it classifies correctly."""

from __future__ import annotations

import numpy as np


def cross_entropies(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Softmax cross entropy of every row, in float64: log(sum(exp(logits))) less the label's own logit.

    Args:
        logits: [n, classes], of any floating-point dtype.
        labels: whole numbers [n], each below `classes`.

    Returns:
        float64 [n].

    Example:
        >>> cross_entropies(np.zeros((2, 4)), np.array([0, 3])).round(4)
        array([1.3863, 1.3863])
    """
    logits = logits.astype(np.float64)
    largest = logits.max(axis=1, keepdims=True)
    total = np.log(np.exp(logits - largest).sum(axis=1)) + largest[:, 0]
    return np.asarray(total - logits[np.arange(len(labels)), labels])


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """The mean of `cross_entropies`.

    Args:
        logits: [n, classes], of any floating-point dtype.
        labels: whole numbers [n], each below `classes`.

    Returns:
        In nats, computed in float64.
    """
    return float(cross_entropies(logits, labels).mean())


def correct(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether the largest logit of each row is its label's; of several equal ones the first counts.

    Args:
        logits: [n, classes], of any floating-point dtype.
        labels: whole numbers [n].

    Returns:
        bool [n]; its mean is the accuracy.

    Example:
        >>> correct(np.array([[1.0, 3.0], [2.0, 2.0]]), np.array([1, 1]))
        array([ True, False])
    """
    return np.asarray(logits.argmax(axis=1) == labels)
