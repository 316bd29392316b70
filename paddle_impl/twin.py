"""The calls by which the shared code builds, reads and writes Paddle's networks."""

from __future__ import annotations

from paddle_impl import layers, models, weights
from paddle_impl.device import device
from parity.runtime.twin import Twin

twin = Twin.of("Paddle", device, models, weights, layers)
