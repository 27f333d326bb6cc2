"""Weights in the layout of PyTorch, both ways.

PyTorch keeps one matrix ``weight_ih_l0`` of shape ``(gates·hidden, input)`` and one ``weight_hh_l0`` of shape
``(gates·hidden, hidden)`` for each layer, with two biases; the reverse direction's names end in ``_reverse``. Its
gates stand in the order i, f, g, o for the LSTM and r, z, n for the GRU.

Two things differ besides the layout. Where PyTorch only ever adds both biases, ours is their sum. And PyTorch's GRU is
``h_t = (1 − z)∘n + z∘h_{t−1}``: its z is what we keep, ours what we renew, and since ``σ(−a) = 1 − σ(a)`` the weights
of that gate change their sign. Its reset gate stands behind the product, which is our ``GRU(…, reset_after=True)``.
The projection of an LSTM is its ``weight_hr_l0``.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from tinygrad_lstm.errors import Error, StateDictError, UsageError
from tinygrad_lstm.graph.dtypes import DType, float64, limits
from tinygrad_lstm.graph.scopes import warn
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Variable, assign_all
from tinygrad_lstm.nn.cell_variants import CellLayer
from tinygrad_lstm.nn.cells import GRUCell, LSTMCell, RNNCell
from tinygrad_lstm.nn.composing import Identity
from tinygrad_lstm.nn.layers import Embedding, Linear
from tinygrad_lstm.nn.module import Module, with_article
from tinygrad_lstm.nn.recurrent_layers import GRU, LSTM, RNN
from tinygrad_lstm.runtime.creation import tensor, to_numpy
from tinygrad_lstm.runtime.files import Array

__all__ = ["from_pytorch", "to_pytorch"]


class _Gate(NamedTuple):
    """One of PyTorch's gates: the name of our layer, the factor of its weights, and our layer that reads only h."""

    layer: str
    sign: int = 1
    recurrent: str | None = None


_GATES: Final[dict[type[Any], tuple[_Gate, ...]]] = {
    LSTMCell: (_Gate("input"), _Gate("forget"), _Gate("candidate"), _Gate("output")),
    GRUCell: (_Gate("reset"), _Gate("update", -1), _Gate("candidate", 1, "recurrent")),
    RNNCell: (_Gate("hidden"),),
}


def from_pytorch(module: Module, state: Any, prefix: str = "") -> None:
    """Copy the weights of a PyTorch module into a module of this package of the same sizes.

    Args:
        module: an LSTM, a GRU with ``reset_after``, an RNN, a Linear or an Embedding.
        state: the module of PyTorch, its ``state_dict()``, or arrays by PyTorch's names, such as ``tl.load`` of a file
            that ``safetensors.torch.save_file`` wrote. The element type is converted to that of the module; bfloat16 is
            read too.
        prefix: what stands before the names, such as ``"encoder.lstm."``; names that begin otherwise are not read.

    The weights of an RNN do not say with which nonlinearity it was trained. Its module does, and is refused where ours
    has another one; to a state alone make ``tl.nn.RNN(…, nonlinearity="relu")`` where it was trained so.

    Values that are nan or infinite, and those that become so in the module's element type, are copied with a warning
    that names them.

    Raises:
        UsageError: for a module that PyTorch has no counterpart of, one with another nonlinearity, a state that is no
            dict, or a name that is no string.
        StateDictError: when arrays are missing, too many, of another shape, or no real numbers; nothing has changed
            then.

    >>> layer = tl.nn.Linear(3, 2)
    >>> tl.nn.from_pytorch(layer, {"out.weight": np.ones((2, 3)), "out.bias": np.zeros(2)}, prefix="out.")
    >>> print(layer(tl.ones(3)))
    [3. 3.]
    """
    # The names and shapes that PyTorch would give for this module.
    expected = {name: array.shape for name, array in to_pytorch(module).items()}
    if not isinstance(state, Mapping | Module) and callable(getattr(state, "state_dict", None)):
        _check_nonlinearity(module, state, prefix)
        state = state.state_dict()
    _check_names(state, prefix)
    arrays = {n.removeprefix(prefix): _array(n, v) for n, v in state.items() if n.startswith(prefix)}
    kind = type(module).__name__
    if isinstance(module, LSTM | GRU | RNN) and not any(name.startswith("bias") for name in arrays):
        arrays |= {name: np.zeros(shape) for name, shape in expected.items() if name.startswith("bias")}
    missing, extra = [n for n in expected if n not in arrays], [n for n in arrays if n not in expected]
    wrong = [
        f"{n} is {list(arrays[n].shape)}, expected {list(s)}"
        for n, s in expected.items()
        if n in arrays and arrays[n].shape != s
    ]
    if missing or extra or wrong:
        parts = [f"missing are {', '.join(prefix + n for n in missing)}"] if missing else []
        parts += [f"not known are {', '.join(prefix + n for n in extra)}"] if extra else []
        raise StateDictError(f"PyTorch's state does not fit this {kind}: {'; '.join(parts + wrong)}")
    for name, array in arrays.items():
        _warn_of_what_is_not_finite(prefix + name, array, module.parameters()[0].dtype)
    converted: dict[str, Array] = {}
    if isinstance(module, LSTM | GRU | RNN):
        for path, suffix, cell in _cells(module):
            converted |= {f"{path}.{name}": value for name, value in _our_cell(cell, suffix, arrays).items()}
    elif isinstance(module, Linear):
        converted = {name: array.T if name == "weight" else array for name, array in arrays.items()}
    else:
        converted = arrays
    variables = dict(module.named_variables())
    assign_all(
        [(variables[n], tensor(a, dtype=variables[n].dtype, device=variables[n].device)) for n, a in converted.items()]
    )


