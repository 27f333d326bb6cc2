"""The first values of weights: each function returns an initialiser ``(key, shape, dtype) -> Tensor``.

A weight has the shape ``(inputs, outputs)``; more axes in front of these count as one more of inputs and outputs each,
as in a convolution.
"""

import math
from collections.abc import Callable
from typing import Any

from tinygrad_lstm.errors import ShapeError, UsageError
from tinygrad_lstm.functions import random
from tinygrad_lstm.functions.arrangement import expand_dims, swapaxes
from tinygrad_lstm.functions.filling import arange, zeros
from tinygrad_lstm.graph.dtypes import as_dtype, float32, float64, int64
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import Shape, as_shape
from tinygrad_lstm.ops.elementwise import sqrt
from tinygrad_lstm.ops.logic import where
from tinygrad_lstm.ops.loop import scan
from tinygrad_lstm.ops.shape import reshape
from tinygrad_lstm.reflexes import INITIALISERS, answer

__all__ = [
    "Initializer",
    "he_normal",
    "he_uniform",
    "normal",
    "orthogonal",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
]

Initializer = Callable[..., Tensor]
"""``init(key, shape, dtype=float32)`` returns the first value of a Parameter."""


def uniform(low: float = -0.1, high: float = 0.1) -> Initializer:
    """Uniform between ``low`` and ``high``.

    >>> w = tl.Parameter(uniform(-1, 1)(tl.random.key(0), (2, 3)))
    >>> w.shape, bool(tl.max(tl.abs(w)) <= 1)
    ((2, 3), True)
    """
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise UsageError(f"initializers.uniform: low ≤ high are finite numbers, not {low} and {high}")

    def init(key: Any, shape: Any, dtype: Any = float32) -> Tensor:
        return random.uniform(key, shape, low, high, dtype)

    return init


def normal(mean: float = 0.0, std: float = 0.01) -> Initializer:
    """Normal with mean ``mean`` and deviation ``std``.

    >>> w = normal(std=2.0)(tl.random.key(0), (100, 100))
    >>> 1.9 < tl.sqrt(tl.mean(w * w)).item() < 2.1
    True
    """
    if not (math.isfinite(mean) and 0 <= std < math.inf):
        raise UsageError(f"initializers.normal: the deviation is a finite number ≥ 0, not {std} (and the mean {mean})")

    def init(key: Any, shape: Any, dtype: Any = float32) -> Tensor:
        return random.normal(key, shape, mean, std, dtype)

    return init


def xavier_uniform(gain: float = 1.0) -> Initializer:
    """Uniform in ``±gain·√(6 / (inputs + outputs))``: signals and gradients keep their size through a linear layer.

    Source: X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.

    >>> layer = tl.nn.Linear(4, 2, key=tl.random.key(0), init=xavier_uniform())
    >>> bool(tl.max(tl.abs(layer.weight)) <= 1)  # √(6 / 6)
    True
    """
    return _scaled(lambda inputs, outputs: gain * math.sqrt(2 / (inputs + outputs)), even=True)


def xavier_normal(gain: float = 1.0) -> Initializer:
    """Normal with deviation ``gain·√(2 / (inputs + outputs))``; see :func:`xavier_uniform`.

    >>> w = xavier_normal()(tl.random.key(0), (100, 100))
    >>> 0.095 < tl.sqrt(tl.mean(w * w)).item() < 0.105  # √(2 / 200) = 0.1
    True
    """
    return _scaled(lambda inputs, outputs: gain * math.sqrt(2 / (inputs + outputs)), even=False)


def he_uniform(gain: float = math.sqrt(2)) -> Initializer:
    """Uniform in ``±gain·√(3 / inputs)``: signals keep their size through a layer with a relu behind it.

    Source: K. He et al., "Delving deep into rectifiers", 2015.

    >>> bool(tl.max(tl.abs(he_uniform()(tl.random.key(0), (6, 50)))) <= 1)  # √2·√(3 / 6)
    True
    """
    return _scaled(lambda inputs, outputs: gain / math.sqrt(inputs), even=True)


def he_normal(gain: float = math.sqrt(2)) -> Initializer:
    """Normal with deviation ``gain / √inputs``; see :func:`he_uniform`.

    >>> w = he_normal()(tl.random.key(0), (200, 50))
    >>> 0.095 < tl.sqrt(tl.mean(w * w)).item() < 0.105  # √(2 / 200) = 0.1
    True
    """
    return _scaled(lambda inputs, outputs: gain / math.sqrt(inputs), even=False)


def orthogonal(gain: float = 1.0) -> Initializer:
    """``gain`` times a matrix with orthonormal rows or columns, whichever are fewer; all such are equally likely.

    Powers of such a square matrix neither grow nor shrink a signal, which is good for recurrent weights.

    Source: A. Saxe, J. McClelland, S. Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear
    neural networks", 2014. The rows of a normal matrix are made orthogonal by the method of Gram and Schmidt, each
    projected twice, in float64.

    >>> w = orthogonal()(tl.random.key(0), (3, 5))
    >>> bool(tl.max(tl.abs(w @ w.T @ w - w)) < 1e-6)
    True
    """

    def init(key: Any, shape: Any, dtype: Any = float32) -> Tensor:
        size = as_shape(shape)
        if len(size) < 2:
            raise ShapeError(f"initializers.orthogonal: a weight has at least two axes, not the shape {list(size)}")
        rows, columns = math.prod(size[:-1]), size[-1]
        drawn = random.normal(key, (min(rows, columns), max(rows, columns)), dtype=float64)
        rotated = gain * _orthonormal_rows(drawn)
        return reshape(swapaxes(rotated, 0, 1) if rows > columns else rotated, size).astype(as_dtype(dtype))

    return init


def _orthonormal_rows(matrix: Tensor) -> Tensor:
    count = matrix.shape[0]
    places = arange(count, device=matrix.device)

    def step(done: Tensor, now: tuple[Tensor, Tensor]) -> tuple[Tensor, None]:
        place, row = now
        for _ in range(2):  # the second time removes what rounding has left
            row = row - (done @ row) @ done
        row = row / sqrt((row * row).sum())
        return where(expand_dims(places == place, 1), row, done), None

    rows, _ = scan(step, zeros(matrix.shape, matrix.dtype, matrix.device), (places.astype(int64), matrix))
    result: Tensor = rows
    return result


def _scaled(deviation: Callable[[int, int], float], even: bool) -> Initializer:
    """An initialiser of mean 0 with a deviation by the inputs and outputs; uniform if ``even``, else normal."""

    def init(key: Any, shape: Any, dtype: Any = float32) -> Tensor:
        size = as_shape(shape)
        std = deviation(*_fans(size))
        if even:
            bound = math.sqrt(3) * std
            return random.uniform(key, size, -bound, bound, dtype)
        return random.normal(key, size, 0.0, std, dtype)

    return init


def _fans(shape: Shape) -> tuple[int, int]:
    if len(shape) < 2 or 0 in shape:
        raise ShapeError(
            f"an initialiser that counts inputs and outputs wants at least two axes, none of them empty, not the "
            f"shape {list(shape)}; start biases with initializers.uniform or zeros"
        )
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


answer(__name__, "tl.nn.initializers", INITIALISERS)
