"""The calls by which the shared code builds, reads and writes TensorFlow's networks."""

from __future__ import annotations

from parity.runtime.twin import Twin
from tf_impl.device import device
from tf_impl.layers import attach_noise, dropouts, largest_dropout
from tf_impl.models import build, cached
from tf_impl.weights import layers_of, own_slots, read, slots, write

twin = Twin(
    "TensorFlow",
    device,
    build=build,
    cached=cached,
    layers_of=layers_of,
    slots=slots,
    own_slots=own_slots,
    read=read,
    write=write,
    dropouts=dropouts,
    largest_dropout=largest_dropout,
    attach_noise=attach_noise,
)
