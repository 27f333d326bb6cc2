"""The cells of many trials at once: each weight has a first axis over trials, and each product is one for all of them.

Inputs and states are ``(trials, batch, …)``. A trial sees nothing of the others, so that it ends with the same weights
alone or among many, up to rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.functions.arrangement import split
from tinygrad_lstm.functions.filling import zeros
from tinygrad_lstm.graph.dtypes import float32
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Parameter
from tinygrad_lstm.nn.cells import Gates
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.ops.elementwise import sigmoid, tanh
from tinygrad_lstm.ops.linalg import matmul
from tinygrad_lstm.ops.shape import broadcast_to, concatenate, reshape
from tinygrad_lstm.ops.source import stop_gradient
from tinygrad_lstm.tasks.sequence_data import Floats, Generator

__all__ = [
    "Blocks",
    "GRUTrials",
    "LSTMTrials",
    "MemoryBlocks",
    "RNNTrials",
    "TrialCell",
    "Values",
    "drawn_per_trial",
    "memory_biases",
]


Values: TypeAlias = dict[str, Any]
"""Weights by name."""


def drawn_per_trial(randoms: Sequence[Generator], bound: float, *shape: int) -> Floats:
    """Numbers between ``±bound``, ``(trials, *shape)``, each trial's from its own generator."""
    return np.stack([random.uniform(-bound, bound, shape) for random in randoms]).astype(np.float32)


def memory_biases(randoms: Sequence[Generator], units: int, lag: int) -> Floats:
    """Biases of forget gates with which memories of all lengths are there: ``ln u``, with u between 1 and the ``lag``.

    The state of a unit whose forget gate has this bias alone falls to 1/e in about u steps. ``(trials, 1, units)``.

    Source: C. Tallec, Y. Ollivier, "Can recurrent neural networks warp time?", 2018.

    >>> biases = memory_biases([np.random.default_rng(0)], 1000, 100)
    >>> bool(0 < biases.min() and biases.max() < np.log(100)), round(float(np.exp(biases).mean()), -1)
    (True, 50.0)
    """
    return np.stack([np.log(random.uniform(1, lag, (1, units))) for random in randoms]).astype(np.float32)


class TrialCell(Module):
    """Base of the cells: ``state, h = cell(x, state)``, or ``cell(x, state, values)`` with other values of its weights.

    Args:
        randoms: the generator of each trial.
        start: the first weights lie between ±start.
    """

    def __init__(self, inputs: int, hidden: int, randoms: Sequence[Generator], start: float) -> None:
        self.inputs, self.hidden, self.trials, self.start = inputs, hidden, len(randoms), start

    def _zeros(self, batch: int, size: int) -> Tensor:
        return zeros((self.trials, batch, size), float32)

    def nothing(self, batch: int) -> Any:
        """The state before the first step."""
        return self._zeros(batch, self.hidden)

    def own(self) -> Values:
        """The weights by name."""
        return dict(self.named_parameters())


class RNNTrials(TrialCell):
    """:class:`tinygrad_lstm.nn.RNNCell` for many trials: ``h_t = tanh([h_{t−1}, x_t]·W + b)``."""

    def __init__(self, inputs: int, hidden: int, randoms: Sequence[Generator], start: float) -> None:
        super().__init__(inputs, hidden, randoms, start)
        self.weight = Parameter(drawn_per_trial(randoms, start, hidden + inputs, hidden))
        self.bias = Parameter(np.zeros((len(randoms), 1, hidden), np.float32))

    def forward(self, x: Tensor, state: Any, values: Values | None = None) -> tuple[Any, Tensor]:
        """The next state, and the hidden state."""
        own = self.own() if values is None else values
        h = tanh(matmul(concatenate([state, x], axis=-1), own["weight"]) + own["bias"])
        return h, h


