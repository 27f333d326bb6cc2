"""One model on every backend that works here. Run it with ``python examples/switching_backends.py``.

A backend executes graphs, op by op or, under ``tl.jit``, as a compiled program; the model does not know which one does.
It is chosen by its name for a ``with`` block, and what cannot be had, such as a GPU in a machine without one, is said
in a sentence.
"""

import time
from typing import NamedTuple

import numpy as np

import tinygrad_lstm as tl


class Run(NamedTuple):
    """The results of a backend, and its milliseconds op by op and compiled."""

    bits: np.ndarray
    loss: np.ndarray
    gradient: np.ndarray
    op_by_op: float
    compiled: float


def run() -> Run:
    """Random bits, and a loss with a gradient, on the backend in use."""
    bits = tl.random.bits(tl.random.key(7), 8)
    # The values of the model and of x are drawn on the backend's device, from keys: no array travels there.
    lstm = tl.nn.LSTM(16, 32, key=tl.random.key(0))
    x = tl.random.normal(tl.random.key(1), (20, 8, 16))

    def loss_and_gradient(x: tl.Tensor) -> tuple[tl.Tensor, tl.Tensor]:
        outputs, _ = lstm(x)
        loss = (outputs * outputs).mean()
        return loss, tl.gradients(loss, lstm.cells[0].forget.weight)

    times = []
    for function in (loss_and_gradient, tl.jit(loss_and_gradient)):
        for _ in range(3):  # the first call loads libraries, and compiles
            start = time.perf_counter()
            loss, gradient = tl.evaluate(*function(x))
            took = 1e3 * (time.perf_counter() - start)
        times.append(took)
    return Run(bits.numpy(), loss.numpy(), gradient.numpy(), *times)


def compare(name: str, expected: Run) -> None:
    """Run another backend: its bits are the same, and its numbers are the same except for rounding."""
    with tl.use_backend(name):
        result = run()
        device = tl.zeros(1).device
    print(f"{name} on {device}: loss {result.loss:.6f}, {result.op_by_op:.1f} ms, under jit {result.compiled:.1f} ms")
    print("  the same random bits:", np.array_equal(result.bits, expected.bits))
    print("  the same loss:       ", np.allclose(result.loss, expected.loss, rtol=1e-5))
    print("  the same gradient:   ", np.allclose(result.gradient, expected.gradient, rtol=1e-4, atol=1e-6))


def move() -> None:
    """A tensor lives on the device where it was made, until it is sent to another."""
    x = tl.tensor([1.0, 2.0])
    print("x is on", x.device, "and .to('cpu') changes nothing:", x.to("cpu") is x)
    try:
        with tl.use_backend("cupy"):
            y = tl.tensor([3.0, 4.0])
        print("y is on", y.device, "and x joins it there:", x.to(y.device) + y)
    except tl.errors.BackendError as error:
        print("without a GPU use_backend('cupy') says:", error)
    try:
        print("the sum came from", x.to("cuda").device)
    except tl.errors.BackendError as error:
        print("and x.to('cuda'):", error)


def main() -> None:
    """List the backends, run the model on each, move a tensor."""
    print("installed:", ", ".join(tl.backend_names()))  # this imports no backend
    for status in tl.describe_backends():
        print(f"  {status.name}: {'' if status.usable else 'not usable here, '}{status.detail}")
    with tl.use_backend("numpy"):
        expected = run()
    for status in tl.describe_backends():
        if status.usable:
            compare(status.name, expected)
    move()


if __name__ == "__main__":
    main()
