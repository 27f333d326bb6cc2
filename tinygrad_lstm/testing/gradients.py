"""``check_gradients``: gradients against finite differences."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.errors import DTypeError, GradientMismatchError, UsageError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.dtypes import float64
from tinygrad_lstm.graph.structure import flatten, paths, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.ops.source import symbol
from tinygrad_lstm.runtime.evaluation import evaluated

__all__ = ["check_gradients"]

Array = NDArray[np.float64]


def check_gradients(
    f: Callable[..., Any],
    *xs: Any,
    order: int = 2,
    eps: float = 1e-5,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    seed: int = 0,
) -> None:
    """Assert that the gradients of ``f`` at ``xs`` agree with central finite differences, all in float64.

    With random weights ``w`` for the results, ``s(x) = Σ w·f(x)`` is a number, and for each input and a random
    direction ``v`` of length 1 order 1 asserts ``⟨∇s, v⟩ = (s(x + εv) − s(x − εv)) / 2ε``. Order 2 asserts the same
    of ``⟨∇s, u⟩`` for random ``u``, and so on. It runs on the backend in use.

    Args:
        f: a function of tensors that gives a tensor or a nested structure of them; it is called once, on symbols.
        xs: where to check: floats, arrays of floats of any shapes, or nested structures of them.
        order: the highest order of derivative to check, from 1.
        eps: the step ``ε``.
        rtol: the difference allowed, as a part of the gradient's length.
        atol: the difference allowed besides, and besides the rounding that the step magnifies.
        seed: for the random weights and directions.

    Raises:
        GradientMismatchError: an AssertionError that names the order, the input, and both numbers.
        DTypeError: for an input that holds no floats.

    >>> check_gradients(lambda x, y: tl.tanh(x @ y), np.array([0.5, -1.0]), np.ones((2, 3)))
    >>> try:
    ...     check_gradients(lambda x: x * tl.stop_gradient(x), 3.0)
    ... except AssertionError as error:
    ...     print(str(error).partition(":")[0])
    order 1, input xs[0] f64[]
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise UsageError(f"check_gradients: order is an integer of at least 1, not {order!r}")
    leaves, structure = flatten(tuple(xs))
    names = paths(structure, "xs")
    point = [_floats(name, x) for name, x in zip(names, leaves, strict=True)]
    if not point:
        raise UsageError("check_gradients: there is no input to differentiate by; give the arguments of f")
    inputs = [symbol(name, x.shape, float64) for name, x in zip(names, point, strict=True)]
    random = np.random.default_rng(seed)

    results: list[Tensor] = [as_tensor(y) for y in flatten(f(*unflatten(structure, inputs)))[0]]
    for k in range(1, order + 1):
        weights = [random.normal(size=y.shape) for y in results]
        cotangents = [w.astype(y.dtype.name) for w, y in zip(weights, results, strict=True)]
        # The gradient of a linear function depends on no input.
        slopes: list[Tensor] = gradients(results, inputs, cotangents, allow_unused=True)
        _compare(k, results, weights, slopes, inputs, point, random, eps, rtol, atol)
        results = slopes


def _floats(name: str, value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype.kind != "f":
        raise DTypeError(
            f"check_gradients: {name} holds {array.dtype}, not floats; write 1.0 in place of 1, or let f close over it"
        )
    return array.astype(np.float64)


def _compare(
    order: int,
    results: Sequence[Tensor],
    weights: Sequence[Array],
    slopes: Sequence[Tensor],
    inputs: Sequence[Tensor],
    point: Sequence[Array],
    random: np.random.Generator,
    eps: float,
    rtol: float,
    atol: float,
) -> None:
    """Assert that the slopes agree with central differences along random directions."""

    def values(tensors: Sequence[Tensor], at: Sequence[Array]) -> list[Array]:
        results_at = evaluated(tuple(tensors), dict(zip(inputs, at, strict=True)))
        return [np.asarray(t.numpy(), np.float64) for t in results_at]

    def weighted(at: Sequence[Array]) -> tuple[float, float]:
        parts = [w * y for w, y in zip(weights, values(results, at), strict=True)]
        return sum(float(p.sum()) for p in parts), sum(float(np.abs(p).sum()) for p in parts)

    for k, (x, slope) in enumerate(zip(inputs, values(slopes, point), strict=True)):
        direction = random.normal(size=x.shape)
        direction /= max(float(np.linalg.norm(direction)), 1e-300)
        ahead, size = weighted([p + eps * direction if i == k else p for i, p in enumerate(point)])
        behind, _ = weighted([p - eps * direction if i == k else p for i, p in enumerate(point)])
        numeric = (ahead - behind) / (2 * eps)
        analytic = float(np.vdot(slope, direction))
        rounding = 16 * np.finfo(np.float64).eps * size / eps
        allowed = atol + rounding + rtol * max(float(np.linalg.norm(slope)), abs(numeric))
        if not abs(analytic - numeric) <= allowed:  # also true where one is nan
            raise GradientMismatchError(
                f"order {order}, input {x.attrs['name']} {x.type}: the gradient along a random direction is "
                f"{analytic:.10g}, finite differences give {numeric:.10g}; allowed is a difference of {allowed:.1g}. "
                "A gradient rule is wrong, or f is not smooth here; check its parts one by one"
            )
