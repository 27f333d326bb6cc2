"""``TrialNetwork``: the networks of all trials of a task as one module, and the sizes that make cells comparable."""

from collections.abc import Sequence
from typing import Final

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Parameter
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.ops.linalg import matmul
from tinygrad_lstm.ops.loop import scan
from tinygrad_lstm.ops.shape import concatenate
from tinygrad_lstm.tasks.sequence_data import Generator
from tinygrad_lstm.tasks.trial_cells import (
    Blocks,
    GRUTrials,
    LSTMTrials,
    MemoryBlocks,
    RNNTrials,
    TrialCell,
    Values,
    drawn_per_trial,
)

__all__ = ["TRIAL_CELLS", "TrialNetwork", "comparable_hidden"]

TRIAL_CELLS: Final[dict[str, type[LSTMTrials | GRUTrials | RNNTrials]]] = {
    "lstm": LSTMTrials,
    "gru": GRUTrials,
    "rnn": RNNTrials,
}


class TrialNetwork(Module):
    """A recurrent layer and a linear one, for many trials: ``scores = [h, x]·V + a``, where x is there if ``direct``.

    Shapes: inputs ``(time, trials, batch, inputs)``, scores ``(time, trials, batch, outputs)``.

    Args:
        hidden: the units of the cell, or the memory cell blocks of 1997.
        cell: ``lstm``, ``gru`` or ``rnn``; blocks are an ``lstm``.
        randoms: one generator for each trial.
        start: the first weights lie between ±start.
        direct: whether the outputs see the inputs besides.
        biased: whether the outputs have biases.
        forget_bias: where the biases of the forget gates of an ``lstm`` start.
        lag: instead, how long the memories of an ``lstm`` or a ``gru`` are at first, at most, in steps.

    Raises:
        UsageError: for another cell.

    >>> network = TrialNetwork("gru", 4, 2, 1, [np.random.default_rng(k) for k in range(3)], 0.1)
    >>> network(tl.ones((5, 3, 8, 2))).shape, network.size
    ((5, 3, 8, 1), 89)
    """

    def __init__(
        self,
        cell: str,
        hidden: int | Blocks,
        inputs: int,
        outputs: int,
        randoms: Sequence[Generator],
        start: float,
        *,
        direct: bool = False,
        biased: bool = True,
        forget_bias: float = 1.0,
        lag: int | None = None,
    ) -> None:
        if cell not in TRIAL_CELLS:
            raise UsageError(f"TrialNetwork: cell is one of {', '.join(TRIAL_CELLS)}, not {cell!r}")
        self.direct = direct
        self.cell: TrialCell
        if isinstance(hidden, Blocks):
            self.cell = MemoryBlocks(inputs, hidden, randoms, start)
        elif cell == "lstm":
            self.cell = LSTMTrials(inputs, hidden, randoms, start, forget_bias, lag)
        elif cell == "gru":
            self.cell = GRUTrials(inputs, hidden, randoms, start, lag)
        else:
            self.cell = RNNTrials(inputs, hidden, randoms, start)
        seen = self.cell.hidden + (inputs if direct else 0)
        self.weight = Parameter(drawn_per_trial(randoms, start, seen, outputs))
        self.bias = Parameter(drawn_per_trial(randoms, start, 1, outputs)) if biased else None

    @property
    def size(self) -> int:
        """The weights and biases of one trial."""
        return sum(p.size for p in self.parameters()) // self.cell.trials

    def forward(self, x: Tensor, values: Values | None = None, share: Tensor | None = None) -> Tensor:
        """The scores at all steps, with these values of the weights, by default the network's own.

        ``share`` scales what the outputs see of the hidden state: with 0 they see none of it, and it learns nothing.
        """
        own: Values = dict(self.named_parameters()) if values is None else values
        inner = {name.removeprefix("cell."): value for name, value in own.items() if name.startswith("cell.")}
        _, h = scan(lambda state, x_t: self.cell(x_t, state, inner), self.cell.nothing(x.shape[2]), x)
        h = h if share is None else share * h
        scores = matmul(concatenate([h, x], axis=-1) if self.direct else h, own["weight"])
        return scores + own["bias"] if "bias" in own else scores


def comparable_hidden(cell: str, weights: int, inputs: int, outputs: int, *, direct: bool, biased: bool) -> int:
    """The units with which a network has the number of ``weights`` that is nearest to the given one.

    >>> comparable_hidden("rnn", 93, 2, 1, direct=False, biased=True)  # 8·(8 + 2) + 8 + 8 + 1 = 97
    8
    """
    best, gap = 1, None
    for hidden in range(1, 10_000):
        nets = {"rnn": 1, "gru": 3, "lstm": 4}[cell]
        size = nets * hidden * (hidden + inputs + 1) + (hidden + (inputs if direct else 0) + biased) * outputs
        if gap is not None and abs(size - weights) > gap:
            break
        best, gap = hidden, abs(size - weights)
    return best
