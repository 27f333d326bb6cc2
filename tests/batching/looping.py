"""The referee of ``vmap``: a Python loop over the examples."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm.graph.structure import flatten, unflatten

__all__ = ["agree", "looped", "weighed"]


def looped(f: Callable[..., Any], in_axes: Sequence[int | None]) -> Callable[..., Any]:
    """``f`` on one example after the other; the results are stacked."""

    def wrapped(*args: Any) -> Any:
        count = next(x.shape[axis] for x, axis in zip(args, in_axes, strict=True) if axis is not None)
        results = []
        for k in range(count):
            own = [x if axis is None else tl.take(x, k, axis) for x, axis in zip(args, in_axes, strict=True)]
            leaves, structure = flatten(f(*own))
            results.append(leaves)
        return unflatten(structure, [tl.stack(list(each)) for each in zip(*results, strict=True)])

    return wrapped


def agree(got: Any, want: Any, ulps: float = 64) -> None:
    """Two nested results have the same types, and floats are the same but for rounding.

    Args:
        ulps: the difference allowed, in units of the last place of the largest number of a result.
    """
    gots, wants = flatten(got)[0], flatten(want)[0]
    assert len(gots) == len(wants)
    tl.evaluate(*gots, *wants)
    for y, w in zip(gots, wants, strict=True):
        assert y.type == w.type
        a, b = y.numpy(), w.numpy()
        if a.dtype.kind != "f":
            np.testing.assert_array_equal(a, b)
            continue
        finite = np.isfinite(b)
        np.testing.assert_array_equal(np.where(finite, 0, a), np.where(finite, 0, b))
        scale = max(1.0, float(np.abs(b[finite]).max(initial=0)))
        np.testing.assert_allclose(a[finite], b[finite], rtol=0, atol=ulps * float(np.finfo(a.dtype).eps) * scale)


def weighed(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f`` as a scalar: the sum of its floats, each element with a weight of its own."""

    def scalar(*args: Any) -> Any:
        ys = [y for y in flatten(f(*args))[0] if y.dtype.is_float]
        parts = [(y * tl.tensor(np.cos(np.arange(y.size)).reshape(y.shape), dtype=y.dtype)).sum() for y in ys]
        return sum(parts[1:], parts[0]) if parts else tl.tensor(0.0)

    return scalar
