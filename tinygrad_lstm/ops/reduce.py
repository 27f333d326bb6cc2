"""Reductions over axes."""

from typing import Any

from tinygrad_lstm.errors import DTypeError, ShapeError, UsageError
from tinygrad_lstm.graph.convert import as_tensor, cast_to, float_operands
from tinygrad_lstm.graph.dtypes import as_dtype, bool_, int64, uint64
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import Shape, TensorType, normalize_axes, normalize_axis
from tinygrad_lstm.kernels.reductions import logsumexp as logsumexp_kernel
from tinygrad_lstm.kernels.reductions import total
from tinygrad_lstm.ops.elementwise import exp, log
from tinygrad_lstm.ops.logic import equal, where
from tinygrad_lstm.ops.shape import behind, broadcast_to, reshape

__all__ = ["argmax", "logsumexp", "max", "min", "sum"]


def reduced_shape(shape: Shape, axes: tuple[int, ...], keepdims: bool) -> Shape:
    """``shape`` after a reduction over ``axes``.

    Raises:
        UsageError: when ``keepdims`` is no bool, as where two axes were meant.
    """
    if not isinstance(keepdims, bool):
        raise UsageError(
            f"keepdims is True or False, not {keepdims!r}; several axes are one tuple, as in x.sum((0, 1))"
        )
    if keepdims:
        return tuple(1 if i in axes else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def _kept(y: Tensor, x: Tensor, axis: Any) -> Tensor:
    """``y``, a reduction of ``x`` over ``axis``, with the reduced axes kept at size 1."""
    return reshape(y, reduced_shape(x.shape, axis, keepdims=True))


def _extreme(x: TensorType, *, axis: tuple[int, ...], keepdims: bool) -> TensorType:
    for a in axis:
        if x.shape[a] == 0:
            raise ShapeError(f"axis {a} has size 0, and an empty set has no largest or smallest element")
    return TensorType(reduced_shape(x.shape, axis, keepdims), x.dtype, x.device)


def _sum(x: TensorType, *, axis: tuple[int, ...], keepdims: bool) -> TensorType:
    if x.dtype is bool_:
        raise DTypeError("bools are no numbers; convert with .astype(tl.int64)")
    return TensorType(reduced_shape(x.shape, axis, keepdims), x.dtype, x.device)


define(
    "sum", _sum, total, lambda g, y, x, axis, keepdims: broadcast_to(_kept(g, x, axis), x.shape),
    batch=lambda count, _, x, axis, keepdims: make("sum", x, axis=behind(axis), keepdims=keepdims),
    label="Σ", latex=r"\sum",
)  # fmt: skip


@function
def sum(x: Any, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> Tensor:
    """``Σ x`` over ``axis``: None for all axes, an integer, or a tuple. Integers and bools are summed in int64.

    Those without a sign, such as uint8, are summed in uint64.

    float16 is accumulated in float32 and rounded once, at the end.

    Args:
        dtype: the element type in which to sum; ``x`` is converted to it first.

    Raises:
        ShapeError: for an axis that is out of range or named twice.

    >>> print(tl.sum([[1.0, 2.0], [3.0, 4.0]], axis=0))
    [4. 6.]
    """
    node = summands(x, dtype)
    axes = normalize_axes(axis, node.ndim)
    return make("sum", node, axis=axes, keepdims=bool(keepdims))


def as_type(x: Any, dtype: Any) -> Tensor:
    """``x`` as a tensor, of the element type ``dtype`` where one is given."""
    node = as_tensor(x)
    return node if dtype is None else cast_to(node, as_dtype(dtype))


def summands(x: Any, dtype: Any) -> Tensor:
    """What a sum or product adds up or multiplies: ``x`` in ``dtype``; where none is given, integers in 64 bits.

    NumPy's rule: so many int32 can be added without wrapping round. Bools are counted, and numbers without a sign stay
    so.
    """
    node = as_type(x, dtype)
    if node.dtype is bool_ or (dtype is None and not node.dtype.is_float):
        return cast_to(node, uint64 if node.dtype.kind == "u" else int64)
    return node


def _extreme_gradient(g: Tensor, y: Tensor, x: Tensor, *, axis: Any, keepdims: bool) -> Tensor:
    winners = equal(x, _kept(y, x, axis)).astype(x.dtype)
    return _kept(g, x, axis) * (winners / winners.sum(axis, keepdims=True))


define(
    "max", _extreme, lambda xp, x, *, axis, keepdims: x.max(axis=axis, keepdims=keepdims), _extreme_gradient,
    batch=lambda count, _, x, axis, keepdims: make("max", x, axis=behind(axis), keepdims=keepdims),
    label="max", latex=r"\max",
)  # fmt: skip


@function
def max(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The largest element over ``axis``, or nan where one of them is nan; ties share the gradient equally.

    Raises:
        ShapeError: for an axis out of range or of size 0.

    >>> print(tl.max([[1.0, 2.0], [3.0, 0.0]], axis=1))
    [2. 3.]
    """
    node = as_tensor(x)
    return make("max", node, axis=normalize_axes(axis, node.ndim), keepdims=bool(keepdims))


define(
    "min", _extreme, lambda xp, x, *, axis, keepdims: x.min(axis=axis, keepdims=keepdims), _extreme_gradient,
    batch=lambda count, _, x, axis, keepdims: make("min", x, axis=behind(axis), keepdims=keepdims),
    label="min", latex=r"\min",
)  # fmt: skip


@function
def min(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The smallest element over ``axis``, or nan where one of them is nan; ties share the gradient equally.

    Raises:
        ShapeError: for an axis out of range or of size 0.

    >>> print(tl.min([[1.0, 2.0], [3.0, 0.0]], axis=1))
    [1. 0.]
    """
    node = as_tensor(x)
    return make("min", node, axis=normalize_axes(axis, node.ndim), keepdims=bool(keepdims))


def _logsumexp(x: TensorType, *, axis: tuple[int, ...], keepdims: bool) -> TensorType:
    if not x.dtype.is_float:
        raise DTypeError(f"floats are wanted, not {x.dtype}; convert with .astype(tl.float32)")
    return TensorType(reduced_shape(x.shape, axis, keepdims), x.dtype, x.device)


def _softmax(g: Tensor, y: Tensor, x: Tensor, *, axis: Any, keepdims: bool) -> Tensor:
    total = _kept(y, x, axis)
    # Where every element is −inf the weights are 0, not exp(−inf + inf).
    return _kept(g, x, axis) * exp(x - where(equal(total, float("-inf")), 0, total))


define(
    "logsumexp", _logsumexp, logsumexp_kernel, _softmax,
    batch=lambda count, _, x, axis, keepdims: make("logsumexp", x, axis=behind(axis), keepdims=keepdims),
    label="log Σ exp", latex=r"\log\sum\exp",
)  # fmt: skip


@function
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False, *, b: Any = None) -> Tensor:
    """``log Σ eˣ`` over ``axis`` without overflow; −inf for an empty axis. The gradient is the softmax.

    Args:
        b: weights ≥ 0, for ``log Σ b·eˣ``; they broadcast with ``x``.

    >>> print(f"{tl.logsumexp([1000.0, 1000.0]):.3f} {tl.logsumexp([0.0, 0.0], b=[1.0, 2.0]):.4f}")
    1000.693 1.0986
    """
    if b is not None:
        node = float_operands(x)[0]
        weights = as_tensor(b, device=node.device).astype(node.dtype)
        # log 0 has no derivative; where the weight is 0 there is no term.
        none = equal(weights, 0)
        return logsumexp(where(none, float("-inf"), node + log(where(none, 1, weights))), axis, keepdims)
    (node,) = float_operands(x)
    axes = normalize_axes(axis, node.ndim)
    return make("logsumexp", node, axis=axes, keepdims=bool(keepdims))


def _argmax(x: TensorType, *, axis: int) -> TensorType:
    if x.shape[axis] == 0:
        raise ShapeError(f"axis {axis} has size 0, and an empty set has no largest element")
    return TensorType(reduced_shape(x.shape, (axis,), keepdims=False), int64, x.device)


define(
    "argmax", _argmax, lambda xp, x, *, axis: x.argmax(axis=axis),
    batch=lambda count, _, x, axis: make("argmax", x, axis=axis + 1),
    label="argmax", latex=r"\arg\max", differentiable=False,
)  # fmt: skip


@function
def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The index (int64) of the first largest element along ``axis``, of the flattened array by default.

    >>> print(tl.argmax([[1.0, 2.0], [3.0, 0.0]], axis=1))
    [1 0]
    """
    node = as_tensor(x)
    shape = reduced_shape(node.shape, normalize_axes(axis, node.ndim), bool(keepdims))
    if axis is None or not node.shape:
        node, axis = reshape(node, (node.size,)), 0
    return reshape(make("argmax", node, axis=normalize_axis(axis, node.ndim)), shape)
