"""Kernels that move elements."""

from collections.abc import Callable, Mapping
from typing import Any

from tinygrad_lstm.kernels.halves import widened

__all__ = ["rows"]


def rows(xp: Any) -> Mapping[str, Callable[..., Any]]:
    """The rows of the op table for the array module ``xp``."""

    def take_slice(x: Any, *, start: Any, stop: Any, step: Any) -> Any:
        return x[tuple(map(slice, start, stop, step))]

    def flip(x: Any, *, axis: tuple[int, ...]) -> Any:
        return x[tuple(slice(None, None, -1) if i in axis else slice(None) for i in range(x.ndim))]

    def pad(x: Any, *, low: Any, high: Any, interior: Any) -> Any:
        sizes = [a + n + b + k * max(0, n - 1) for n, a, b, k in zip(x.shape, low, high, interior, strict=True)]
        out = xp.zeros(sizes, dtype=x.dtype)
        ends = [a + (n - 1) * (k + 1) + 1 if n else a for n, a, k in zip(x.shape, low, interior, strict=True)]
        out[tuple(slice(a, e, k + 1) for a, e, k in zip(low, ends, interior, strict=True))] = x
        return out

    def scatter_add(updates: Any, indices: Any, *, axis: int, size: int) -> Any:
        shape, count = updates.shape, indices.size
        before, after = shape[:axis], shape[axis + indices.ndim :]
        out = xp.zeros((*before, size, *after), dtype=updates.dtype)
        if count and out.size:
            flat = indices.reshape(-1)
            flat = xp.where(flat < 0, flat + size, flat)
            # Sorted into runs of one index each, so that every sum has a fixed order.
            order = xp.argsort(flat, kind="stable")
            sorted_ = flat[order]
            if sorted_[0] < 0 or sorted_[-1] >= size:
                raise IndexError(f"an index is out of range for axis {axis} of size {size}")
            starts = xp.flatnonzero(xp.concatenate([xp.ones(1, dtype=bool), sorted_[1:] != sorted_[:-1]]))
            lead = (slice(None),) * axis
            rows_ = updates.reshape((*before, count, *after))[(*lead, order)]
            out[(*lead, sorted_[starts])] = xp.add.reduceat(rows_, starts, axis=axis)
        return out

    return {
        "reshape": lambda x, *, shape: x.reshape(shape),
        "transpose": lambda x, *, axes: x.transpose(axes),
        "broadcast_to": lambda x, *, shape: xp.broadcast_to(x, shape),
        "concatenate": lambda *arrays, axis: xp.concatenate(arrays, axis=axis),
        "slice": take_slice,
        "flip": flip,
        "pad": pad,
        "take": lambda x, indices, *, axis: xp.take(x, indices, axis=axis),
        "scatter_add": widened(scatter_add),
        "named": lambda x, *, name: x,
        "stop_gradient": lambda x: x,
    }