def to_pytorch(module: Module) -> dict[str, Array]:
    """The weights of a module by PyTorch's names, in its layout; ``load_state_dict`` there takes them as tensors.

    Raises:
        UsageError: for a module that PyTorch has no counterpart of.

    >>> {name: array.shape for name, array in tl.nn.to_pytorch(tl.nn.RNN(3, 4)).items()}
    {'weight_ih_l0': (4, 3), 'weight_hh_l0': (4, 4), 'bias_ih_l0': (4,), 'bias_hh_l0': (4,)}
    """
    if not isinstance(module, Module):
        raise UsageError(f"{with_article(type(module).__name__)} is no module of this package; give one of tl.nn")
    if isinstance(module, LSTM | GRU | RNN):
        arrays: dict[str, Array] = {}
        for _, suffix, cell in _cells(module):
            arrays |= _their_cell(cell, suffix)
        return arrays
    values = {name: to_numpy(value) for name, value in module.state_dict().items()}
    if isinstance(module, Linear) and set(values) <= {"weight", "bias"}:
        return {name: array.T if name == "weight" else array for name, array in values.items()}
    if isinstance(module, Embedding):
        return values
    raise UsageError(
        f"{type(module).__name__} has no counterpart in PyTorch; give an LSTM, GRU, RNN, Linear or Embedding in it"
    )


def _cells(module: LSTM | GRU | RNN) -> list[tuple[str, str, Any]]:
    """Each cell with its path and with the end of its names in PyTorch."""
    kind = type(module).__name__
    cells = [(f"cells.{k}", f"l{k}", cell) for k, cell in enumerate(module.cells)]
    cells += [(f"reverse_cells.{k}", f"l{k}_reverse", cell) for k, cell in enumerate(module.reverse_cells)]
    for _, _, cell in cells:
        # Keys of dropout are no weights.
        names = {name.partition(".")[0] for name, _ in cell.named_parameters()} - {"projection"}
        if isinstance(cell, GRUCell) and "recurrent" not in names:
            raise UsageError(
                "PyTorch's GRU has the reset gate behind the product, this one before it; make it with reset_after=True"
            )
        plain = {name for gate in _GATES[type(cell)] for name in (gate.layer, gate.recurrent) if name is not None}
        layers = [getattr(cell, name) for name in plain & names]
        varied = [g for g in layers if isinstance(g, CellLayer)]
        if names != plain or not all(isinstance(part, Identity) for g in varied for part in (g.norm, g.peephole)):
            raise UsageError(
                f"PyTorch's {kind} has no peepholes, coupled gates or layer normalisation, but this one has"
            )
        if isinstance(cell, LSTMCell) and (cell.cell_clip is not None or cell.proj_clip is not None):
            raise UsageError(f"PyTorch's {kind} has no bounds on its states, but this one has; make it without clips")
    if module.initial:
        raise UsageError(f"PyTorch's {kind} has no learned initial state, but this one has; make it without")
    if module.reverse:
        raise UsageError(
            f"PyTorch's {kind} goes forward or in both directions, and this one backward only; make one that goes "
            "forward, and give it the sequence in the other order, x[::-1]"
        )
    return cells


def _our_cell(cell: Any, suffix: str, given: Mapping[str, Array]) -> dict[str, Array]:
    gates = _GATES[type(cell)]
    split = {name: np.split(given[f"{name}_{suffix}"], len(gates)) for name in _kinds(cell)}
    arrays = {"projection.weight": given[f"weight_hr_{suffix}"].T} if _projecting(cell) else {}
    for k, gate in enumerate(gates):
        w, u, *biases = (parts[k] for parts in split.values())
        if gate.recurrent is None:
            arrays[f"{gate.layer}.weight"] = gate.sign * np.concatenate([u, w], axis=1).T
            if biases:
                arrays[f"{gate.layer}.bias"] = gate.sign * (biases[0] + biases[1])
        else:
            arrays |= {f"{gate.layer}.weight": w.T, f"{gate.recurrent}.weight": u.T}
            arrays |= {f"{name}.bias": b for name, b in zip((gate.layer, gate.recurrent), biases, strict=False)}
    return arrays


