"""Random numbers: keys, and what is drawn with them. Every number is a function of its key alone."""

import functools
import math
import os
import threading
from collections.abc import Callable
from typing import Any, ParamSpec

from tinygrad_lstm.errors import DTypeError, ShapeError, UsageError
from tinygrad_lstm.functions.arrangement import expand_dims, stack
from tinygrad_lstm.functions.quantile import normal_quantile
from tinygrad_lstm.graph.convert import as_tensor, constant, shared_device
from tinygrad_lstm.graph.dtypes import as_dtype, bfloat16, float32, float64, int64, uint32
from tinygrad_lstm.graph.registry import apply
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import as_shape, normalize_axis, whole
from tinygrad_lstm.graph.variables import Variable, settled, tracer
from tinygrad_lstm.ops.elementwise import cos, log, maximum, minimum, sqrt
from tinygrad_lstm.ops.index import take
from tinygrad_lstm.ops.integers import right_shift
from tinygrad_lstm.ops.logic import less
from tinygrad_lstm.ops.reduce import argmax
from tinygrad_lstm.ops.shape import broadcast_to, concatenate, reshape
from tinygrad_lstm.ops.sorting import argsort
from tinygrad_lstm.ops.source import arange_node, full_node
from tinygrad_lstm.ops.threefry import as_key, threefry2x32
from tinygrad_lstm.reflexes import RANDOM, answer

__all__ = [
    "bernoulli",
    "bits",
    "categorical",
    "check_seed",
    "fold_in",
    "key",
    "next_key",
    "normal",
    "permutation",
    "randint",
    "seed",
    "split",
    "threefry2x32",
    "truncated_normal",
    "uniform",
]


P = ParamSpec("P")


def key(seed: int) -> Tensor:
    """A key ``uint32[2]``: the high and the low word of a seed between 0 and 2⁶⁴ − 1.

    Raises:
        UsageError: for a seed outside that range.

    >>> print(tl.random.key(7))
    [0 7]
    """
    check_seed(seed)
    words: Tensor = apply("tensor", [int(seed) >> 32, int(seed) & 0xFFFFFFFF], dtype=uint32)
    return words


def check_seed(seed: Any) -> None:
    """Raise for a seed that :func:`key` refuses, without making a key.

    Raises:
        UsageError: for a seed that is no integer between 0 and 2⁶⁴ − 1.

    >>> check_seed(7)
    """
    number = whole(seed)
    if number is None or not 0 <= number < 2**64:
        raise UsageError(f"a seed is an integer between 0 and 2**64 - 1, not {seed!r}")


