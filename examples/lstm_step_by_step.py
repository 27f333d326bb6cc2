"""One step of an LSTM, one equation after the other, and then the same through the module.

Run it with ``python examples/lstm_step_by_step.py [picture.svg]``.
"""

import sys

import tinygrad_lstm as tl

INPUT, HIDDEN = 3, 4


def step(cell: tl.nn.LSTMCell, x_t: tl.Tensor, h: tl.Tensor, c: tl.Tensor) -> tuple[tl.Tensor, tl.Tensor]:
    """The four layers and the conveyor belt, written out."""
    hx = tl.concatenate([h, x_t], axis=-1)
    print("1. What to throw away: the forget gate looks at [h, x] and gives a number in (0, 1) for each place of C.")
    f = tl.sigmoid(hx @ cell.forget.weight + cell.forget.bias)
    print("   f =", f)
    print("2. What to store: the input gate chooses the places, the candidate layer proposes the values.")
    i = tl.sigmoid(hx @ cell.input.weight + cell.input.bias)
    candidate = tl.tanh(hx @ cell.candidate.weight + cell.candidate.bias)
    print("   i =", i)
    print("   C̃ =", candidate)
    print("3. Update: the old state is multiplied, the new is added. Nothing else touches the conveyor belt.")
    c = f * c + i * candidate
    print("   C =", c)
    print("4. What to put out: a filtered view of the state.")
    o = tl.sigmoid(hx @ cell.output.weight + cell.output.bias)
    h = o * tl.tanh(c)
    print("   o =", o)
    print("   h =", h)
    return h, c


def main() -> None:
    """Walk one step, compare it with the module, and look at a gradient through time."""
    cell = tl.nn.LSTMCell(INPUT, HIDDEN, key=tl.random.key(0))
    x_t = tl.tensor([[1.0, -1.0, 0.5]])
    state = cell.zeros(batch=1)
    h, _ = step(cell, x_t, *state)

    same = cell(x_t, state).h
    print("\nThe module computes the same:", bool(tl.max(tl.abs(h - same)) < 1e-6))

    # The gradient of the last output by the first input: how much the start still matters at the end.
    for kind, layer in [
        ("RNN", tl.nn.RNN(INPUT, HIDDEN, key=tl.random.key(1))),
        ("LSTM", tl.nn.LSTM(INPUT, HIDDEN, key=tl.random.key(1))),
    ]:
        x = tl.random.normal(tl.random.key(2), (50, 1, INPUT))
        outputs, _ = layer(x)
        slopes = tl.sqrt((tl.gradients(outputs[-1].sum(), x) ** 2).sum(axis=(1, 2)))
        print(f"{kind:5s}|∂h_50/∂x_t| at t = 50, 40, 30: " + ", ".join(f"{slopes[t]:.1e}" for t in (49, 39, 29)))

    if len(sys.argv) > 1:
        tl.draw.cell(cell).save(sys.argv[1])
        print("The picture of the cell is in", sys.argv[1])


if __name__ == "__main__":
    main()
