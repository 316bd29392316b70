"""The levels of evidence: their numbers and titles, those of earlier runs too."""

from __future__ import annotations

RENUMBERED = {"7 loss curve": 9}  # number and title in saved runs -> number

LEVELS = {
    1: "transfer certificate",
    2: "float64 forward",
    3: "float32 forward",
    4: "train-mode forward",
    5: "gradients",
    6: "optimizer steps",
    7: "evaluation",
    8: "float32 training step",
}

# In the title of a proof of optimizer steps, before the factor: whether rates had to be lowered is a result, so that a
# title with it and one without are of the same proof.
LOWERED_RATES = ", rates times "

# The loss curve is not a level that every network must pass: it is made for few networks, and comes after the levels.
LOSS_CURVE, LOSS_CURVE_TITLE = 9, "loss curve"
