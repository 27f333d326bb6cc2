"""The random function: Threefry-2x32 with 20 rounds.

Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

import math
import secrets
import threading
from typing import Any

from tinygrad_lstm.errors import DTypeError, ShapeError, UsageError
from tinygrad_lstm.graph.convert import as_tensor, constant
from tinygrad_lstm.graph.dtypes import as_dtype, float32, float64, uint32
from tinygrad_lstm.graph.registry import apply, define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import TensorType, as_shape
from tinygrad_lstm.ops.elementwise import cos, log, right_shift, sqrt
from tinygrad_lstm.ops.shape import concatenate, expand_dims, reshape, stack
from tinygrad_lstm.ops.source import arange_node, full_node

__all__ = ["bits", "fold_in", "key", "next_key", "normal", "seed", "split", "threefry2x32", "uniform"]


def _threefry(key: TensorType, counters: TensorType) -> TensorType:
    if key.dtype is not uint32 or counters.dtype is not uint32:
        raise DTypeError("key and counters are uint32; make keys with tl.random.key")
    if key.shape != (2,) or counters.shape[-1:] != (2,):
        raise ShapeError("a key has shape [2] and counters end in an axis of size 2")
    return counters


define("threefry2x32", _threefry, label="threefry", differentiable=False)


@function
def threefry2x32(key: Any, counters: Any) -> Tensor:
    """Two random words for each pair of counter words, a bijection that the key chooses.

    Shapes: key ``uint32[2]``, counters ``uint32[…, 2]`` → ``uint32[…, 2]``.

    >>> import tinygrad_lstm as tl
    >>> zero = tl.zeros(2, dtype=tl.uint32)
    >>> [hex(word) for word in tl.threefry2x32(zero, zero).tolist()]
    ['0x6b200159', '0x99ba4efe']
    """
    return make("threefry2x32", as_tensor(key), as_tensor(counters))


def key(seed: int) -> Tensor:
    """A key ``uint32[2]``: the high and the low word of a seed between 0 and 2⁶⁴ − 1.

    Raises:
        UsageError: for a seed outside that range.

    >>> import tinygrad_lstm as tl
    >>> print(tl.random.key(7))
    [0 7]
    """
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or not 0 <= int(seed) < 2**64:
        raise UsageError(f"a seed is an integer between 0 and 2**64 - 1, not {seed!r}")
    words: Tensor = apply("tensor", [int(seed) >> 32, int(seed) & 0xFFFFFFFF], dtype=uint32)
    return words


def bits(key: Any, shape: Any) -> Tensor:
    """Random words, ``uint32`` of the given shape.

    >>> import tinygrad_lstm as tl
    >>> print(tl.random.bits(tl.random.key(0), 2))
    [1797259609 2579123966]
    """
    target = as_shape(shape)
    count = 1
    for n in target:
        count *= n
    pairs = -(-count // 2)
    node = as_tensor(key)
    low = expand_dims(arange_node(pairs, uint32, node.device), 1)
    words = reshape(
        threefry2x32(node, concatenate([full_node(low.shape, 0, uint32, low.device), low], axis=1)), (2 * pairs,)
    )
    return reshape(words[:count], target)


def split(key: Any, count: int = 2) -> list[Tensor]:
    """``count`` new keys; do not use the old one again.

    >>> import tinygrad_lstm as tl
    >>> [k.shape for k in tl.random.split(tl.random.key(0), 3)]
    [(2,), (2,), (2,)]
    """
    words = bits(key, (count, 2))
    return [words[i] for i in range(count)]


def fold_in(key: Any, data: int) -> Tensor:
    """A new key for each integer ``data`` between 0 and 2³² − 1, such as a step or an index.

    >>> import tinygrad_lstm as tl
    >>> tl.random.fold_in(tl.random.key(0), 1).shape
    (2,)
    """
    node = as_tensor(key)
    # The high word keeps these counters apart from those of `bits`.
    return threefry2x32(node, stack([constant(1, uint32, node.device), constant(data, uint32, node.device)]))


def uniform(key: Any, shape: Any, low: float = 0.0, high: float = 1.0, dtype: Any = float32) -> Tensor:
    """Numbers from ``[0, 1)`` in equal steps, scaled to ``low … high``; rounding may then give ``high`` itself.

    >>> import tinygrad_lstm as tl
    >>> print(tl.random.uniform(tl.random.key(0), 2))
    [0.4184571  0.60049903]
    """
    kind, target = as_dtype(dtype), as_shape(shape)
    if not kind.is_float:
        raise DTypeError(f"random.uniform gives floats, not {kind}")
    if kind is float64:
        words = bits(key, (*target, 2))
        high_part = right_shift(words[..., 0], 5).astype(float64)
        unit = (high_part * 2.0**26 + right_shift(words[..., 1], 6).astype(float64)) * 2.0**-53
    else:
        places = 24 if kind is float32 else 11
        unit = right_shift(bits(key, target), 32 - places).astype(kind) * 2.0**-places
    return unit if (low, high) == (0.0, 1.0) else unit * (high - low) + low


def normal(key: Any, shape: Any, mean: float = 0.0, std: float = 1.0, dtype: Any = float32) -> Tensor:
    """Normally distributed numbers, by the method of Box and Muller (1958): ``√(−2 log u)·cos(2πv)``.

    >>> import tinygrad_lstm as tl
    >>> x = tl.random.normal(tl.random.key(0), 10_000)
    >>> abs(x.mean().item()) < 0.05
    True
    """
    target = as_shape(shape)
    both = uniform(key, (2, *target), dtype=dtype)
    unit = sqrt(-2.0 * log(1.0 - both[0])) * cos(2.0 * math.pi * both[1])
    return unit if (mean, std) == (0.0, 1.0) else unit * std + mean


class _Generator:
    """The keys for initialisers that are given none."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seed: int | None = None
        self.count = 0

    def next_key(self) -> Tensor:
        with self.lock:
            if self.seed is None:
                self.seed = secrets.randbits(64)
            self.count += 1
            return fold_in(key(self.seed), self.count)


_generator = _Generator()


def seed(n: int) -> None:
    """Restart the generator of the keys that initialisers use when they are given none.

    >>> import tinygrad_lstm as tl
    >>> tl.seed(0)
    >>> a = tl.nn.Linear(1, 1).weight.item()
    >>> tl.seed(0)
    >>> a == tl.nn.Linear(1, 1).weight.item()
    True
    """
    key(n)
    with _generator.lock:
        _generator.seed, _generator.count = int(n), 0


def next_key() -> Tensor:
    """The next key of the generator that ``tl.seed`` restarts."""
    return _generator.next_key()
