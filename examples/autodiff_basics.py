"""Autodiff in five steps: expressions, gradients, checks, loops, training.

Run it with ``python examples/autodiff_basics.py``; each step prints what its comment says.
"""

import tinygrad_lstm as tl


def expressions() -> None:
    """An expression is a graph; nothing is computed until a value is asked for."""
    x = tl.symbol("x")
    y = tl.sin(x**2)
    print("y           =", tl.text(y))
    print("y at 1      =", y.evaluate({x: 1.0}))
    print("as a graph:")
    print(tl.printed(y))


def derivatives() -> None:
    """A derivative is a graph too, so it has a derivative."""
    x = tl.symbol("x")
    y = tl.sin(x**2)
    first = tl.gradients(y, x)
    second = tl.gradients(first, x)
    print("dy/dx       =", tl.text(first))
    print("d²y/dx²     =", tl.text(second))
    print("at 1        =", first.evaluate({x: 1.0}), second.evaluate({x: 1.0}))


def referee() -> None:
    """The slope of a secant checks the slope of the tangent."""
    x = tl.symbol("x", dtype=tl.float64)
    y = tl.tanh(x) * tl.exp(-x)
    slope = tl.gradients(y, x).evaluate({x: 0.3})
    step = 1e-6
    secant = (y.evaluate({x: 0.3 + step}) - y.evaluate({x: 0.3 - step})) / (2 * step)
    print(f"tangent       {slope:.8f}")
    print(f"secant        {secant:.8f}")


def loops() -> None:
    """A loop is one node, and its gradient is a loop that runs the other way."""
    rate = tl.symbol("rate")
    payments = tl.ones(10)
    balance, _ = tl.scan(lambda b, p: (b * (1 + rate) + p, None), tl.tensor(0.0), payments)
    print("balance     =", balance.evaluate({rate: 0.05}))
    print("d/d rate    =", tl.gradients(balance, rate).evaluate({rate: 0.05}))


def training() -> None:
    """Parameters keep what changes: fit a line to five points."""
    x = tl.tensor([0.0, 1.0, 2.0, 3.0, 4.0])
    y = tl.tensor([1.1, 2.9, 5.2, 7.1, 8.8])
    slope, offset = tl.Parameter(0.0, name="slope"), tl.Parameter(0.0, name="offset")
    optimiser = tl.optim.SGD([slope, offset], lr=0.02, momentum=0.9)
    for _ in range(200):
        loss = tl.mean((slope * x + offset - y) ** 2)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    print(f"y ≈ {slope:.2f}·x + {offset:.2f}, mean square error {loss:.4f}")


if __name__ == "__main__":
    for part in (expressions, derivatives, referee, loops, training):
        print(f"— {part.__doc__}")
        part()
        print()
