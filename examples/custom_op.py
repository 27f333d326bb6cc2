"""An op of one's own: what it computes, of what shape, and its gradient. Run it with ``python examples/custom_op.py``.

First an elementwise function with a bend in it, then a product along a band of the input, with an attribute and a shape
of its own. Both are ops like every other: they are differentiated twice, run in a loop, are printed and drawn.
"""

from typing import Any

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm.testing import check_gradients

# x·σ(βx) with β = 1.702. The kernel works on any array module that looks like NumPy, which it gets as `xp`; the
# gradient is written in this package's ops, from the cotangent g of the result y.
quick_gelu = tl.define_op(
    "quick_gelu",
    shape=None,
    kernel=lambda xp, x: x / (1 + xp.exp(-1.702 * x)),
    gradient=lambda g, y, x: g * (tl.sigmoid(1.702 * x) + 1.702 * y * (1 - tl.sigmoid(1.702 * x))),
    label="gelu",
)


def _moving_kernel(xp: Any, x: Any, *, width: int) -> Any:
    total = xp.zeros((*x.shape[:-1], x.shape[-1] - width + 1), dtype=x.dtype)
    for k in range(width):
        total = total + x[..., k : k + total.shape[-1]]
    return total


def _moving_gradient(g: tl.Tensor, y: tl.Tensor, x: tl.Tensor, *, width: int) -> tl.Tensor:
    # Each x is a term of the sums that begin at most `width − 1` places before it: the gradient is such a sum of
    # cotangents.
    padded = tl.pad(g, [(0, 0)] * (g.ndim - 1) + [(width - 1, width - 1)])
    return moving_sum(padded, width=width)


moving_sum = tl.define_op(
    "moving_sum",
    shape=lambda x, *, width: (*x.shape[:-1], x.shape[-1] - width + 1),
    kernel=_moving_kernel,
    gradient=_moving_gradient,
)


def main() -> None:
    """Values, gradients, and the two in a loop."""
    x = tl.symbol("x")
    print("quick_gelu(1)     =", quick_gelu(1.0))
    print("its slope         =", tl.text(tl.gradients(quick_gelu(x), x)))
    print("moving_sum        =", moving_sum([1.0, 2.0, 3.0, 4.0], width=2))

    check_gradients(quick_gelu, np.linspace(-2, 2, 5), order=2)
    check_gradients(lambda v: moving_sum(v, width=3), np.arange(6.0), order=2)
    print("finite differences agree to second order")

    def step(state: tl.Tensor, value: tl.Tensor) -> tuple[tl.Tensor, tl.Tensor]:
        new = quick_gelu(state + value)
        return new, new

    start = tl.tensor(0.5)
    last, history = tl.scan(step, start, tl.ones(4))
    print("in a loop         =", history, "with slope", tl.gradients(last, start))


if __name__ == "__main__":
    main()
