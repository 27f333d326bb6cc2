"""The recurrent cells: one step of time, as the textbook writes it.

Sources: S. Hochreiter, J. Schmidhuber, "Long short-term memory", 1997, with the forget gate of F. Gers et al., 2000;
K. Cho et al., "Learning phrase representations using RNN encoder–decoder", 2014, for the GRU. ``cell_variants.py``
has the code for cells that are made with an option.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Final, NamedTuple

from tinygrad_lstm.errors import StructureError, UsageError
from tinygrad_lstm.functions import random
from tinygrad_lstm.functions.activations import relu
from tinygrad_lstm.functions.filling import ones_like, zeros
from tinygrad_lstm.graph.dtypes import as_dtype, float32
from tinygrad_lstm.graph.scopes import Role, scope
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.nn.cell_variants import CellLayer, candidate_reset_after, dropped, varied_gates
from tinygrad_lstm.nn.composing import Identity, LayerNorm
from tinygrad_lstm.nn.inputs import expect_shape
from tinygrad_lstm.nn.layers import Linear, sizes
from tinygrad_lstm.nn.module import Module, device_of
from tinygrad_lstm.nn.stochastic import Dropout
from tinygrad_lstm.ops.elementwise import sigmoid, tanh
from tinygrad_lstm.ops.shape import concatenate

__all__ = ["GRUCell", "GRUGates", "Gates", "LSTMCell", "LSTMState", "RNNCell"]


_NONLINEARITIES: Final[dict[str, Callable[[Any], Tensor]]] = {"tanh": tanh, "relu": relu}


class LSTMState(NamedTuple):
    """What an LSTM carries from step to step: hidden state ``h`` and cell state ``c``, each ``(batch, hidden)``."""

    h: Tensor
    c: Tensor


class Gates(NamedTuple):
    """The values inside one step of an LSTM; each ``(batch, hidden)``."""

    forget: Tensor
    input: Tensor
    candidate: Tensor
    output: Tensor
    cell: Tensor
    hidden: Tensor


class GRUGates(NamedTuple):
    """The values inside one step of a GRU; each ``(batch, hidden)``."""

    update: Tensor
    reset: Tensor
    candidate: Tensor
    hidden: Tensor


def _bound(name: str, value: Any) -> float | None:
    """The bound of a clip; raises for what is none."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise UsageError(f"LSTMCell: {name} is a finite number above 0, or None for no bound, not {value!r:.40}")
    return float(value)


