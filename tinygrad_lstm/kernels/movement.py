"""Kernels that move elements."""

from typing import Any

from tinygrad_lstm.kernels.halves import widened

__all__ = ["flip", "pad", "scatter_add"]


def flip(xp: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    """``x`` in reversed order along axes."""
    return x[tuple(slice(None, None, -1) if i in axis else slice(None) for i in range(x.ndim))]


def pad(xp: Any, x: Any, *, low: Any, high: Any, interior: Any) -> Any:
    """``x`` with zeros before, after and between its elements."""
    sizes = [a + n + b + k * max(0, n - 1) for n, a, b, k in zip(x.shape, low, high, interior, strict=True)]
    out = xp.zeros(sizes, dtype=x.dtype)
    ends = [a + (n - 1) * (k + 1) + 1 if n else a for n, a, k in zip(x.shape, low, interior, strict=True)]
    out[tuple(slice(a, e, k + 1) for a, e, k in zip(low, ends, interior, strict=True))] = x
    return out


@widened
def scatter_add(xp: Any, updates: Any, indices: Any, *, axis: int, size: int) -> Any:
    """Zeros to which ``updates`` are added at ``indices``."""
    shape, count = updates.shape, indices.size
    before, after = shape[:axis], shape[axis + indices.ndim :]
    out = xp.zeros((*before, size, *after), dtype=updates.dtype)
    if count and out.size:
        flat = indices.reshape(-1)
        flat = xp.where(flat < 0, flat + size, flat)
        # Sorting brings equal indices together, so that the terms of every sum have a fixed order.
        order = xp.argsort(flat, kind="stable")
        sorted_ = flat[order]
        if sorted_[0] < 0 or sorted_[-1] >= size:
            raise IndexError(f"an index is out of range for axis {axis} of size {size}")
        starts = xp.flatnonzero(xp.concatenate([xp.ones(1, dtype=bool), sorted_[1:] != sorted_[:-1]]))
        lead = (slice(None),) * axis
        rows = updates.reshape((*before, count, *after))[(*lead, order)]
        out[(*lead, sorted_[starts])] = xp.add.reduceat(rows, starts, axis=axis)
    return out
