"""Cases of nodes that have no kernel, or give back their input."""

import numpy as np

import tinygrad_lstm as tl
from tests.ops.cases.table import SPECIAL, Array, case, smooth, values

__all__ = ["add"]


def add() -> None:
    """What has no kernel, or gives back its input."""
    x = values(3, 2, seed=12)
    case("leaf", lambda: tl.tensor(np.array(SPECIAL)), lambda: np.array(SPECIAL))
    case("constant", lambda: tl.tensor(2.0) * 3 - 0.0, lambda: np.float32(6))
    case("arange", lambda: tl.arange(4), lambda: np.arange(4))
    case("arange", lambda: tl.arange(0, dtype=tl.float32), lambda: np.arange(0, dtype=np.float32))
    case("arange", lambda: tl.arange(5, -2, -3), lambda: np.arange(5, -2, -3))
    case("linspace", lambda: tl.linspace(0, 3, 7), lambda: np.linspace(0, 3, 7).astype(np.float32))
    case("eye", lambda: tl.eye(2, 3), lambda: np.eye(2, 3, dtype=np.float32))
    smooth("full_like", lambda x: tl.full_like(x, 2.0) * x, lambda x: np.full_like(x, 2.0) * x, x)
    smooth("symbol", lambda x: x, lambda x: x, x)
    smooth("named", lambda x: tl.named(x, "x"), lambda x: x, x)
    case("stop_gradient", tl.stop_gradient, lambda x: x, x)
    smooth("scan", lambda x: tl.scan(lambda c, v: (c * v, c + v), x[0], x), looped, x, ulps=2, absolute=8.0)
    smooth("item", lambda x: tl.scan(lambda c, v: (c, v), x[0], x)[1], lambda x: x, x)
    smooth("call", tl.checkpoint(lambda x: tl.sin(x) * x), lambda x: np.sin(x) * x, x, ulps=6)
    smooth("call", tl.checkpoint(lambda x: tl.sin(x) * x), lambda x: np.sin(x) * x, x, ulps=4)
    for sign in (1, -1):

        def chosen(x: tl.Tensor, sign: int = sign) -> tl.Tensor:
            return tl.cond((x * x).sum() * sign > 0, lambda x: tl.sin(x) * x, lambda x: tl.cos(x) + x, x)

        then, other = (lambda x: np.sin(x) * x), (lambda x: np.cos(x) + x)
        smooth("branch", chosen, then if sign == 1 else other, x, ulps=6)
    case("while_loop", lambda x: tl.while_loop(lambda v: tl.max(v) < 50, lambda v: v * 2, x), doubled, x)
    zero = np.zeros(2, np.uint32)
    drawn = np.array([0x6B200159, 0x99BA4EFE], np.uint32)
    case("threefry2x32", tl.threefry2x32, lambda key, counters: drawn, zero, zero)

    def slope(x: tl.Tensor) -> tl.Tensor:
        return tl.gradients(tl.scan(lambda c, v: (tl.sin(tl.sin(c) * v), None), x[0], x)[0], x)

    smooth("stacked", slope, slope_of_sines, x, ulps=16, absolute=8.0)


def doubled(x: Array) -> Array:
    while x.max() < 50:
        x = x * 2
    return x


def looped(x: Array) -> tuple[Array, Array]:
    carry, ys = x[0], []
    for v in x:
        carry, y = carry * v, carry + v
        ys.append(y)
    return carry, np.array(ys)


def slope_of_sines(x: Array) -> Array:
    """The derivative of c ← sin(sin(c)·v), by hand."""
    carries = [x[0]]
    for v in x:
        carries.append(np.sin(np.sin(carries[-1]) * v))
    d, found = np.ones_like(x[0]), np.zeros_like(x)
    for t in reversed(range(len(x))):
        inner = d * np.cos(np.sin(carries[t]) * x[t])
        found[t] = inner * np.sin(carries[t])
        d = inner * x[t] * np.cos(carries[t])
    found[0] += d
    return found