def _their_cell(cell: Any, suffix: str) -> dict[str, Array]:
    own = {name: to_numpy(value) for name, value in cell.state_dict().items()}
    parts: dict[str, list[Array]] = {name: [] for name in _kinds(cell)}
    for gate in _GATES[type(cell)]:
        weight, bias = own[f"{gate.layer}.weight"].T, own.get(f"{gate.layer}.bias")
        if gate.recurrent is None:
            row = [gate.sign * weight[:, cell.output_size :], gate.sign * weight[:, : cell.output_size]]
            row += [] if bias is None else [gate.sign * bias, np.zeros_like(bias)]
        else:
            row = [weight, own[f"{gate.recurrent}.weight"].T]
            row += [] if bias is None else [bias, own[f"{gate.recurrent}.bias"]]
        for collected, array in zip(parts.values(), row, strict=True):
            collected.append(array)
    found = {f"{name}_{suffix}": np.concatenate(arrays) for name, arrays in parts.items()}
    return found | ({f"weight_hr_{suffix}": own["projection.weight"].T} if _projecting(cell) else {})


def _projecting(cell: Any) -> bool:
    return isinstance(cell, LSTMCell) and cell.projection is not None


def _kinds(cell: Any) -> list[str]:
    """PyTorch's names for the arrays of a cell that have a part for each gate."""
    biased = any(name.endswith("bias") for name, _ in cell.named_parameters())
    return ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if biased else [])]


def _check_nonlinearity(module: Module, given: Any, prefix: str) -> None:
    """Raise UsageError where a module of PyTorch was trained with another nonlinearity than ours computes."""
    for name in prefix.split(".") if isinstance(prefix, str) else ():
        given = getattr(given, name, given) if name else given
    theirs = getattr(given, "nonlinearity", None)
    if isinstance(module, RNN) and isinstance(theirs, str) and theirs != module.cells[0].nonlinearity:
        raise UsageError(
            f"from_pytorch: the RNN of PyTorch computes {theirs}, and this one {module.cells[0].nonlinearity}; make it "
            f"with nonlinearity={theirs!r}"
        )


def _check_names(state: Any, prefix: Any) -> None:
    """Raise UsageError for what is no dict of arrays by name."""
    if not isinstance(state, Mapping):
        fix = "give its .state_dict()" if hasattr(state, "state_dict") else "read a file with tl.load(path)"
        raise UsageError(
            f"from_pytorch takes a dict of arrays by name, not {with_article(type(state).__name__)}; {fix}"
        )
    if not isinstance(prefix, str):
        raise UsageError(f"from_pytorch: the prefix is a string such as 'encoder.', not {prefix!r:.60}")
    for name in state:
        if not isinstance(name, str):
            raise UsageError(f"from_pytorch: the names of a state are strings such as 'weight', not {name!r:.60}")


def _array(name: str, value: Any) -> Array:
    """The real numbers in an array, in a tensor of this package or of PyTorch, or in nested lists, as float64.

    Raises:
        StateDictError: for anything else.
    """
    try:
        if not isinstance(value, Tensor | Variable):
            # A Parameter of PyTorch, or a tensor on a GPU; NumPy has no bfloat16.
            narrow = str(getattr(value, "dtype", "")) == "torch.bfloat16"
            for step in ("detach", "cpu", *(["float"] if narrow else []), "numpy"):
                method = getattr(value, step, None)
                value = method() if callable(method) else value
        return to_numpy(tensor(value, dtype=float64, device="cpu"))
    except Error as error:
        raise StateDictError(f"{name}: {error}") from None
    except Exception as error:
        # Whatever another library says, such as that NumPy has no such type.
        said = str(error).partition("\n")[0]
        raise StateDictError(f"{name} cannot be read as an array ({said}); give value.float().numpy()") from None


def _warn_of_what_is_not_finite(name: str, array: Array, dtype: DType) -> None:
    """Warn where values are nan or infinite, or become so in the element type of the module."""
    if not np.isfinite(array).all():
        warn(f"from_pytorch: {name} has values that are nan or infinite")
    elif array.size and np.abs(array).max() > limits(dtype)[1]:
        warn(f"from_pytorch: {name} has values beyond those of {dtype}, which become infinite")
