"""The calls by which the shared code builds, reads and writes Paddle's networks."""

from __future__ import annotations

from paddle_impl.device import device
from paddle_impl.layers import attach_noise, dropouts, largest_dropout
from paddle_impl.models import build, cached
from paddle_impl.weights import layers_of, own_slots, read, slots, write
from parity.runtime.twin import Twin

twin = Twin(
    "Paddle",
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