class GRUTrials(TrialCell):
    """:class:`tinygrad_lstm.nn.GRUCell` for many trials; update gate and reset gate lie side by side in ``weight``.

    With a ``lag`` the biases of the update gates start at minus the :func:`memory_biases`.
    """

    def __init__(
        self, inputs: int, hidden: int, randoms: Sequence[Generator], start: float, lag: int | None = None
    ) -> None:
        super().__init__(inputs, hidden, randoms, start)
        self.weight = Parameter(drawn_per_trial(randoms, start, hidden + inputs, 2 * hidden))
        bias = np.zeros((len(randoms), 1, 2 * hidden), np.float32)
        if lag is not None:
            bias[..., :hidden] = -memory_biases(randoms, hidden, lag)
        self.bias = Parameter(bias)
        self.candidate_weight = Parameter(drawn_per_trial(randoms, start, hidden + inputs, hidden))
        self.candidate_bias = Parameter(np.zeros((len(randoms), 1, hidden), np.float32))

    def forward(self, x: Tensor, state: Any, values: Values | None = None) -> tuple[Any, Tensor]:
        """The next state, and the hidden state."""
        own = self.own() if values is None else values
        z, r = split(sigmoid(matmul(concatenate([state, x], axis=-1), own["weight"]) + own["bias"]), 2, axis=-1)
        reset = concatenate([r * state, x], axis=-1)
        candidate = tanh(matmul(reset, own["candidate_weight"]) + own["candidate_bias"])
        h = (1 - z) * state + z * candidate
        return h, h


