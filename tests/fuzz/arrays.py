"""Shapes and contents of the arrays of random programs."""

import math
from random import Random

import numpy as np

from tests.fuzz.program import Array, Type

__all__ = ["contents", "counted", "factorised", "shape_of"]

SPECIAL = [
    math.nan,
    math.inf,
    -math.inf,
    0.0,
    -0.0,
    1.0,
    -1.0,
    5e-324,
    1e-40,
    -6e-8,
    6e4,
    3e38,
    -1e300,
    1e-4,
    88.0,
    700.0,
]
SIZES = (0, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7, 8, 9, 17)
INTEGERS = (0, 1, -1, 2, 3, 7, 31, 32, 63, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63), 100, -5)


def shape_of(random: Random, most: int = 200) -> tuple[int, ...]:
    """A shape of few elements, most of them odd ones."""
    rank = random.choice((0, 1, 1, 2, 2, 2, 3, 3, 4))
    if random.random() < 0.05:
        return random.choice([(0,), (0, 3), (2, 0), (1, 0, 2)])
    while True:
        shape = tuple(random.choice(SIZES) for _ in range(rank))
        if rank and random.random() < 0.02:
            # Enough for whole vectors, blocks of products and several threads.
            return random.choice(((33,), (257,), (1000,), (20, 33), (64, 17), (3, 64, 5), (70, 70)))
        if math.prod(shape) <= most:
            return shape


def counted(type_: Type) -> Array:
    """The plainest contents: 0, 1, 2, … 7, 0, …"""
    shape, dtype = type_
    count = np.arange(math.prod(shape)) % 8
    return np.asarray(count % 2 if dtype == "bool" else count).astype(dtype).reshape(shape)


def factorised(random: Random, size: int) -> tuple[int, ...]:
    """A shape of ``size`` elements."""
    if size == 0:
        return random.choice([(0,), (0, 3), (2, 0), (1, 0, 2)])
    shape: list[int] = []
    while size > 1 and len(shape) < 3 and random.random() < 0.8:
        divisors = [d for d in range(1, size + 1) if size % d == 0]
        shape.append(random.choice(divisors))
        size //= shape[-1]
    if size > 1 or random.random() < 0.1:
        shape.insert(random.randrange(len(shape) + 1), size)
    return tuple(shape)


def contents(random: Random, type_: Type, special: float) -> Array:
    """Values of one type; ``special`` is how likely each is to be an odd one."""
    shape, dtype = type_
    # A generator of NumPy's: some of the arrays are large, and drawing number by number would take half of the fuzz.
    drawn = np.random.default_rng(random.getrandbits(64))
    if dtype == "bool":
        return np.array(drawn.random(shape) < 0.5)
    values: Array
    if dtype.startswith("float"):
        # Small numbers of few digits, whose sums and products are exact, and ordinary ones.
        few = random.random() < 0.3
        scale = random.choice((1.0, 1.0, 1.0, 1.0, 0.1, 10.0, 300.0, 1e-4))
        values = drawn.integers(-8, 8, shape, endpoint=True) / 4 if few else drawn.normal(0, scale, shape)
        odd = np.array(SPECIAL)
    else:
        values = drawn.integers(-9, 9, shape, endpoint=True)
        # Each type takes the low bits of what is too large for it.
        odd = np.array([v % 2**64 for v in INTEGERS], dtype=np.uint64).astype(np.int64)
    with np.errstate(all="ignore"):
        if special:
            values = np.where(drawn.random(shape) < special, drawn.choice(odd, shape), values)
        return np.array(values).astype(dtype)