class _Cell(Module):
    """The base of the cells: sizes, layers over ``[h, x]``, and dropout inside.

    ``output_size`` is how many numbers h has.
    """

    role: ClassVar[Role | None] = "cell"

    def __init__(
        self, input_size: int, hidden_size: int, dtype: Any, key: Any, dropouts: tuple[float, float], proj_size: int = 0
    ) -> None:
        sizes(type(self).__name__, input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.hidden_size, self.dtype = input_size, hidden_size, as_dtype(dtype)
        self.output_size = proj_size or hidden_size
        self.recurrent_dropout, self.candidate_dropout = (
            Dropout(p, None if key is None else random.fold_in(key, k)) if p else None for k, p in enumerate(dropouts)
        )

    def step_keys(self, steps: int) -> Tensor | None:
        """A key for the dropout of each of so many steps, ``(steps, 2)``; None where a step needs none."""
        return None if self.candidate_dropout is None else self.candidate_dropout.keys(steps)

    def _layers(self, key: Any, bias: bool, names: str, options: dict[str, bool] | None = None) -> Iterator[Linear]:
        """Layers over ``[h, x]``, one for each name: plain ones, or with the options of a variant."""
        joined, layers = self.output_size + self.input_size, names.split()
        keys = random.split(random.next_key() if key is None else key, len(layers))
        for name, k in zip(layers, keys, strict=True):
            if options is None:
                yield Linear(joined, self.hidden_size, bias, key=k, dtype=self.dtype)
            else:
                # The candidate has no peephole.
                own = {**options, "peephole": options.get("peephole", False) and name != "candidate"}
                yield CellLayer(joined, self.hidden_size, bias, key=k, dtype=self.dtype, **own)

    def _zeros(self, batch: int, size: int) -> Tensor:
        sizes(type(self).__name__, batch=batch)
        return zeros((batch, size), self.dtype, device_of(self))

    def _checked(self, x: Any, state: Any, *names: str) -> list[Tensor]:
        """``x`` and the parts of the state, zeros where there is none; raises where a shape differs."""
        node = expect_shape(self, "x", x, ("batch", self.input_size))
        rows = node.shape[0]
        shapes = {name: (rows, self.output_size if name == "h" else self.hidden_size) for name in names}
        if state is None:
            return [node, *[zeros(shape, self.dtype, device_of(self)) for shape in shapes.values()]]
        parts = zip(names, state, strict=True)
        return [node, *[expect_shape(self, name, value, shapes[name]) for name, value in parts]]

    def _recalled(self, h: Tensor) -> Tensor:
        """What the layers see of h."""
        return h if self.recurrent_dropout is None else dropped(self.recurrent_dropout, h)


class RNNCell(_Cell):
    """One step of a plain recurrent network: ``h_t = tanh(W·[h_{t−1}, x_t] + b)``.

    With ``nonlinearity="relu"`` it is ``h_t = relu(W·[h_{t−1}, x_t] + b)``, which learns over long times when W starts
    as the identity (Q. Le et al., "A simple way to initialize recurrent networks of rectified linear units", 2015).

    Shapes: x ``(batch, input_size)``, h ``(batch, hidden_size)``; the layer ``hidden`` has a weight
    ``(hidden_size + input_size, hidden_size)``.

    Args:
        bias: whether to add b.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        layer_norm: ``h_t = tanh(LN(W·[h_{t−1}, x_t]) + b)``; see :class:`LayerNorm`.
        recurrent_dropout: probability of dropping a number of ``h_{t−1}`` in the product. A layer over time has one
            mask for all steps (Y. Gal, Z. Ghahramani, 2016), and a cell alone a new one for each call.

    >>> cell = tl.nn.RNNCell(3, 4, key=tl.random.key(0))
    >>> cell(tl.ones((1, 3)), cell.zeros(batch=1)).shape
    (1, 4)
    """

    hidden: Linear

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        nonlinearity: str = "tanh",
        layer_norm: bool = False,
        recurrent_dropout: float = 0.0,
        key: Any = None,
        dtype: Any = float32,
    ) -> None:
        if nonlinearity not in _NONLINEARITIES:
            kind = type(self).__name__
            raise UsageError(f"{kind}: nonlinearity is one of {', '.join(_NONLINEARITIES)}, not {nonlinearity!r:.40}")
        super().__init__(input_size, hidden_size, dtype, key, (recurrent_dropout, 0.0))
        self.nonlinearity = nonlinearity
        (self.hidden,) = self._layers(key, bias, "hidden", {"layer_norm": True} if layer_norm else None)

    def zeros(self, batch: int) -> Tensor:
        """The state before the first step."""
        return self._zeros(batch, self.hidden_size)

    def forward(self, x: Any, state: Any = None) -> Tensor:
        """The next hidden state. Without ``state`` the old one is zeros."""
        x, h = self._checked(x, None if state is None else [state], "h")
        hx = concatenate([self._recalled(h.named("h_{t-1}")), x.named("x_t")], axis=-1)
        with scope("hidden layer", role="layer"):
            h = _NONLINEARITIES[self.nonlinearity](self.hidden(hx))
        return h.named("h_t")


