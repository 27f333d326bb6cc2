"""Losses."""

from typing import Any

from tinygrad_lstm.errors import DTypeError, ShapeError
from tinygrad_lstm.graph.convert import as_tensor, float_operands
from tinygrad_lstm.graph.scopes import scope
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.ops.composite import log_softmax, mean
from tinygrad_lstm.ops.index import take_along_last

__all__ = ["cross_entropy"]


def cross_entropy(logits: Any, targets: Any) -> Tensor:
    """``mean(log Σ exp(logits) − logits[target])`` in nats: the surprise at the targets.

    Shapes: logits ``(…, classes)`` of floats, targets ``(…)`` of integers in ``0 … classes − 1``; the result is 0-d.

    Raises:
        ShapeError: when the leading axes differ.
        DTypeError: when the targets are no integers.

    >>> import tinygrad_lstm as tl
    >>> print(f"{tl.nn.cross_entropy(tl.zeros((2, 8)), tl.tensor([1, 5])):.4f}")  # log 8
    2.0794
    """
    (scores,) = float_operands(logits)
    indices = as_tensor(targets)
    if indices.dtype.kind not in "iu":
        raise DTypeError(f"cross_entropy: targets are class numbers, got {indices.type}")
    if scores.shape[:-1] != indices.shape or not scores.shape:
        raise ShapeError(
            f"cross_entropy: logits {scores.type} want targets of shape {list(scores.shape[:-1])}, got {indices.type}"
        )
    with scope("cross entropy"):
        return -mean(take_along_last(log_softmax(scores), indices))
