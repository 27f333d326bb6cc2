"""Kernels that compute numbers: elementwise operations, reductions, products."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from tinygrad_lstm.kernels import casts, error_function
from tinygrad_lstm.kernels.halves import widened

__all__ = ["rows"]


def rows(xp: Any) -> Mapping[str, Callable[..., Any]]:
    """The rows of the op table for the array module ``xp``."""

    def sigmoid(x: Any) -> Any:
        # In float16 exp overflows from 11 on, where σ is far from 0 yet.
        # For very negative x exp overflows to inf, and 1/inf is the 0 that is wanted.
        return 1.0 / (1.0 + xp.exp(-x))

    def softplus(x: Any) -> Any:
        return xp.logaddexp(x, xp.zeros_like(x))

    def total(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
        # The sum of one element is that element, also where it is −0.0, which a sum that starts at 0 would lose.
        if all(x.shape[i] == 1 for i in axis):
            return x.reshape(x.shape if keepdims else [n for i, n in enumerate(x.shape) if i not in axis])
        return x.sum(axis=axis, dtype=x.dtype, keepdims=keepdims)

    def matmul(a: Any, b: Any) -> Any:
        # One product is no sum, see above.
        return a * b if a.shape[-1] == 1 else xp.matmul(a, b)

    def logsumexp(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
        if x.size == 0:
            return xp.log(x.sum(axis=axis, keepdims=keepdims))
        largest = x.max(axis=axis, keepdims=True)
        # An infinite maximum would make inf − inf below.
        shift = xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest))
        total = xp.log(xp.exp(x - shift).sum(axis=axis, keepdims=True)) + shift
        return total if keepdims else total.reshape([n for i, n in enumerate(x.shape) if i not in axis])

    def contract(a: Any, b: Any, *, left: str, right: str, out: str) -> Any:
        batch = [c for c in out if c in left and c in right]
        rows = [c for c in left if c in out and c not in right]
        columns = [c for c in right if c in out and c not in left]
        summed = [c for c in left if c not in out]
        sizes = dict(zip(left, a.shape, strict=True)) | dict(zip(right, b.shape, strict=True))

        def arranged(x: Any, letters: str, *groups: list[str]) -> Any:
            x = x.transpose([letters.index(c) for group in groups for c in group])
            lead = [sizes[c] for c in groups[0]]
            return x.reshape((*lead, *[math.prod(sizes[c] for c in group) for group in groups[1:]]))

        product = matmul(arranged(a, left, batch, rows, summed), arranged(b, right, batch, summed, columns))
        order = [*batch, *rows, *columns]
        return product.reshape([sizes[c] for c in order]).transpose([order.index(c) for c in out])

    return {
        "add": xp.add,
        "subtract": xp.subtract,
        "multiply": xp.multiply,
        "divide": xp.true_divide,
        "power": xp.power,
        "maximum": xp.maximum,
        "minimum": xp.minimum,
        "negative": xp.negative,
        "abs": xp.absolute,
        "sign": xp.sign,
        "exp": xp.exp,
        "log": xp.log,
        "sqrt": xp.sqrt,
        "sin": xp.sin,
        "cos": xp.cos,
        "tanh": xp.tanh,
        "sigmoid": widened(sigmoid),
        "softplus": softplus,
        "floor_divide": xp.floor_divide,
        "remainder": xp.remainder,
        "log1p": xp.log1p,
        "expm1": xp.expm1,
        "erf": widened(error_function.kernel(xp)),
        "arctan2": xp.arctan2,
        "right_shift": xp.right_shift,
        "equal": xp.equal,
        "less": xp.less,
        "less_equal": xp.less_equal,
        "bitwise_and": xp.bitwise_and,
        "bitwise_or": xp.bitwise_or,
        "invert": xp.invert,
        "where": xp.where,
        "cast": lambda x, *, dtype: casts.cast(xp, x, dtype.name),
        "sum": widened(total),
        "max": lambda x, *, axis, keepdims: x.max(axis=axis, keepdims=keepdims),
        "min": lambda x, *, axis, keepdims: x.min(axis=axis, keepdims=keepdims),
        "logsumexp": widened(logsumexp),
        "argsort": lambda x, *, axis: xp.argsort(x, axis=axis, kind="stable"),
        "argmax": lambda x, *, axis: x.argmax(axis=axis),
        "matmul": widened(matmul),
        "contract": widened(contract),
    }
