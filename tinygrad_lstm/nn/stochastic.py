"""Dropout, and modules from which it is removed."""

from typing import Any

from tinygrad_lstm.errors import DTypeError, UsageError
from tinygrad_lstm.functions import random
from tinygrad_lstm.functions.arrangement import stack
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.dtypes import uint32
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import normalize_axes
from tinygrad_lstm.graph.variables import State, Variable, repeated, settled
from tinygrad_lstm.nn.copying import twin
from tinygrad_lstm.nn.inputs import beside
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.ops.logic import where

__all__ = ["Dropout", "deterministic"]


class Dropout(Module):
    """Each number becomes 0 with probability ``p``; the others are divided by ``1 − p``, so that the mean stays.

    Every call uses up the key and puts a new one in its place. :func:`deterministic` gives a model that drops nothing,
    for evaluation.

    In the body of a ``scan`` a call is made once, while the body is traced, so all steps drop the same places. For a
    mask of its own at each step, pass ``dropout.keys(length)`` through ``xs``, and each step's key to the call.

    Source: N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014; for one
    mask over time, Y. Gal, Z. Ghahramani, "A theoretically grounded application of dropout in recurrent neural
    networks", 2016.

    Args:
        p: the probability, in [0, 1).
        key: from ``tl.random.key``; the generator of ``tl.seed`` by default.
        same_along: axes along which the same places are dropped, such as that of time.

    Raises:
        UsageError: for a probability out of range.
        DTypeError: for a key that is none.

    >>> dropout = tl.nn.Dropout(0.5, key=tl.random.key(0))
    >>> sorted(set(dropout(tl.ones(100)).tolist()))
    [0.0, 2.0]
    >>> print(tl.nn.deterministic(dropout)(tl.ones(3)))
    [1. 1. 1.]
    """

    def __init__(self, p: float = 0.5, key: Any = None, *, same_along: int | tuple[int, ...] = ()) -> None:
        if not 0 <= p < 1:
            raise UsageError(f"Dropout: p is a probability in [0, 1), not {p}")
        self.p, self.same_along = float(p), same_along
        self.key = State(_as_key(random.next_key() if key is None else key)) if p or key is not None else None

    def keys(self, count: int) -> Tensor | None:
        """``count`` keys ``(count, 2)``, one for each step of a loop; None when nothing is dropped."""
        return None if self.key is None else stack(self._spend(self.key, count))

    def forward(self, x: Any, key: Any = None) -> Tensor:
        """``x`` with some places 0.

        Args:
            x: floats of any shape.
            key: to be used instead of the module's own, which then stays as it is.

        Raises:
            DTypeError: when ``x`` holds no floats.
        """
        node = beside(self, x)
        if not node.dtype.is_float:
            raise DTypeError(f"Dropout: x is {node.type}; convert it with .astype(tl.float32)")
        if key is None and self.key is not None:
            (key,) = self._spend(self.key, 1)
        if key is None or self.p == 0:
            return node
        same = normalize_axes(self.same_along, node.ndim)
        shape = [1 if axis in same else size for axis, size in enumerate(node.shape)]
        kept = random.uniform(_as_key(key), shape) >= self.p
        return where(kept, node / (1 - self.p), 0)

    def _spend(self, own: State, count: int) -> list[Tensor]:
        body = repeated.get()
        if body is not None and body.examples:
            raise UsageError(
                f"{body.owner} draws from the key of a Dropout, which would drop the same places in all examples; map "
                "over keys, one for each example, and pass them on: tl.vmap(lambda x, key: dropout(x, key))"
            )
        following, *keys = random.split(own, count + 1)
        own.hold(settled((following,))[0])  # also in the body of a loop, where one call makes one mask for all steps
        return keys


def deterministic(module: Module) -> Module:
    """A module with the same Parameters in which nothing is random: each ``key`` attribute that holds a State is None.

    It shares the Parameters with ``module`` and so follows its training; only the structure is copied.

    >>> model = tl.nn.Sequential(tl.nn.Linear(2, 2), tl.nn.Dropout(0.5, key=tl.random.key(0)))
    >>> still = tl.nn.deterministic(model)
    >>> (still(tl.ones(2)) == still(tl.ones(2))).tolist(), still.layers[0].weight is model.layers[0].weight
    ([True, True], True)
    """
    return twin(module, lambda name, item: None if name == "key" and isinstance(item, State) else item)


def _as_key(value: Any) -> Tensor:
    node = as_tensor(value) if isinstance(value, Tensor | Variable) or hasattr(value, "dtype") else None
    if node is None or node.dtype is not uint32 or node.shape != (2,):
        kind = f"{type(value).__name__} {value!r}" if node is None else node.type
        raise DTypeError(f"Dropout: a key is u32[2], not {kind}; make one with tl.random.key(seed)")
    return node
