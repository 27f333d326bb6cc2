"""The rows of the op table for ops that CuPy computes otherwise than NumPy."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tinygrad_lstm.errors import DTypeError
from tinygrad_lstm.kernels import casts
from tinygrad_lstm.kernels.halves import widened

__all__ = ["rows"]


def _checked(cp: Any, indices: Any, axis: int, size: int) -> Any:
    """Indices as a vector, counted from 0; raises for one out of range, which CuPy itself would wrap around."""
    flat = indices.reshape(-1).astype("int64")
    flat = cp.where(flat < 0, flat + size, flat)
    if flat.size and (int(flat.min()) < 0 or int(flat.max()) >= size):
        raise IndexError(f"an index is out of bounds for axis {axis} of size {size}")
    return flat


def _take(cp: Any, x: Any, indices: Any, *, axis: int) -> Any:
    flat = _checked(cp, indices, axis, x.shape[axis])
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    if not flat.size or not x.size:
        return cp.empty(shape, dtype=x.dtype)
    return cp.take(x, flat, axis=axis).reshape(shape)


def _scatter_add(cp: Any, updates: Any, indices: Any, *, axis: int, size: int) -> Any:
    """``scatter_add`` in a fixed order; with atomic additions the last digits would differ from run to run.

    Sorted by index, equal indices form runs. Neighbours in a run are added, then neighbours of those, and so on;
    after log₂(longest run) rounds the sum of each run stands at its start.
    """
    shape, count = updates.shape, indices.size
    before, after = shape[:axis], shape[axis + indices.ndim :]
    out = cp.zeros((*before, size, *after), dtype=updates.dtype)
    flat = _checked(cp, indices, axis, size)
    if not count or not out.size:
        return out
    places = cp.arange(count)
    # The position is part of the key, so that the order does not depend on how the sort treats equal keys.
    order = cp.argsort(flat * count + places)
    sorted_ = flat[order]
    first = cp.searchsorted(sorted_, sorted_, side="left")
    rank = places - first
    left = cp.searchsorted(sorted_, sorted_, side="right") - places
    lead = (slice(None),) * axis
    values = updates.reshape((*before, count, *after))[(*lead, order)]
    longest, stride = int(rank.max()) + 1, 1
    while stride < longest:
        (adding,) = cp.nonzero((rank % (2 * stride) == 0) & (left > stride))
        values[(*lead, adding)] = values[(*lead, adding)] + values[(*lead, adding + stride)]
        stride *= 2
    (starts,) = cp.nonzero(rank == 0)
    out[(*lead, sorted_[starts])] = values[(*lead, starts)]
    return out


def _remainder(cp: Any, a: Any, b: Any) -> Any:
    """NumPy's remainder; CuPy's ``a - floor(a / b) * b`` loses digits, and is nan where b is infinite."""
    if a.dtype.kind != "f":
        return cp.remainder(a, b)
    rest = cp.fmod(a, b)
    turned = cp.where((rest < 0) != (b < 0), rest + b, rest)
    return cp.where((b == 0) | (rest != rest), rest, cp.where(rest == 0, cp.copysign(cp.zeros_like(b), b), turned))


def _floor_divide(cp: Any, a: Any, b: Any) -> Any:
    """NumPy's floor division; in CuPy's ``floor(a / b)`` the division may round up to the next whole number."""
    if a.dtype.kind != "f":
        return cp.floor_divide(a, b)
    rest, ratio = cp.fmod(a, b), a / b
    exact = (a - rest) / b
    quotient = cp.where((rest != 0) & ((rest < 0) != (b < 0)), exact - 1, exact)
    whole = cp.floor(quotient)
    nearest = cp.where(quotient - whole > 0.5, whole + 1, whole)
    signed = cp.where(quotient == 0, cp.copysign(cp.zeros_like(ratio), ratio), nearest)
    return cp.where(b == 0, ratio, signed)


def check_known(name: str) -> None:
    """Raise DTypeError for an element type that CuPy does not have."""
    if name == "bfloat16":
        raise DTypeError("CuPy has no bfloat16; on the GPU write .astype(tl.float16) or .astype(tl.float32)")


def _cast(cp: Any, x: Any, *, dtype: Any) -> Any:
    """A cast that does not test the values first, since the processor would have to wait for the device."""
    check_known(dtype.name)
    if x.dtype.kind == "f" and dtype.name in casts.BOUNDS:
        return casts.truncated(cp, x, dtype.name)
    return x.astype(dtype.name)


def rows(cp: Any) -> Mapping[str, Callable[..., Any]]:
    """The rows that replace the shared ones."""
    own: dict[str, Callable[..., Any]] = {
        "take": _take,
        "scatter_add": widened(_scatter_add),
        "remainder": _remainder,
        "floor_divide": widened(_floor_divide),
        "cast": _cast,
    }
    return {name: partial(kernel, cp) for name, kernel in own.items()}