def _drawn(f: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """``f``, evaluated at once where its key is data, so that the graph does not show the rounds of the generator.

    In a trace, and where a tensor besides the key is an argument, the numbers stay operations.
    """

    @functools.wraps(f)
    def drawing(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        if len(args) > 1 and _is_key(args[1]) and not _is_key(args[0]):
            raise UsageError(f"random.{f.__name__}: the key comes first, tl.random.{f.__name__}(key, …)")
        result = f(*args, **kwargs)
        others = (*args[1:], *(value for name, value in kwargs.items() if name != "key"))
        if result.symbolic or tracer.get() is not None or any(isinstance(v, Tensor | Variable) for v in others):
            return result
        return settled((result,))[0]

    return drawing


def _is_key(value: Any) -> bool:
    return isinstance(value, Tensor | Variable) and value.dtype is uint32 and value.shape == (2,)


@_drawn
def bits(key: Any, shape: Any) -> Tensor:
    """Random words, ``uint32`` of the given shape.

    >>> print(tl.random.bits(tl.random.key(0), 2))
    [1797259609 2579123966]
    """
    target = as_shape(shape)
    count = 1
    for n in target:
        count *= n
    pairs = -(-count // 2)
    node = as_key(key)
    low = expand_dims(arange_node(pairs, uint32, node.device), 1)
    words = reshape(
        threefry2x32(node, concatenate([full_node(low.shape, 0, uint32, low.device), low], axis=1)), (2 * pairs,)
    )
    return reshape(words[:count], target)


def split(key: Any, count: int = 2) -> list[Tensor]:
    """``count`` new keys; do not use the old one again.

    >>> [k.shape for k in tl.random.split(tl.random.key(0), 3)]
    [(2,), (2,), (2,)]
    """
    words = bits(key, (count, 2))
    keys = [words[i] for i in range(count)]
    return keys if words.op != "leaf" else settled(keys)


@_drawn
def fold_in(key: Any, data: int) -> Tensor:
    """A new key for each integer ``data`` between 0 and 2³² − 1, such as a step or an index.

    >>> tl.random.fold_in(tl.random.key(0), 1).shape
    (2,)
    """
    node = as_key(key)
    # The high word is not 0, so that these counters differ from those of `bits`.
    return threefry2x32(node, stack([constant(1, uint32, node.device), constant(data, uint32, node.device)]))


@_drawn
def uniform(key: Any, shape: Any, low: float = 0.0, high: float = 1.0, dtype: Any = float32) -> Tensor:
    """Numbers from ``[0, 1)`` in equal steps, scaled to ``low … high``; rounding may then give ``high`` itself.

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
        places = {float32: 24, bfloat16: 8}.get(kind, 11)
        unit = right_shift(bits(key, target), 32 - places).astype(kind) * 2.0**-places
    if isinstance(low, int | float) and isinstance(high, int | float) and not low <= high:
        raise UsageError(f"random.uniform: low is at most high, got {low!r} and {high!r}")
    return unit if (low, high) == (0.0, 1.0) else unit * (high - low) + low


@_drawn
def normal(key: Any, shape: Any, mean: float = 0.0, std: float = 1.0, dtype: Any = float32) -> Tensor:
    """Normally distributed numbers, by the method of Box and Muller (1958): ``√(−2 log u)·cos(2πv)``.

    >>> x = tl.random.normal(tl.random.key(0), 10_000)
    >>> abs(x.mean().item()) < 0.05
    True
    """
    target = as_shape(shape)
    if isinstance(std, int | float) and not std >= 0:
        raise UsageError(f"random.normal: std is a number ≥ 0, not {std!r}")
    both = uniform(key, (2, *target), dtype=dtype)
    unit = sqrt(-2.0 * log(1.0 - both[0])) * cos(2.0 * math.pi * both[1])
    return unit if (mean, std) == (0.0, 1.0) else unit * std + mean


@_drawn
def truncated_normal(
    key: Any,
    shape: Any,
    low: float = -2.0,
    high: float = 2.0,
    mean: float = 0.0,
    std: float = 1.0,
    dtype: Any = float32,
) -> Tensor:
    """Normally distributed numbers, given that they lie between ``mean + std·low`` and ``mean + std·high``.

    By the inverse of the distribution function, ``Φ⁻¹(Φ(low) + u·(Φ(high) − Φ(low)))``, whose rational
    approximation has an error below 1e-15. In float64, bounds beyond ±8 change nothing.

    Source: M. Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics 37
    (1988).

    Raises:
        UsageError: unless ``low < high`` and there is room between them.
        DTypeError: when ``dtype`` is no float type.

    >>> x = tl.random.truncated_normal(tl.random.key(0), 1000, -1.0, 3.0)
    >>> bool(tl.min(x) >= -1.0), bool(tl.max(x) <= 3.0)
    (True, True)
    """
    kind, target = as_dtype(dtype), as_shape(shape)
    if not kind.is_float:
        raise DTypeError(f"random.truncated_normal gives floats, not {kind}")
    if not low < high:
        raise UsageError(f"random.truncated_normal: low is less than high, got {low!r} and {high!r}")
    mirrored = low > 0  # the distribution function is near 1 there, where it has no digits left
    a, b = (-high, -low) if mirrored else (low, high)
    first, last = (0.5 * math.erfc(-x / math.sqrt(2.0)) for x in (a, b))
    if not first < last:
        raise UsageError(
            f"random.truncated_normal: the probability between {low!r} and {high!r} is 0 in float64; "
            "choose bounds nearer to 0"
        )
    drawn, places = (float64, 53) if kind is float64 else (float32, 24)
    # u is the lower end of an interval; its middle is never 0 or 1.
    u = uniform(key, target, dtype=drawn).astype(float64) + 2.0 ** -(places + 1)
    p = minimum(u * (last - first) + first, 1.0 - 2.0**-53)
    unit = minimum(maximum(normal_quantile(p), a), b)
    return ((-unit if mirrored else unit) * std + mean).astype(kind)


@_drawn
def bernoulli(key: Any, p: Any = 0.5, shape: Any = None) -> Tensor:
    """Bools that are True with probability ``p``, a number or an array of numbers, to within 2⁻²⁴.

    Args:
        shape: of the result, which ``p`` broadcasts to; that of ``p`` by default.

    >>> print(tl.random.bernoulli(tl.random.key(0), [0.0, 1.0]))
    [False  True]
    """
    if isinstance(p, int | float) and not 0 <= p <= 1:
        raise UsageError(f"random.bernoulli: p is a probability from 0 to 1, not {p!r}")
    chance = as_tensor(p, device=shared_device(key))
    if not chance.dtype.is_float:
        chance = chance.astype(float32)
    kind = float64 if chance.dtype is float64 else float32
    target = chance.shape if shape is None else as_shape(shape)
    return less(uniform(key, target, dtype=kind), broadcast_to(chance.astype(kind), target))


_WIDEST = 2**32


@_drawn
def randint(key: Any, shape: Any, low: int, high: int, dtype: Any = int64) -> Tensor:
    """Integers from ``low`` to ``high − 1``: the same ones on every backend.

    Each is ``low + ⌊u·(high − low)⌋`` for a ``u`` of 53 random bits. So the probabilities of two integers differ by at
    most 2⁻⁵³, which is ``(high − low)·2⁻⁵³`` of a probability.

    Raises:
        UsageError: when there is no integer between the bounds, or when they are more than 2³² apart.
        DTypeError: when ``dtype`` is no integer type, or does not hold the bounds.

    >>> print(tl.random.randint(tl.random.key(0), 5, 0, 10))
    [4 2 9 5 5]
    """
    kind = as_dtype(dtype)
    if kind.kind not in "iu":
        raise DTypeError(f"random.randint gives integers, not {kind}")
    for bound in (low, high):
        if whole(bound) is None:
            raise UsageError(f"random.randint: the bounds are integers, not {bound!r}")
    if not 0 < high - low <= _WIDEST:
        raise UsageError(f"random.randint: low is less than high, and by 2**32 at most; got {low} and {high}")
    for bound in (low, high - 1):
        constant(bound, kind)  # raises where the bound does not fit the type
    steps = (uniform(key, shape, dtype=float64) * float(high - low)).astype(int64)
    return (steps + low).astype(kind)


@_drawn
def permutation(key: Any, x: Any, axis: int = 0) -> Tensor:
    """The slices of ``x`` along ``axis`` in a random order; for an integer ``x`` the integers below it.

    They are sorted by numbers of 53 random bits.

    Raises:
        UsageError: for an integer below 0.
        ShapeError: for an array without axes.

    >>> print(tl.random.permutation(tl.random.key(0), 5))
    [1 0 4 3 2]
    """
    if isinstance(x, int) and not isinstance(x, bool):
        if x < 0:
            raise UsageError(f"random.permutation: a count is an integer of at least 0, not {x}")
        return argsort(uniform(key, x, dtype=float64))
    node = as_tensor(x, device=shared_device(key))
    if not node.shape:
        raise ShapeError(f"random.permutation: {node.type} has no axis to permute; for a range give a plain integer")
    place = normalize_axis(axis, node.ndim)
    return take(node, argsort(uniform(key, node.shape[place], dtype=float64)), place)


@_drawn
def categorical(key: Any, logits: Any, shape: Any = ()) -> Tensor:
    """Indices (int64) along the last axis of ``logits``, each with probability ``softmax(logits)``.

    Gumbel's trick: ``argmax(logits − log(−log u))``. A logit of −inf is never chosen.

    Args:
        shape: how many are drawn for each row; the axes come before those of the rows.

    Shapes: ``logits (…, n)`` → ``(*shape, …)``.

    Raises:
        ShapeError: when there is nothing to choose from.

    >>> print(tl.random.categorical(tl.random.key(0), [[-float("inf"), 0.0], [9.0, -9.0]]))
    [1 0]
    """
    scores = as_tensor(logits, device=shared_device(key))
    if not scores.dtype.is_float:
        scores = scores.astype(float32)
    if not scores.shape or not scores.shape[-1]:
        raise ShapeError(f"random.categorical: the logits are {scores.type}; the last axis holds the choices")
    target = (*as_shape(shape), *scores.shape)
    kind, places = (float64, 53) if scores.dtype is float64 else (float32, 24)
    # u is never 0, where the noise would be −inf. Where it is 1, the middle of the last interval stands for it.
    u = 1.0 - uniform(key, target, dtype=kind)
    noise = -log(maximum(-log(u), 2.0 ** -(places + 1)))
    return argmax(scores.astype(kind) + noise, -1)


class _Generator:
    """The source of keys for initialisers that are given none."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seed: int | None = None
        self.count = 0

    def next_key(self) -> Tensor:
        with self.lock:
            if self.seed is None:
                self.seed = int.from_bytes(os.urandom(8), "big")
            self.count += 1
            return fold_in(key(self.seed), self.count)


_generator = _Generator()


def _after_fork() -> None:
    # After a fork another thread of the parent may hold the lock, and no thread here would release it.
    _generator.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def seed(n: int) -> None:
    """Restart the generator of the keys that initialisers use when they are given none.

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


answer(__name__, "tl.random", RANDOM)