class LSTMCell(_Cell):
    """One step of a long short-term memory::

        f_t = σ(W_f·[h_{t−1}, x_t] + b_f)       what to forget
        i_t = σ(W_i·[h_{t−1}, x_t] + b_i)       what to store
        C̃_t = tanh(W_C·[h_{t−1}, x_t] + b_C)    candidates for it
        o_t = σ(W_o·[h_{t−1}, x_t] + b_o)       what to output
        C_t = f_t∘C_{t−1} + i_t∘C̃_t
        h_t = o_t∘tanh(C_t)

    Shapes: x ``(batch, input_size)``, h and C ``(batch, hidden_size)``. States are rows here, so the code computes
    ``[h, x]·W`` where the textbook, with columns, writes ``W·[h, x]``. The layers ``forget``, ``input``,
    ``candidate`` and ``output`` each have a weight ``(hidden_size + input_size, hidden_size)`` and a bias.

    Args:
        bias: whether to add the b's.
        forget_bias: where the bias of the forget gate starts; 1 lets a new cell remember
            (R. Jozefowicz et al., "An empirical exploration of recurrent network architectures", 2015).
        peephole: the gates look at the cell state, each by a weight for each unit:
            ``f_t = σ(W_f·[h_{t−1}, x_t] + p_f∘C_{t−1} + b_f)``, i_t likewise, and
            ``o_t = σ(W_o·[h_{t−1}, x_t] + p_o∘C_t + b_o)``.
        coupled: what is forgotten makes room for what is stored, ``i_t = 1 − f_t``; there is no layer ``input``.
        layer_norm: ``LN(W·[h_{t−1}, x_t]) + b`` in all layers and ``h_t = o_t∘tanh(LN(C_t))``;
            see :class:`LayerNorm`.
        proj_size: h is a projection to so many numbers, ``h_t = W_r·(o_t∘tanh(C_t))``, so that there are fewer weights
            (H. Sak et al., "Long short-term memory based recurrent neural network architectures", 2014); 0 for none.
            The layer ``projection`` has a weight ``(hidden_size, proj_size)``, and h is ``(batch, proj_size)``.
        cell_clip: C_t is kept between ± this number.
        proj_clip: the projected h_t is kept between ± this number.
        recurrent_dropout: probability of dropping a number of ``h_{t−1}`` in the products. A layer over time has one
            mask for all steps (Y. Gal, Z. Ghahramani, 2016), and a cell alone a new one for each call.
        candidate_dropout: probability of dropping a number of the candidate, ``C_t = f_t∘C_{t−1} + i_t∘d(C̃_t)``, which
            forgets nothing; each step has its own mask (S. Semeniuta et al., "Recurrent dropout without memory loss",
            2016).

    >>> cell = tl.nn.LSTMCell(3, 4, key=tl.random.key(0))
    >>> h, c = cell(tl.ones((1, 3)), cell.zeros(batch=1))
    >>> h.shape, c.shape
    ((1, 4), (1, 4))
    """

    forget: Linear
    input: Linear
    candidate: Linear
    output: Linear
    projection: Linear | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        forget_bias: float = 1.0,
        peephole: bool = False,
        coupled: bool = False,
        layer_norm: bool = False,
        proj_size: int = 0,
        cell_clip: float | None = None,
        proj_clip: float | None = None,
        recurrent_dropout: float = 0.0,
        candidate_dropout: float = 0.0,
        key: Any = None,
        dtype: Any = float32,
    ) -> None:
        if proj_size:
            sizes(type(self).__name__, proj_size=proj_size)
        dropouts = (recurrent_dropout, candidate_dropout)
        super().__init__(input_size, hidden_size, dtype, key, dropouts, proj_size)
        if proj_clip is not None and not proj_size:
            raise UsageError("LSTMCell: proj_clip bounds the projected h; give proj_size as well")
        self.cell_clip, self.proj_clip = _bound("cell_clip", cell_clip), _bound("proj_clip", proj_clip)
        self.coupled = coupled
        self.varied = any((peephole, coupled, layer_norm, proj_size, cell_clip, *dropouts))
        options = {"peephole": peephole, "layer_norm": layer_norm} if self.varied else None
        if coupled:
            self.forget, self.candidate, self.output = self._layers(key, bias, "forget candidate output", options)
        else:
            names = "forget input candidate output"
            self.forget, self.input, self.candidate, self.output = self._layers(key, bias, names, options)
        if self.varied:
            self.norm = LayerNorm(hidden_size, dtype=dtype) if layer_norm else Identity()
        self.projection = None
        if proj_size:
            chosen = None if key is None else random.fold_in(key, 2)
            self.projection = Linear(hidden_size, proj_size, bias=False, key=chosen, dtype=dtype)
        if (start := self.forget.bias) is not None:
            start.assign(ones_like(start) * forget_bias)

    def zeros(self, batch: int) -> LSTMState:
        """The state before the first step."""
        return LSTMState(self._zeros(batch, self.output_size), self._zeros(batch, self.hidden_size))

    def gates(self, x: Any, state: Any = None, key: Any = None) -> Gates:
        """Everything that one step computes, by name. Without ``state`` the old one is zeros.

        ``key`` is for ``candidate_dropout``, instead of the cell's own.

        >>> cell = tl.nn.LSTMCell(3, 4, key=tl.random.key(0))
        >>> gates = cell.gates(tl.ones((1, 3)), cell.zeros(batch=1))
        >>> bool(tl.min(gates.forget) > 0), bool(tl.max(gates.forget) < 1)
        (True, True)
        """
        if state is not None and (not isinstance(state, tuple | list) or len(state) != 2):
            raise StructureError(
                f"LSTMCell: the state is a pair (h, c), not {type(state).__name__}; zeros(batch) makes one"
            )
        x, h, c = self._checked(x, state, "h", "c")
        if self.varied:
            return Gates(*varied_gates(self, x, h, c, key))
        hx = concatenate([h.named("h_{t-1}"), x.named("x_t")], axis=-1)
        with scope("forget gate", role="gate"):
            f = sigmoid(self.forget(hx)).named("f_t")
        with scope("input gate", role="gate"):
            i = sigmoid(self.input(hx)).named("i_t")
        with scope("candidate", role="layer"):
            candidate = tanh(self.candidate(hx)).named("C̃_t")
        with scope("output gate", role="gate"):
            o = sigmoid(self.output(hx)).named("o_t")
        with scope("cell state", role="state"):
            c = (f * c.named("C_{t-1}") + i * candidate).named("C_t")
        with scope("hidden state", role="state"):
            h = (o * tanh(c)).named("h_t")
        return Gates(f, i, candidate, o, c, h)

    def forward(self, x: Any, state: Any = None, key: Any = None) -> LSTMState:
        """The next state. Without ``state`` the old one is zeros; ``key`` is for ``candidate_dropout``."""
        gates = self.gates(x, state, key)
        return LSTMState(gates.hidden, gates.cell)


