"""The calls by which the shared code builds, reads and writes TensorFlow's networks."""

from __future__ import annotations

from parity.runtime.twin import Twin
from tf_impl import layers, models, weights
from tf_impl.device import device

twin = Twin.of("TensorFlow", device, models, weights, layers)
