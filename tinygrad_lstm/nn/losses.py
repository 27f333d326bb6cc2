"""Losses: each returns one number, a mean, where logarithms are natural ones.

Inputs come first, targets second, as in PyTorch. Losses of float16 are computed in float32 and rounded at the end. Each
takes ``reduction``: ``"mean"``, ``"sum"`` for the sum in its place, or ``"none"`` for the terms that are added up.
"""

import math
from typing import Any

from tinygrad_lstm.errors import DTypeError, IndexingError, ShapeError, UsageError
from tinygrad_lstm.formula.composed import composed
from tinygrad_lstm.functions.activations import log_softmax
from tinygrad_lstm.functions.filling import ones_like
from tinygrad_lstm.functions.indexing import take_along_last
from tinygrad_lstm.functions.statistics import mean
from tinygrad_lstm.graph.compositions import composition
from tinygrad_lstm.graph.convert import as_tensor, float_operands
from tinygrad_lstm.graph.dtypes import float32
from tinygrad_lstm.graph.function import slot_value
from tinygrad_lstm.graph.scopes import at_line, scope, warn
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import broadcast_shapes
from tinygrad_lstm.ops.elementwise import abs, log, softplus
from tinygrad_lstm.ops.index import take
from tinygrad_lstm.ops.logic import where
from tinygrad_lstm.ops.reduce import sum
from tinygrad_lstm.ops.source import arange_node

__all__ = ["bce_with_logits", "cross_entropy", "huber", "kl_div", "mae", "mse", "nll"]


