"""Normalisations in Paddle."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import nn

from parity.kinds.kind import Kind, Other
from parity.kinds.norm import BatchNorm, GroupNorm, LayerNorm
from parity.kinds.registry import Layer
from parity.kinds.repairs import Change, Repair, number
from parity.numerics.geometry import single
from parity.weights.layout import SAME

AFFINE = (("weight", "gamma", SAME), ("bias", "beta", SAME))

INSTANCE = (("scale", "gamma", SAME), ("bias", "beta", SAME))

RUNNING = (*AFFINE, ("_mean", "mean", SAME), ("_variance", "variance", SAME))


def _batch_norm(layer: nn.Layer, *_: Any) -> Kind:
    return BatchNorm(single(layer._epsilon), single(layer._momentum), bool(layer._use_global_stats))


def _layer_norm(layer: nn.Layer, *_: Any) -> Kind:
    if len(layer._normalized_shape) != 1:
        return Other("LayerNorm over several axes")
    return LayerNorm(single(layer._epsilon))


def _group_norm(layer: nn.Layer, *_: Any) -> Kind:
    return GroupNorm(single(layer._epsilon), int(layer._num_groups))


def _instance_norm(layer: nn.Layer, x: paddle.Tensor, _: paddle.Tensor) -> Kind:
    return GroupNorm(single(layer._epsilon), int(x.shape[1]))


LAYERS = {
    nn.BatchNorm1D: Layer(_batch_norm, RUNNING),
    nn.BatchNorm2D: Layer(_batch_norm, RUNNING),
    nn.BatchNorm3D: Layer(_batch_norm, RUNNING),
    nn.BatchNorm: Layer(_batch_norm, RUNNING),
    nn.LayerNorm: Layer(_layer_norm, AFFINE),
    nn.GroupNorm: Layer(_group_norm, AFFINE),
    nn.InstanceNorm1D: Layer(_instance_norm, INSTANCE),
    nn.InstanceNorm2D: Layer(_instance_norm, INSTANCE),
    nn.InstanceNorm3D: Layer(_instance_norm, INSTANCE),
}

SCRIPTS = {
    "batch_norm": "gamma, beta = {gamma}, {beta}\n"
    "gamma = paddle.ones_like(mean) if gamma is None else gamma\n"
    "beta = paddle.zeros_like(mean) if beta is None else beta\n"
    "y = F.batch_norm(x, mean, variance, gamma, beta, epsilon={epsilon}, data_format={order!r})",
    "layer_norm": "y = F.layer_norm(x, x.shape[-1:], {gamma}, {beta}, {epsilon})",
    "group_norm": "y = F.group_norm(x, {groups}, {epsilon}, {gamma}, {beta})",
}


def _batch_norm_repair(repair: Repair) -> Change | None:
    return Change(repair.differing()) if repair.only_in("epsilon", "momentum", "frozen") else None


def _layer_norm_repair(repair: Repair) -> Change | None:
    if isinstance(repair.actual, Other) and isinstance(repair.layer, nn.LayerNorm):  # over several axes
        return Change({"normalized_shape": repair.shape[-1], "epsilon": number(repair.expected.numbers()["epsilon"])})
    return Change(repair.differing()) if repair.alike else None


def _group_norm_repair(repair: Repair) -> Change | None:
    if isinstance(repair.layer, nn.GroupNorm) and repair.alike:
        names = {"groups": "num_groups", "epsilon": "epsilon"}
        return Change({names[name]: value for name, value in repair.differing().items()})
    return Change(repair.differing()) if repair.only_in("epsilon") else None


REPAIRS = {"batch_norm": _batch_norm_repair, "layer_norm": _layer_norm_repair, "group_norm": _group_norm_repair}
