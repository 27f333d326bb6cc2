"""Gradient rules of ``ops/reduce.py``."""

from typing import Any

from tinygrad_lstm.autodiff.table import rule
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.ops.elementwise import exp
from tinygrad_lstm.ops.logic import equal, where
from tinygrad_lstm.ops.reduce import reduced_shape
from tinygrad_lstm.ops.shape import broadcast_to, reshape


def _kept(y: Tensor, x: Tensor, axis: Any) -> Tensor:
    """A result of a reduction of ``x`` with the reduced axes as size 1."""
    return reshape(y, reduced_shape(x.shape, axis, keepdims=True))


def _extreme(g: Tensor, y: Tensor, x: Tensor, *, axis: Any, keepdims: bool) -> Tensor:
    winners = equal(x, _kept(y, x, axis)).astype(x.dtype)
    return _kept(g, x, axis) * (winners / winners.sum(axis, keepdims=True))


def _softmax(g: Tensor, y: Tensor, x: Tensor, *, axis: Any, keepdims: bool) -> Tensor:
    total = _kept(y, x, axis)
    # Where every element is −inf the weights are 0, not exp(−inf + inf).
    return _kept(g, x, axis) * exp(x - where(equal(total, float("-inf")), 0, total))


rule("sum", lambda g, y, x, axis, keepdims: broadcast_to(_kept(g, x, axis), x.shape))
rule("max", _extreme)
rule("min", _extreme)
rule("logsumexp", _softmax)