@composition("cross entropy")
def cross_entropy(
    logits: Any,
    targets: Any,
    *,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    weight: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """``mean(log Σ exp(logits) − logits[target])`` in nats: the surprise at the targets.

    Shapes: logits ``(…, classes)`` of floats, targets ``(…)`` of integers in ``0 … classes − 1``; the result is 0-d.

    Args:
        ignore_index: targets of this number, such as padding, do not count; nan when none is left.
        label_smoothing: a share ε of the target is spread evenly over all classes: the target's ``1 − ε + ε/classes``,
            ``ε/classes`` for the others (C. Szegedy et al., "Rethinking the Inception architecture", 2016).
        weight: ``(classes,)``, how much each class counts; the mean is divided by the sum of the targets' weights.
            With smoothing each class that a share is given to counts by its own weight, as in PyTorch.
        reduction: ``"mean"``, ``"sum"``, or ``"none"`` for the loss of each target, 0 of those that do not count.

    Raises:
        ShapeError: when the leading axes differ, or there is not one weight for each class.
        DTypeError: when the targets are no integers.
        UsageError: for a smoothing outside [0, 1].
        IndexError: for a target that is no class; found when the result is evaluated, unless the targets have values
        before.

    >>> print(f"{tl.nn.cross_entropy(tl.zeros((2, 8)), tl.tensor([1, 5])):.4f}")  # log 8
    2.0794
    """
    scores, indices = _classified("cross_entropy", "logits", logits, targets, ignore_index)
    _warn_of("cross_entropy takes logits", "softmax", scores, "cross_entropy(x, targets)")
    if not 0 <= label_smoothing <= 1:
        raise UsageError(f"cross_entropy: label_smoothing is in [0, 1], not {label_smoothing}")
    logs = log_softmax(_wide(scores))
    loss = _surprise("cross_entropy", logs, indices, ignore_index, label_smoothing, weight, reduction)
    return loss.astype(scores.dtype)


@composition("negative log likelihood")
def nll(
    log_probabilities: Any,
    targets: Any,
    *,
    ignore_index: int | None = None,
    weight: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """``−mean(log_probabilities[target])``: :func:`cross_entropy` for the results of ``log_softmax``.

    Shapes, arguments and errors as there.

    >>> print(f"{tl.nn.nll(tl.log_softmax(tl.zeros((2, 8))), tl.tensor([1, 5])):.4f}")
    2.0794
    """
    scores, indices = _classified("nll", "log_probabilities", log_probabilities, targets, ignore_index)
    _warn_of("nll takes log-probabilities", "softmax", scores, "nll(tl.log_softmax(x), targets)")
    return _surprise("nll", _wide(scores), indices, ignore_index, 0.0, weight, reduction).astype(scores.dtype)


@composition("mean squared error")
def mse(prediction: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """``mean((prediction − target)²)``; both of one shape.

    Raises:
        ShapeError: when the shapes differ.

    >>> print(tl.nn.mse([1.0, 2.0], [1.0, 4.0]))
    2.0
    """
    x, y = _alike("mse", prediction, target)
    difference = _wide(x) - _wide(y)
    return _reduced("mse", difference * difference, reduction).astype(x.dtype)


@composition("mean absolute error")
def mae(prediction: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """``mean(|prediction − target|)``; both of one shape. The derivative at 0 is 0.

    Raises:
        ShapeError: when the shapes differ.

    >>> print(tl.nn.mae([1.0, 2.0], [1.0, 4.0]))
    1.0
    """
    x, y = _alike("mae", prediction, target)
    return _reduced("mae", abs(_wide(x) - _wide(y)), reduction).astype(x.dtype)


@composition("Huber loss")
def huber(prediction: Any, target: Any, delta: float = 1.0, *, reduction: str = "mean") -> Tensor:
    """``mean(d²/2 where |d| ≤ δ, δ·(|d| − δ/2) elsewhere)`` of the differences d: outliers pull with a bounded force.

    Source: P. Huber, "Robust estimation of a location parameter", 1964.

    Raises:
        ShapeError: when the shapes differ.
        UsageError: for a ``delta`` that is not above 0.

    >>> print(tl.nn.huber([1.0, 2.0], [1.0, 5.0]))  # (0 + 2.5) / 2
    1.25
    """
    if not 0 < delta < math.inf:
        raise UsageError(f"huber: delta is a finite number above 0, not {delta}")
    x, y = _alike("huber", prediction, target)
    difference = _wide(x) - _wide(y)
    size = abs(difference)
    near = size <= delta
    # Large differences are not squared: where the square is inf, 0 times its derivative would be nan.
    close = where(near, difference, 0)
    terms = where(near, close * close / 2, delta * (size - delta / 2))
    return _reduced("huber", terms, reduction).astype(x.dtype)


@composition("binary cross entropy")
def bce_with_logits(
    logits: Any, targets: Any, *, weight: Any = None, pos_weight: Any = None, reduction: str = "mean"
) -> Tensor:
    """``mean(−w·y·log σ(x) − (1 − y)·log(1 − σ(x)))`` for logits x and probabilities y, both of one shape.

    ``log σ(x)`` is ``−softplus(−x)``, so large logits neither overflow nor lose the gradient.

    Args:
        targets: numbers in [0, 1], or bools.
        weight: how much each term counts; it broadcasts with the logits. The mean is still over their number.
        pos_weight: w, how much the positive side counts: a number, or an array that broadcasts, such as one for each
            class.

    Raises:
        ShapeError: when the shapes differ.

    >>> print(f"{tl.nn.bce_with_logits([0.0, 100.0], [1.0, 1.0]):.4f}")  # (log 2 + 0) / 2
    0.3466
    """
    if isinstance(pos_weight, int | float) and not 0 <= pos_weight < math.inf:
        raise UsageError(f"bce_with_logits: pos_weight is a finite number ≥ 0, not {pos_weight}")
    x, y = _alike("bce_with_logits", logits, targets)
    _warn_of("bce_with_logits takes logits", "sigmoid", x, "bce_with_logits(x, targets)")
    a, p = _wide(x), _wide(y)
    positive = p if pos_weight is None else _beside("bce_with_logits: pos_weight", a, pos_weight) * p
    terms = positive * softplus(-a) + (1 - p) * softplus(a)
    if weight is not None:
        terms = terms * _beside("bce_with_logits: weight", a, weight)
    return _reduced("bce_with_logits", terms, reduction).astype(x.dtype)


@composition("Kullback–Leibler divergence")
def kl_div(log_probabilities: Any, targets: Any, *, reduction: str = "mean") -> Tensor:
    """``mean over the leading axes of Σ p·(log p − log q)``, the Kullback–Leibler divergence in nats.

    Shapes: log q ``(…, classes)`` and p of the same shape; where p is 0 the term is 0.

    Args:
        reduction: ``"mean"`` is over the leading axes, which PyTorch calls ``"batchmean"``.

    Raises:
        ShapeError: when the shapes differ, or there is no axis of classes.

    >>> q = tl.log_softmax(tl.zeros(2))
    >>> print(f"{tl.nn.kl_div(q, [1.0, 0.0]):.4f}")  # log 2
    0.6931
    """
    log_q, p = _alike("kl_div", log_probabilities, targets)
    _warn_of("kl_div takes log-probabilities", "softmax", log_q, "kl_div(tl.log_softmax(x), targets)")
    if not p.shape:
        raise ShapeError("kl_div: a single number is no distribution; the last axis is that of the classes")
    present = p > 0
    # 0·log 0 is 0, and so is its derivative by log q, even where q is 0 too.
    terms = _wide(p) * (log(where(present, _wide(p), 1)) - where(present, _wide(log_q), 0))
    return _reduced("kl_div", sum(terms, -1), reduction).astype(p.dtype)


def _warn_of(wanted: str, function: str, given: Tensor, better: str) -> None:
    """Warn where a loss is given the result of the function that it computes by itself: it would learn, but badly."""
    node: Any = given
    while (inner := _rearranged(node)) is not None:
        moved = node.op == "transpose" and node.attrs["axes"][-1] != len(node.shape) - 1
        if function == "softmax" and (moved or inner.shape[-1:] != node.shape[-1:]):
            # It may have been taken along another axis than that of the classes.
            return
        node = inner
    found = composed(node)
    softmax = found is not None and found[0] == "softmax" and found[2] == (len(node.shape) - 1,)
    if node.op == "sigmoid" == function or (softmax and function == "softmax"):
        warn(f"{wanted}, not the result of {function}(x){at_line(node.line)}; write {better}")


def _rearranged(node: Any) -> Any:
    """What ``node`` is another shape, type or part of, or holds for each step of a loop; None where it is made here."""
    if node.op in ("item", "stacked") and node.inputs[0].op in ("scan", "call"):
        return slot_value(node)
    return node.inputs[0] if node.op in ("named", "cast", "reshape", "transpose", "slice") else None


def _reduced(name: str, terms: Tensor, reduction: str) -> Tensor:
    _check_reduction(name, reduction)
    return mean(terms) if reduction == "mean" else sum(terms) if reduction == "sum" else terms


def _check_reduction(name: str, reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise UsageError(f"{name}: reduction is 'mean', 'sum' or 'none', not {reduction!r}")


def _beside(what: str, logits: Tensor, weights: Any) -> Tensor:
    """Weights in the element type of ``logits``, to whose shape they broadcast."""
    node = as_tensor(weights, like=logits).astype(logits.dtype)
    if broadcast_shapes(node.shape, logits.shape) != logits.shape:
        raise ShapeError(f"{what} {node.type} does not broadcast to the shape {list(logits.shape)} of the logits")
    return node


def _wide(x: Tensor) -> Tensor:
    """``x`` with float16 as float32, since the square of 256, or the sum before a mean, may be beyond float16."""
    return x.astype(float32) if x.dtype.is_half else x


def _classified(name: str, first: str, scores: Any, targets: Any, ignore_index: int | None) -> tuple[Tensor, Tensor]:
    (floats,) = float_operands(scores)
    indices = as_tensor(targets, device=floats.device)
    if indices.dtype.is_float and as_tensor(scores).dtype.kind in "iu":
        raise DTypeError(f"{name}: {first} come first, then the class numbers: write {name}({first}, targets)")
    if indices.dtype.kind not in "iu":
        change = "tl.argmax(targets, axis=-1)" if indices.shape == floats.shape else "targets.astype(tl.int64)"
        raise DTypeError(f"{name}: targets are class numbers, got {indices.type}; write {change}")
    if floats.shape[:-1] != indices.shape or not floats.shape:
        raise ShapeError(
            f"{name}: {first} {floats.type} want targets of shape {list(floats.shape[:-1])}, got {indices.type}"
        )
    if indices.op == "leaf" and indices.device == "cpu":
        _check_targets(name, indices.numpy(), floats.shape[-1], ignore_index)
    return floats, indices


def _check_targets(name: str, values: Any, classes: int, ignore_index: int | None) -> None:
    """Raise when a target is none of the classes. It is checked here only if the targets have values already."""
    wrong = (values < 0) | (values >= classes)
    if ignore_index is not None:
        wrong &= values != ignore_index
    if wrong.any():
        first = int(values[wrong].flat[0])
        raise IndexingError(
            f"{name}: the target {first} is none of the classes 0 … {classes - 1}; a number that is not to count, such "
            f"as padding, is named by ignore_index={first}"
        )


def _surprise(
    name: str,
    logs: Tensor,
    indices: Tensor,
    ignore_index: int | None,
    smoothing: float,
    weight: Any,
    reduction: str,
) -> Tensor:
    """The weighted mean of ``−(1 − ε)·log p[target] − ε·mean(log p)``; ignored targets have the weight 0."""
    _check_reduction(name, reduction)
    if ignore_index is None and not smoothing and weight is None:
        return -_reduced(name, take_along_last(logs, _in_range(indices, logs.shape[-1])), reduction)
    counted = ones_like(logs[..., 0])
    if ignore_index is not None:
        ignored = indices == ignore_index
        indices = where(ignored, 0, indices)
        counted = where(ignored, 0, counted)
    spread = ones_like(logs)
    if weight is not None:
        spread = as_tensor(weight, device=logs.device).astype(logs.dtype)
        if spread.shape != logs.shape[-1:]:
            raise ShapeError(f"{name}: weight has the shape {list(spread.shape)}, expected {list(logs.shape[-1:])}")
        shares = counted * take(spread, indices)
    else:
        shares = counted
    surprise = -take_along_last(logs, _in_range(indices, logs.shape[-1]))
    # `where`, since 0 times the infinite surprise at an ignored target would be nan.
    terms = where(counted > 0, shares * surprise, 0)
    if smoothing:
        even = where(counted > 0, -mean(spread * logs, -1), 0)
        terms = (1 - smoothing) * terms + smoothing * even
    return terms if reduction == "none" else sum(terms) if reduction == "sum" else sum(terms) / sum(shares)


def _in_range(indices: Tensor, classes: int) -> Tensor:
    """``indices``; when they are evaluated, one that is no class raises, a negative one too."""
    numbers = arange_node(classes, indices.dtype, indices.device)
    with scope(f"targets in 0 … {classes - 1}, where one below 0 counts as {classes}"):
        return take(numbers, where(indices < 0, classes, indices))


def _alike(name: str, prediction: Any, target: Any) -> tuple[Tensor, Tensor]:
    x, y = float_operands(prediction, target)
    if x.shape != y.shape:
        raise ShapeError(f"{name}: {x.type} and {y.type} differ in shape; reshape one, nothing is broadcast")
    return x, y