class GRUCell(_Cell):
    """One step of a gated recurrent unit::

        z_t = σ(W_z·[h_{t−1}, x_t] + b_z)             how much to renew
        r_t = σ(W_r·[h_{t−1}, x_t] + b_r)             how much of the past to look at
        h̃_t = tanh(W_h·[r_t∘h_{t−1}, x_t] + b_h)      candidates
        h_t = (1 − z_t)∘h_{t−1} + z_t∘h̃_t

    Shapes: x ``(batch, input_size)``, h ``(batch, hidden_size)``. The layers ``update``, ``reset`` and ``candidate``
    each have a weight ``(hidden_size + input_size, hidden_size)`` and a bias.

    Args:
        bias: whether to add the b's.
        reset_after: the reset gate behind the product, as cuDNN and PyTorch have it, with two biases:
            ``h̃_t = tanh(W_h·x_t + b_h + r_t∘(U_h·h_{t−1} + b_u))``. Then the layer ``candidate`` has a weight
            ``(input_size, hidden_size)`` and the layer ``recurrent`` one of ``(hidden_size, hidden_size)``.
        layer_norm: ``LN(W·[h_{t−1}, x_t]) + b`` in all layers; see :class:`LayerNorm`.
        recurrent_dropout: probability of dropping a number of ``h_{t−1}`` in the products, with one mask for all steps
            of a layer over time; see :class:`LSTMCell`.
        candidate_dropout: probability of dropping a number of the candidate, ``h_t = (1 − z_t)∘h_{t−1} + z_t∘d(h̃_t)``;
            each step has its own mask.

    >>> cell = tl.nn.GRUCell(3, 4, key=tl.random.key(0))
    >>> cell(tl.ones((1, 3)), cell.zeros(batch=1)).shape
    (1, 4)
    """

    update: Linear
    reset: Linear
    candidate: Linear
    recurrent: Linear

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        reset_after: bool = False,
        layer_norm: bool = False,
        recurrent_dropout: float = 0.0,
        candidate_dropout: float = 0.0,
        key: Any = None,
        dtype: Any = float32,
    ) -> None:
        super().__init__(input_size, hidden_size, dtype, key, (recurrent_dropout, candidate_dropout))
        self.reset_after = reset_after
        options = {"layer_norm": True} if layer_norm else None
        if reset_after:
            k_gates, k_candidate, k_recurrent = random.split(random.next_key() if key is None else key, 3)
            self.update, self.reset = self._layers(k_gates, bias, "update reset", options)
            varied = {"layer_norm": layer_norm, "dtype": dtype}
            self.candidate = CellLayer(input_size, hidden_size, bias, key=k_candidate, **varied)
            self.recurrent = CellLayer(hidden_size, hidden_size, bias, key=k_recurrent, **varied)
        else:
            self.update, self.reset, self.candidate = self._layers(key, bias, "update reset candidate", options)

    def zeros(self, batch: int) -> Tensor:
        """The state before the first step."""
        return self._zeros(batch, self.hidden_size)

    def gates(self, x: Any, state: Any = None, key: Any = None) -> GRUGates:
        """Everything that one step computes, by name. Without ``state`` the old one is zeros.

        ``key`` is for ``candidate_dropout``, instead of the cell's own.
        """
        x, h = self._checked(x, None if state is None else [state], "h")
        h, x = h.named("h_{t-1}"), x.named("x_t")
        seen = self._recalled(h)
        hx = concatenate([seen, x], axis=-1)
        with scope("update gate", role="gate"):
            z = sigmoid(self.update(hx)).named("z_t")
        with scope("reset gate", role="gate"):
            r = sigmoid(self.reset(hx)).named("r_t")
        if self.reset_after:
            candidate = candidate_reset_after(self, r, seen, x)
        else:
            reset = concatenate([r * seen, x], axis=-1)
            with scope("candidate", role="layer"):
                candidate = tanh(self.candidate(reset)).named("h̃_t")
        new = candidate if self.candidate_dropout is None else dropped(self.candidate_dropout, candidate, key)
        with scope("hidden state", role="state"):
            h = ((1 - z) * h + z * new).named("h_t")
        return GRUGates(z, r, candidate, h)

    def forward(self, x: Any, state: Any = None, key: Any = None) -> Tensor:
        """The next hidden state. Without ``state`` the old one is zeros; ``key`` is for ``candidate_dropout``."""
        return self.gates(x, state, key).hidden
