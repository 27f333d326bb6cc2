"""A cell of one's own: write the equations, and training, drawing and gradients follow.

The minimal gated unit has one gate that both forgets and resets (G. Zhou et al., "Minimal gated unit for recurrent
neural networks", 2016)::

    f_t = σ(W_f·[h_{t−1}, x_t] + b_f)
    h̃_t = tanh(W_h·[f_t∘h_{t−1}, x_t] + b_h)
    h_t = (1 − f_t)∘h_{t−1} + f_t∘h̃_t

Run it with ``python examples/custom_cell.py [picture.svg]``.
"""

import sys

import tinygrad_lstm as tl

INPUT, HIDDEN, STEPS, BATCH = 1, 16, 12, 64


class MinimalGatedUnit(tl.nn.Module):
    """A cell with two thirds of the weights of a GRU."""

    role = "cell"

    def __init__(self, input_size: int, hidden_size: int, *, key: tl.Tensor) -> None:
        self.input_size, self.hidden_size = input_size, hidden_size
        k_forget, k_candidate = tl.random.split(key)
        self.forget = tl.nn.Linear(hidden_size + input_size, hidden_size, key=k_forget)
        self.candidate = tl.nn.Linear(hidden_size + input_size, hidden_size, key=k_candidate)

    def zeros(self, batch: int) -> tl.Tensor:
        """The state before the first step."""
        return tl.zeros((batch, self.hidden_size))

    def forward(self, x: tl.Tensor, h: tl.Tensor) -> tl.Tensor:
        """The equations."""
        with tl.scope("forget gate", role="gate"):
            f = tl.sigmoid(self.forget(tl.concatenate([h, x], axis=-1))).named("f_t")
        reset = tl.concatenate([f * h, x], axis=-1)
        with tl.scope("candidate", role="layer"):
            candidate = tl.tanh(self.candidate(reset)).named("h̃_t")
        return ((1 - f) * h + f * candidate).named("h_t")


class Recall(tl.nn.Module):
    """Answers with the first number of a sequence: the cell over time, and a linear layer on its last state."""

    def __init__(self, *, key: tl.Tensor) -> None:
        k_cell, k_output = tl.random.split(key)
        self.recurrent = tl.nn.Recurrent(MinimalGatedUnit(INPUT, HIDDEN, key=k_cell))
        self.output = tl.nn.Linear(HIDDEN, 1, key=k_output)

    def forward(self, x: tl.Tensor) -> tl.Tensor:
        """An answer ``(batch,)`` to numbers ``(steps, batch, 1)``."""
        outputs, _ = self.recurrent(x)
        return self.output(outputs[-1])[:, 0]


def main() -> None:
    """Train it to remember, and draw it."""
    model = Recall(key=tl.random.key(0))
    optimizer = tl.optim.Adam(model.parameters())
    steps = 300
    rate = tl.optim.schedules.one_cycle(0.05, steps)
    for step in range(steps):
        x = tl.random.uniform(tl.random.fold_in(tl.random.key(1), step), (STEPS, BATCH, 1), -1.0, 1.0)
        loss = tl.nn.mse(model(x), x[0, :, 0])
        loss.backward()
        optimizer.lr = rate(step)
        optimizer.step()
        optimizer.zero_grad()
        if step % 100 == 0 or step == steps - 1:
            print(f"step {step}: mean squared error {loss.item():.4f}")
    if len(sys.argv) > 1:
        tl.draw.cell(model.recurrent.cells[0]).save(sys.argv[1])
        print("The picture of the cell is in", sys.argv[1])


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("custom_cell: interrupted")