class LSTMTrials(TrialCell):
    """:class:`tinygrad_lstm.nn.LSTMCell` for many trials.

    Forget gate, input gate, candidate and output gate lie side by side in ``weight``; the bias of the forget gate
    starts at ``forget_bias``. With a ``lag`` those of the forget gates start at the :func:`memory_biases` instead, and
    those of the input gates at minus these.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        randoms: Sequence[Generator],
        start: float,
        forget_bias: float = 1.0,
        lag: int | None = None,
    ) -> None:
        super().__init__(inputs, hidden, randoms, start)
        self.weight = Parameter(drawn_per_trial(randoms, start, hidden + inputs, 4 * hidden))
        bias = np.zeros((len(randoms), 1, 4 * hidden), np.float32)
        bias[..., :hidden] = forget_bias if lag is None else memory_biases(randoms, hidden, lag)
        if lag is not None:
            bias[..., hidden : 2 * hidden] = -bias[..., :hidden]
        self.bias = Parameter(bias)

    def nothing(self, batch: int) -> Any:
        """The state before the first step."""
        return self._zeros(batch, self.hidden), self._zeros(batch, self.hidden)

    def forward(self, x: Tensor, state: Any, values: Values | None = None) -> tuple[Any, Tensor]:
        """The next state, and the hidden state."""
        gates = self.gates(x, state, values)
        return (gates.hidden, gates.cell), gates.hidden

    def gates(self, x: Tensor, state: Any, values: Values | None = None) -> Gates:
        """Everything that one step computes, by name."""
        h, c = state
        own = self.own() if values is None else values
        f, i, candidate, o = split(matmul(concatenate([h, x], axis=-1), own["weight"]) + own["bias"], 4, axis=-1)
        f, i, candidate, o = sigmoid(f), sigmoid(i), tanh(candidate), sigmoid(o)
        c = f * c + i * candidate
        return Gates(f, i, candidate, o, c, o * tanh(c))


@dataclass(frozen=True)
class Blocks:
    """The hidden layer of the LSTM of 1997: memory cell blocks, whose cells share their gates.

    Attributes:
        count: blocks.
        size: cells in each block.
        input_bias: where the biases of the input gates start, one for each block; random where it is None.
        output_bias: likewise of the output gates.
        biased: which units have biases: ``all``, ``gates`` or ``none``.
        output_gate: whether there is an output gate.
        recurrent: whether cells and gates see the last step's cells and gates.
        ranges: the bounds of g and h, ``bound·(2σ(x) − 1)``; None makes g ``σ(x)`` and h the identity.

    Raises:
        UsageError: for another number of biases than of blocks, or another word for the biased units.
    """

    count: int
    size: int
    input_bias: tuple[float, ...] | None = None
    output_bias: tuple[float, ...] | None = None
    biased: str = "all"
    output_gate: bool = True
    recurrent: bool = True
    ranges: tuple[float, float] | None = (2.0, 1.0)

    def __post_init__(self) -> None:
        for name in ("input_bias", "output_bias"):
            value = getattr(self, name)
            if value is not None and len(value) != self.count:
                raise UsageError(f"Blocks: {name} has {len(value)} numbers for {self.count} blocks; give one for each")
        if self.biased not in _BIASED:
            raise UsageError(f"Blocks: biased is one of {', '.join(_BIASED)}, not {self.biased!r}")

    @property
    def cells(self) -> int:
        """Memory cells in all blocks."""
        return self.count * self.size

    @property
    def gates(self) -> int:
        """Gates of all blocks."""
        return self.count * (2 if self.output_gate else 1)


_BIASED: Final = ("all", "gates", "none")


class MemoryBlocks(TrialCell):
    """The LSTM as it was first published, without a forget gate, for many trials::

        i_t = σ([h_{t−1}, i_{t−1}, o_{t−1}, x_t]·W_i + b_i)        one for each block
        o_t = σ([h_{t−1}, i_{t−1}, o_{t−1}, x_t]·W_o + b_o)        one for each block
        s_t = s_{t−1} + i_t∘g([h_{t−1}, i_{t−1}, o_{t−1}, x_t]·W_c + b_c)
        h_t = o_t∘h(s_t)                                           with g = 4σ − 2 and h = 2σ − 1, or other ranges

    The gradient is truncated as there: errors flow back in time within the cells alone, through the sum s, and not
    through what units saw of the last step.

    Source: S. Hochreiter, J. Schmidhuber, "Long short-term memory", 1997.
    """

    def __init__(self, inputs: int, blocks: Blocks, randoms: Sequence[Generator], start: float) -> None:
        super().__init__(inputs, blocks.cells, randoms, start)
        self.blocks = blocks
        units = blocks.cells + blocks.gates
        self.weight = Parameter(drawn_per_trial(randoms, start, inputs + (units if blocks.recurrent else 0), units))
        starts = (blocks.input_bias, blocks.output_bias)[: blocks.gates // blocks.count]
        if blocks.biased != "none":
            gate_bias = drawn_per_trial(randoms, start, 1, blocks.gates)
            for k, values in enumerate(starts):
                if values is not None:
                    gate_bias[..., k * blocks.count : (k + 1) * blocks.count] = values
            self.gate_bias = Parameter(gate_bias)
        if blocks.biased == "all":
            self.cell_bias = Parameter(drawn_per_trial(randoms, start, 1, blocks.cells))

    def nothing(self, batch: int) -> Any:
        """The state before the first step: the activations of all units, and the sums of the cells."""
        return self._zeros(batch, self.blocks.cells + self.blocks.gates), self._zeros(batch, self.blocks.cells)

    def forward(self, x: Tensor, state: Any, values: Values | None = None) -> tuple[Any, Tensor]:
        """The next state, and the outputs of the cells."""
        blocks, (units, total) = self.blocks, state
        own = self.own() if values is None else values
        seen = concatenate([stop_gradient(units), x], axis=-1) if blocks.recurrent else x
        net = matmul(seen, own["weight"])
        gates, cells = net[..., : blocks.gates], net[..., blocks.gates :]
        if blocks.biased != "none":
            gates = gates + own["gate_bias"]
        if blocks.biased == "all":
            cells = cells + own["cell_bias"]
        gates = sigmoid(gates)
        squeezed = sigmoid(cells) if blocks.ranges is None else blocks.ranges[0] * (2 * sigmoid(cells) - 1)
        total = total + self._spread(gates[..., : blocks.count]) * squeezed
        h = total if blocks.ranges is None else blocks.ranges[1] * (2 * sigmoid(total) - 1)
        if blocks.output_gate:
            h = self._spread(gates[..., blocks.count :]) * h
        return (concatenate([h, gates], axis=-1), total), h

    def _spread(self, gate: Tensor) -> Tensor:
        """A gate of each block for all cells of the block."""
        trials, batch, count = gate.shape
        size = self.blocks.size
        wide = broadcast_to(reshape(gate, (trials, batch, count, 1)), (trials, batch, count, size))
        return reshape(wide, (trials, batch, count * size))
