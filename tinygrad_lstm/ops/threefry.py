"""The random function: Threefry-2x32 with 20 rounds.

Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from typing import Any

from tinygrad_lstm.errors import DTypeError, ShapeError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.dtypes import uint32
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.kernels.randomness import threefry2x32 as threefry2x32_kernel

__all__ = ["as_key", "threefry2x32"]


def _threefry(key: TensorType, counters: TensorType) -> TensorType:
    if key.dtype is not uint32 or counters.dtype is not uint32:
        raise DTypeError("key and counters are uint32; make keys with tl.random.key")
    if key.shape != (2,) or counters.shape[-1:] != (2,):
        raise ShapeError("a key has shape [2] and counters end in an axis of size 2")
    return counters


define("threefry2x32", _threefry, threefry2x32_kernel, label="threefry", differentiable=False)


@function
def threefry2x32(key: Any, counters: Any) -> Tensor:
    """Two random words for each pair of counter words. The key chooses the function, which is a bijection.

    Shapes: key ``uint32[2]``, counters ``uint32[…, 2]`` → ``uint32[…, 2]``.

    >>> zero = tl.zeros(2, dtype=tl.uint32)
    >>> [hex(word) for word in tl.threefry2x32(zero, zero).tolist()]
    ['0x6b200159', '0x99ba4efe']
    """
    return make("threefry2x32", as_key(key), as_tensor(counters))


def as_key(value: Any) -> Tensor:
    """A key as a tensor."""
    if isinstance(value, int):
        raise DTypeError(f"a key is u32[2], not the number {value}; make one with tl.random.key({value})")
    return as_tensor(value)
