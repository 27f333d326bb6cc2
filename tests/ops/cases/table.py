"""ONE table of cases for all operations: what drives the tests of values, of gradients, and of the same in a loop.

A case is a function of tensors, its referee on NumPy arrays, and the inputs. ``ulps`` is the difference allowed in
units of the last place of the result: 0 wants the same bits (any nan is as good as another). A ``smooth`` case has
float64 inputs at which the function has two derivatives; it runs in float32 and float16 as well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["CASES", "Array", "Case", "case", "rounded", "smooth", "values"]

Array = np.ndarray[Any, Any]
FLOATS = (np.float16, np.float32, np.float64)
INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.5, 6e-8, 700.0, -700.0, 12.0, -12.0]


@dataclass(frozen=True, eq=False)
class Case:
    name: str
    f: Callable[..., Any]
    referee: Callable[..., Any]
    inputs: tuple[Array, ...]
    ulps: float = 0
    smooth: bool = False
    absolute: float = 0.0
    """A further difference allowed, in ulps of 1 or of the largest input: for sums, whose terms can cancel."""

    def __str__(self) -> str:
        shapes = "-".join(f"{x.dtype.char}{list(x.shape)}".replace(" ", "") for x in self.inputs)
        return f"{self.name}-{shapes}"


CASES: list[Case] = []


def case(name: str, f: Callable[..., Any], referee: Callable[..., Any], *inputs: Any, **options: Any) -> None:
    CASES.append(Case(name, f, referee, tuple(np.asarray(x) for x in inputs), **options))


def smooth(name: str, f: Callable[..., Any], referee: Callable[..., Any], *inputs: Any, **options: Any) -> None:
    case(name, f, referee, *inputs, smooth=True, **options)


def rounded(f: Callable[..., Any]) -> Callable[..., Array]:
    """``f`` computed in extended precision, and rounded once to the type of the inputs."""

    def referee(*arrays: Array) -> Array:
        dtype = next(a.dtype for a in arrays if a.dtype.kind == "f")
        wide = [a.astype(np.longdouble) if a.dtype.kind == "f" else a for a in arrays]
        return np.asarray(f(*wide)).astype(dtype)

    return referee


def values(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> Array:
    """Numbers between ``low`` and ``high``, none of them near another or near 0."""
    count = int(np.prod(shape))
    grid = low + (high - low) * (np.arange(count) + 0.3 + 0.04 * seed) / max(count, 1)
    return np.random.default_rng(seed).permutation(grid).reshape(shape)
