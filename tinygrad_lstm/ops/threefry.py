"""The random function: Threefry-2x32 with 20 rounds.

Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from collections.abc import Sequence
from typing import Any

from tinygrad_lstm.errors import DTypeError, ShapeError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.dtypes import uint32
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.kernels.randomness import threefry2x32 as threefry2x32_kernel
from tinygrad_lstm.ops.shape import for_each

__all__ = ["as_key", "threefry2x32"]


def _threefry(key: TensorType, counters: TensorType) -> TensorType:
    if key.dtype is not uint32 or counters.dtype is not uint32:
        raise DTypeError("key and counters are uint32; make keys with tl.random.key")
    if key.shape[-1:] != (2,) or counters.shape[-1:] != (2,):
        raise ShapeError("a key has shape [2] and counters end in an axis of size 2")
    if key.shape[:-1] != counters.shape[: len(key.shape) - 1] or len(key.shape) > len(counters.shape):
        raise ShapeError(f"keys {key} have the first axes of their counters, and these are {counters}")
    return counters


def _threefry_each(count: int, mapped: Sequence[bool], key: Tensor, counters: Tensor) -> Tensor:
    own = key if key.ndim == 1 and not mapped[0] else for_each(key, count, mapped[0])
    return make("threefry2x32", own, for_each(counters, count, mapped[1]))


define(
    "threefry2x32", _threefry, threefry2x32_kernel, batch=_threefry_each, label="threefry", differentiable=False,
)  # fmt: skip


@function
def threefry2x32(key: Any, counters: Any) -> Tensor:
    """Two random words for each pair of counter words. The key chooses the function, which is a bijection.

    Shapes: key ``uint32[2]``, counters ``uint32[…, 2]`` → ``uint32[…, 2]``. Several keys ``uint32[n, 2]`` go with
    counters ``uint32[n, …, 2]``.

    >>> zero = tl.zeros(2, dtype=tl.uint32)
    >>> [hex(word) for word in tl.threefry2x32(zero, zero).tolist()]
    ['0x6b200159', '0x99ba4efe']
    """
    return make("threefry2x32", as_key(key), as_tensor(counters))


def as_key(value: Any) -> Tensor:
    """A key as a tensor."""
    if isinstance(value, int):
        raise DTypeError(f"a key is u32[2], not the number {value}; make one with tl.random.key({value})")
    if isinstance(value, str | float):
        raise DTypeError(f"a key is u32[2], not {value!r}; make one with tl.random.key(0)")
    return as_tensor(value)
