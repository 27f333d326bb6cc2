"""How far rounding may carry a result: the plain program run again with noise of its rounding errors.

Where the order of sums may differ, or a function is computed by other means, two right programs differ by rounding. How
much of that reaches a result depends on everything between: so the reference runs several times with kernels that
disturb each sum by about as much as another order of its terms could (eps · Σ|terms|), and each function by the units
of the last place that it is allowed. The spread of the results is the scale of what is allowed; where it makes an
overflow, or turns a comparison round, nothing is asked of that element.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np

from tests.fuzz.program import Array, words
from tinygrad_lstm.graph.function import Graph, topological
from tinygrad_lstm.graph.tensor import Node
from tinygrad_lstm.runtime.backend import load_backend

__all__ = ["SOURCES", "disturbed", "sources", "within"]

SOURCES: Mapping[str, frozenset[str]] = {
    "sums": frozenset(words("sum matmul contract scatter_add logsumexp")),
    "functions": frozenset(
        words("exp log log1p expm1 tanh sigmoid softplus erf sin cos power arctan2 logsumexp remainder floor_divide")
    ),
    "zeros": frozenset(words("max min maximum minimum")),
}
"""Ops whose results may differ between two right programs, by the reason."""

_WIDE = np.longdouble
"""In it the terms of a sum of float64 add up without overflow, where the machine has such a type."""
ULPS = 4
"""Of the functions, in units of the last place: `tests/codegen/test_c_math.py` holds those in C to less, and NumPy's
own give other last bits for an array that is not contiguous."""


def sources(outputs: list[Any]) -> frozenset[str]:
    """Why outputs may differ from those of a compiled program; nothing where they must be the same to the bit."""
    ops: set[str] = set()
    pending: list[list[Any]] = [outputs]
    while pending:
        for node in topological(pending.pop()):
            floats = any(not isinstance(t, tuple) and t.dtype.is_float for t in _types(node))
            if floats or node.op == "logsumexp":
                ops.add(node.op)
            for attr in node.attrs.values():
                if isinstance(attr, Graph):
                    pending.append(list(attr.outputs))
                    ops |= _accumulated(node, attr)
    found = {name for name, table in SOURCES.items() if not table.isdisjoint(ops)}
    return frozenset(found)


def _types(node: Node) -> list[Any]:
    return list(node.type) if isinstance(node.type, tuple) else [node.type]


def _accumulated(node: Node, body: Graph) -> set[str]:
    """A carry to which something is added is a sum over the steps, and may be taken in another order."""
    outputs = body.outputs[: node.attrs.get("carries", 0)]
    added = any(y.op in ("add", "subtract") and y.dtype.is_float for y in topological(outputs) if y.op != "scan")
    return {"sum"} if added else set()


@contextmanager
def disturbed(reasons: frozenset[str], seed: int, scale: float) -> Iterator[None]:
    """The interpreter on NumPy, with noise in what it computes."""
    backend = load_backend("numpy")
    noise = _Noise(np.random.default_rng(seed), scale, seed)
    table = dict(backend.kernels)
    if "functions" in reasons:
        for op in SOURCES["functions"] - {"logsumexp", "remainder", "floor_divide"}:
            table[op] = noise.function(table[op])
        table["power"] = noise.rooted(table["power"])
        # NumPy's 1/(1 + exp(−x)) is 0 as soon as exp overflows.
        table["sigmoid"] = noise.flushed(table["sigmoid"])
    if "sums" in reasons:
        for op in ("add", "subtract", "multiply", "divide"):
            table[op] = noise.arithmetic(table[op])
        for op in ("sum", "matmul", "contract", "scatter_add"):
            table[op] = noise.total(table[op], products=op in ("matmul", "contract"))
    if reasons & {"sums", "functions"}:
        table["logsumexp"] = noise.function(table["logsumexp"], least=1.0)
    if "zeros" in reasons:
        for op in SOURCES["zeros"]:
            table[op] = noise.zero(table[op])
    with patch.object(backend, "kernels", table):
        yield


class _Noise:
    def __init__(self, rng: np.random.Generator, scale: float, sample: int) -> None:
        self._rng, self._scale, self._sample = rng, scale, sample

    def _around(self, y: Any, magnitude: Any, ulps: float) -> Any:
        info = np.finfo(y.dtype)
        step = float(info.eps) * magnitude + 2 * float(info.smallest_subnormal)
        wide = y.astype(np.float64) + ulps * self._scale * self._rng.uniform(-1, 1, y.shape) * step
        return np.asarray(wide.astype(y.dtype))

    def function(self, kernel: Callable[..., Any], least: float = 0.0) -> Callable[..., Any]:
        """Noise of a function: of its result, or of ``least`` where that is more, as of a sum whose logarithm it is."""

        def disturb(*args: Any, **attrs: Any) -> Any:
            y = np.asarray(kernel(*args, **attrs))
            size = np.maximum(np.abs(y.astype(np.float64)), least)
            return self._around(y, np.where(np.isfinite(size), size, 0), ULPS) if y.dtype.kind == "f" else y

        return disturb

    def arithmetic(self, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def disturb(*args: Any, **attrs: Any) -> Any:
            y = np.asarray(kernel(*args, **attrs))
            if y.dtype.kind != "f":
                return y
            sizes = [np.abs(np.asarray(x).astype(_WIDE)) for x in (*args, y)]
            largest = sizes[-1] if kernel in (np.multiply, np.true_divide) else np.maximum(sizes[0], sizes[1])
            near = self._around(y, np.where(np.isfinite(largest), largest, 0), 1)
            if kernel not in (np.add, np.subtract):
                return near
            # It may be a carry that adds up: whether a partial sum overflows depends on the order.
            return self._odd(y, near, sizes[0] + sizes[1])

        return disturb

    def _odd(self, y: Any, near: Any, size: Any) -> Any:
        """Something else at random where the terms of a sum, of that size together, are too large for its type."""
        large = np.isfinite(size) & (size > float(np.finfo(y.dtype).max))
        # Whichever partial sum overflows, and whether another one that did meets it: at random places, and in every
        # other sample at all of them, so that of many elements each is met.
        others = np.array([np.nan, np.inf, -np.inf, 0.0])
        instead = self._rng.choice(others, y.shape)
        odd = large & (self._rng.random(y.shape) < 0.5)
        if self._sample % 2:
            instead, odd = np.full(y.shape, others[self._sample // 2 % 4]), large
        instead = instead.astype(y.dtype)
        return np.where(odd, instead, near)

    def total(self, kernel: Callable[..., Any], products: bool) -> Callable[..., Any]:
        def disturb(*args: Any, **attrs: Any) -> Any:
            y = np.asarray(kernel(*args, **attrs))
            if y.dtype.kind != "f":
                return y
            terms = [_size(x) if k < 1 + products else x for k, x in enumerate(args)]
            size = np.asarray(kernel(*terms, **attrs))
            # The errors of many terms add up as steps at random do.
            count = np.prod([np.size(x) for x in args[: 1 + products]], dtype=float) / max(y.size, 1)
            ulps = max(1.0, 0.3 * math.sqrt(math.sqrt(count) if products else count))
            disturbed_ = self._around(y, np.where(np.isfinite(size), size, 0), ulps)
            return self._odd(y, disturbed_, size)

        return disturb

    def rooted(self, power: Callable[..., Any]) -> Callable[..., Any]:
        """The square root for an exponent of 0.5, as NumPy takes it where one exponent stands for all elements.

        It differs from the power at −∞ (nan, not ∞) and at −0.0 (−0.0, not 0.0).
        """

        def disturb(x: Any, y: Any) -> Any:
            result = np.asarray(power(x, y))
            half = np.broadcast_to(np.asarray(y) == 0.5, result.shape) & (self._rng.random(result.shape) < 0.5)
            with np.errstate(invalid="ignore"):
                return np.where(half, np.sqrt(np.asarray(x)), result).astype(result.dtype)

        return disturb

    def flushed(self, kernel: Callable[..., Any]) -> Callable[..., Any]:
        """Noise of a function whose results below the least normal number may be 0."""

        def disturb(*args: Any, **attrs: Any) -> Any:
            y = np.asarray(kernel(*args, **attrs))
            least = float(np.finfo(y.dtype).tiny)
            low = (np.abs(y.astype(np.float64)) < least) & (self._rng.random(y.shape) < 0.5)
            return np.where(low, np.array(least, y.dtype), y)

        return disturb

    def zero(self, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def disturb(*args: Any, **attrs: Any) -> Any:
            y = np.asarray(kernel(*args, **attrs))
            if y.dtype.kind != "f":
                return y
            signs = np.where(self._rng.random(y.shape) < 0.5, -1, 1).astype(y.dtype)
            return np.where(y == 0, np.copysign(y, signs), y)

        return disturb


def _size(x: Array) -> Array:
    """How large the terms of a sum are; those that are not finite have the same effect in every order."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(x), np.abs(x.astype(_WIDE)), 0)


def within(got: Array, want: Array, samples: list[Array]) -> bool:
    """Whether a result is as near to the plain one as the disturbed ones say it has to be."""
    stack = np.stack([want, *samples])
    if want.dtype.kind != "f":
        return bool(((stack == want).all(0) <= (got == want)).all())
    got, wide, want = got.astype(np.float64), stack.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(wide)
    same = np.all((wide == want) | (np.isnan(wide) & np.isnan(want)), axis=0)
    settled = finite.all(0)
    with np.errstate(all="ignore"):
        spread = np.abs(wide - want).max(0)
        near = np.abs(got - want) <= 4 * spread
    zero = (wide == 0).all(0) & (np.signbit(wide) == np.signbit(want)).all(0)
    exact = (got == want) | (np.isnan(got) & np.isnan(want))
    exact &= ~zero | (np.signbit(got) == np.signbit(want))
    return bool(np.all(exact | (settled & near & ~same) | (~settled & ~same)))
