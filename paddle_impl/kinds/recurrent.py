"""Recurrent layers in Paddle."""

from __future__ import annotations

import inspect
from typing import Any

import paddle
from paddle import nn

from parity.kinds.kind import Kind, Other
from parity.kinds.recurrent import MOST_LAYERS, Recurrent, prefix_of
from parity.kinds.registry import ArraySlots, Layer
from parity.kinds.repairs import Change, Repair
from parity.weights.layout import SAME, Layout

CELLS = {nn.LSTM: "lstm", nn.GRU: "gru", nn.SimpleRNN: "rnn"}

RECURRENT = tuple(CELLS)


def _recurrent(layer: nn.Layer, taken: Any, _: Any) -> Kind:
    cell = CELLS[type(layer)]
    if odd := _odd(layer):
        return Other(f"{odd} {type(layer).__name__}")
    both = layer.num_directions == 2
    masked = _masked(taken)
    return Recurrent(
        cell,
        "tanh" if cell != "rnn" else str(layer.activation),
        "sigmoid" if cell != "rnn" else None,
        output_activation="tanh" if cell == "lstm" else None,
        reset_after=True if cell == "gru" else None,
        direction="bidirectional" if both else "forward",
        merge="concat" if both else None,
        layers=int(layer.num_layers),
        masked=masked,
        masked_output="zeros" if masked else None,
        initial_state=len(taken) - masked > 1 if isinstance(taken, list) else False,
        rate_between=float(layer.dropout) if layer.num_layers > 1 else 0.0,
    )


def _masked(taken: Any) -> bool:
    return isinstance(taken, list) and len(taken) > 1 and not taken[1].is_floating_point()


def _odd(layer: nn.Layer) -> str:
    """What nothing is known of."""
    if getattr(layer, "proj_size", 0):
        return "projected"
    return "time-major" if layer.time_major else "deep" if layer.num_layers > MOST_LAYERS else ""


def _arrays(layer: nn.Layer) -> ArraySlots:
    if _odd(layer):
        return ()
    gru = isinstance(layer, nn.GRU)
    matrix, vector = (Layout("rzc transposed"), Layout("rzc")) if gru else (Layout("transposed"), SAME)
    names = (
        ("weight_ih", "kernel", matrix),
        ("weight_hh", "recurrent_kernel", matrix),
        ("bias_ih", "bias", vector),
        ("bias_hh", "recurrent_bias", vector),
    )
    return tuple(
        (f"{own}_l{index}{'_reverse' if backward else ''}", prefix_of(index, backward=backward) + name, layout)
        for index in range(layer.num_layers)
        for backward in (False, True)[: layer.num_directions]
        for own, name, layout in names
    )


LAYERS = {
    nn.LSTM: Layer(_recurrent, _arrays),
    nn.GRU: Layer(_recurrent, _arrays),
    nn.SimpleRNN: Layer(_recurrent, _arrays),
}


def recurred(layer: nn.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[paddle.Tensor] | None:
    """What a call of a recurrent layer takes: sequences, lengths, initial states, as far as given; None of another."""
    if type(layer) not in RECURRENT:
        return None
    given = inspect.signature(layer.forward).bind(*args, **kwargs).arguments
    lengths, states = given.get("sequence_length"), given.get("initial_states")
    states = [] if states is None else list(states) if isinstance(states, (list, tuple)) else [states]
    taken = [given.get("inputs"), *([] if lengths is None else [lengths]), *states]
    return taken if all(isinstance(tensor, paddle.Tensor) for tensor in taken) else None


def _repair(repair: Repair) -> Change | None:
    """Only the simple layer has an activation to choose, and a GRU resets after the product."""
    expected = repair.expected
    if not isinstance(expected, Recurrent) or not repair.only_in("activation", "direction", "merge", "rate_between"):
        return None
    directions = {"forward": "forward", "bidirectional": "bidirect"}
    if expected.direction not in directions or expected.merge not in (None, "concat"):
        return None
    if "activation" in repair.differing() and expected.cell != "rnn":
        return None
    direction = {"direction": directions[expected.direction]} if "direction" in repair.differing() else {}
    changed = {"activation": "activation", "rate_between": "dropout"}
    return Change({changed[name]: value for name, value in repair.differing().items() if name in changed} | direction)


REPAIRS = {"recurrent": _repair}
