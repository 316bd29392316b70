"""The cross entropy in plain numpy."""

from __future__ import annotations

import numpy as np


def cross_entropies(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """float64 [n]: log(sum exp) less the label's own logit, of logits [n, classes] and labels [n]."""
    logits = logits.astype(np.float64)
    largest = logits.max(axis=1, keepdims=True)
    total = np.log(np.exp(logits - largest).sum(axis=1)) + largest[:, 0]
    return np.asarray(total - logits[np.arange(len(labels)), labels])


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """The mean of `cross_entropies`."""
    return float(cross_entropies(logits, labels).mean())
