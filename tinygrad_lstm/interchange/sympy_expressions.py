"""Graphs computed on arrays of SymPy's expressions: a backend whose numbers are formulas."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import sympy
from sympy import Integer, Piecewise, floor

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.function import reaching, topological
from tinygrad_lstm.graph.registry import apply
from tinygrad_lstm.graph.scopes import at_line
from tinygrad_lstm.graph.tensor import Node, Tensor, name_of
from tinygrad_lstm.kernels.movement import pad
from tinygrad_lstm.kernels.table import ArrayFunction, kernels
from tinygrad_lstm.passes.inline_branches import inline_branches
from tinygrad_lstm.runtime.host import HostArrays
from tinygrad_lstm.runtime.interpreter import register_program

__all__ = ["sympy_expression"]

_DYADIC: Final = 1024
"""A float that is a fraction with a power of two up to this below the line is written as that fraction."""


def sympy_expression(tensor: Any, symbols: Mapping[Tensor, Any]) -> Any:
    """What :func:`to_sympy` gives."""
    (node,) = inline_branches([as_tensor(tensor)])
    known = _known(node, symbols)
    endless = next((n for n in topological([node], stop=known.__contains__) if n.op == "while_loop"), None)
    if endless is not None:
        raise UsageError(
            "to_sympy: a while_loop makes as many steps as its values say, and formulas say nothing; write tl.scan or "
            f"tl.fori_loop over a number of steps that is known{at_line(endless.line)}"
        )
    program = register_program([node], known, _FORMULAS)
    registers = program.fresh()
    program.run(registers)
    result = _array(registers[program.registers[node]])
    if not node.shape:
        return exact(result.item())
    return sympy.Array([exact(v) for v in result.flat], node.shape)


def _known(output: Tensor, symbols: Mapping[Tensor, Any]) -> dict[Node, Any]:
    """The formulas of symbols, and the numbers of what depends on none."""
    if not isinstance(symbols, Mapping) or not all(isinstance(x, Tensor) for x in symbols):
        raise UsageError(
            "to_sympy: symbols is a dict from symbols of tl to formulas, such as {x: sympy.Symbol('x', real=True)}"
        )
    known: dict[Node, Any] = {}
    for x, formula in symbols.items():
        found = _array(_formula_of(formula))
        if found.shape != x.shape:
            raise UsageError(f"to_sympy: {x} has the shape {list(x.shape)}, and what stands for it {list(found.shape)}")
        known[x] = found
    order = topological([output], stop=known.__contains__)
    with_data = reaching(order, [node for node in order if node.op == "leaf"])
    for node in order:
        if node in known:
            continue
        if node.op == "symbol" and isinstance(node, Tensor):
            known[node] = _letters(node)
        elif node.op == "constant":
            known[node] = _array(node.attrs["value"])
        elif node in with_data and not node.symbolic and isinstance(node, Tensor):
            known[node] = _array(apply("to_numpy", node).astype(object))
    return known


def _formula_of(value: Any) -> Any:
    """What stands for a symbol: one formula, or an array of them in any form."""
    return np.array(value.tolist() if isinstance(value, sympy.NDimArray | sympy.MatrixBase) else value, object)


def _letters(node: Tensor) -> Any:
    """A symbol's own name; with indices where it has axes."""
    name = name_of(node) or "x"
    if not node.shape:
        return _array(sympy.Symbol(name))
    base = sympy.IndexedBase(name)
    result = np.empty(node.shape, object)
    for index in np.ndindex(node.shape):
        result[index] = base[index]
    return result


def _array(value: Any) -> Any:
    """A bare formula, as NumPy returns it of an array without axes, as an array again."""
    if isinstance(value, np.ndarray):
        return value
    result = np.empty((), object)
    result[()] = value
    return result


def exact(value: Any) -> Any:
    """A number of Python's as SymPy's, exact where it can be; a formula as it is."""
    if isinstance(value, np.ndarray):  # one without axes, which a loop put into an array of objects
        value = value.item()
    if isinstance(value, bool | np.bool_):
        return sympy.true if value else sympy.false
    if isinstance(value, int | np.integer):
        return Integer(int(value))
    if isinstance(value, float | np.floating):
        v = float(value)
        if math.isfinite(v) and v.as_integer_ratio()[1] <= _DYADIC and abs(v) < 2**53:
            return sympy.Rational(*v.as_integer_ratio())
        known = {math.pi: sympy.pi, -math.pi: -sympy.pi, math.e: sympy.E, math.inf: sympy.oo, -math.inf: -sympy.oo}
        return known.get(v, sympy.Float(v))
    return value


def _each(f: Callable[..., Any]) -> ArrayFunction:
    """``f`` of formulas, for each element of arrays that broadcast."""

    def on_arrays(*arrays: Any, **attributes: Any) -> Any:
        made = np.frompyfunc(lambda *xs: f(*xs, **attributes), len(arrays), 1)
        return _array(made(*arrays))

    return on_arrays


def _along(f: Callable[..., Any]) -> ArrayFunction:
    """``f`` of the elements along axes."""

    def on_arrays(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
        kept = [a for a in range(x.ndim) if a not in axis]
        rows = x.transpose([*kept, *axis]).reshape(*[x.shape[a] for a in kept], -1)
        result = np.empty(rows.shape[:-1], object)
        for index in np.ndindex(result.shape):
            result[index] = f(*rows[index])
        return result.reshape([1 if a in axis else n for a, n in enumerate(x.shape)]) if keepdims else result

    return on_arrays


def _cast(x: Any, *, dtype: DType) -> Any:
    truth = isinstance(x, sympy.logic.boolalg.Boolean) and not isinstance(x, sympy.Symbol)
    if dtype.kind == "b":
        return x if truth else sympy.Ne(x, 0)
    if truth:
        return Piecewise((Integer(1), x), (Integer(0), True))
    return sympy.sign(x) * floor(sympy.Abs(x)) if dtype.kind in "iu" and not x.is_integer else x


def _total(*terms: Any) -> Any:
    return sympy.Add(*terms)


def _product(a: Any, b: Any) -> Any:
    """``a @ b``; NumPy multiplies objects, but knows no sum of none."""
    if a.shape[-1] == 0:
        return pad(np, np.empty((0, 0), object), low=(a.shape[-2], b.shape[-1]), high=(0, 0), interior=(0, 0))
    return np.matmul(a, b)


def _gathered(x: Any, indices: Any, *, axis: int) -> Any:
    return np.take(x, _whole(indices), axis=axis)


def _scattered(updates: Any, indices: Any, *, axis: int, size: int) -> Any:
    places = _whole(indices)
    shape = (*updates.shape[:axis], size, *updates.shape[axis + places.ndim :])
    result = np.full(shape, Integer(0), object)
    lead = (slice(None),) * axis
    for index in np.ndindex(places.shape):
        result[(*lead, places[index])] += updates[(*lead, *index)]
    return result


def _whole(indices: Any) -> Any:
    if any(not getattr(i, "is_Integer", False) for i in indices.flat):
        raise UsageError("to_sympy: an index is a formula; there is none for picking elements by it")
    return indices.astype(np.int64)


def _without_formula(op: str) -> ArrayFunction:
    def refused(*_: Any, **__: Any) -> Any:
        raise UsageError(f"to_sympy: the op {op!r} has no formula in SymPy's functions; make it of those that have one")

    return refused


_ELEMENTWISE: Final[Mapping[str, Callable[..., Any]]] = {
    "equal": lambda a, b: sympy.Eq(a, b),
    "less": lambda a, b: sympy.Lt(a, b),
    "less_equal": lambda a, b: sympy.Le(a, b),
    "bitwise_and": lambda a, b: sympy.And(a, b),
    "bitwise_or": lambda a, b: sympy.Or(a, b),
    "invert": lambda a: sympy.Not(a),
    "where": lambda c, a, b: Piecewise((a, c), (b, True)),
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "power": lambda a, b: a**b,
    "maximum": lambda a, b: sympy.Max(a, b),
    "minimum": lambda a, b: sympy.Min(a, b),
    "negative": lambda a: -a,
    "abs": lambda a: sympy.Abs(a),
    "sign": lambda a: sympy.sign(a),
    "exp": lambda a: sympy.exp(a),
    "log": lambda a: sympy.log(a),
    "sqrt": lambda a: sympy.sqrt(a),
    "sin": lambda a: sympy.sin(a),
    "cos": lambda a: sympy.cos(a),
    "tanh": lambda a: sympy.tanh(a),
    "sigmoid": lambda a: 1 / (1 + sympy.exp(-a)),
    "softplus": lambda a: sympy.log(1 + sympy.exp(a)),
    "log1p": lambda a: sympy.log(1 + a),
    "expm1": lambda a: sympy.exp(a) - 1,
    "erf": lambda a: sympy.erf(a),
    "arctan2": lambda a, b: sympy.atan2(a, b),
    "floor_divide": lambda a, b: floor(a / b),
    "remainder": lambda a, b: a - b * floor(a / b),
    "cast": _cast,
}
_OTHERS: Final[Mapping[str, ArrayFunction]] = {
    "sum": _along(_total),
    "max": _along(lambda *xs: sympy.Max(*xs)),
    "min": _along(lambda *xs: sympy.Min(*xs)),
    "logsumexp": _along(lambda *xs: sympy.log(_total(*map(sympy.exp, xs)))),
    "matmul": _product,
    "take": _gathered,
    "scatter_add": _scattered,
}
_MOVING: Final = frozenset(("reshape", "transpose", "broadcast_to", "flip", "concatenate", "slice", "pad"))
"""Ops whose kernels for NumPy do as well with arrays of formulas."""


_NUMBERS: Final = np.frompyfunc(exact, 1, 1)


class _Kernels(dict[str, ArrayFunction]):
    """The kernel of each op, on arrays of formulas; that of one without a formula says so."""

    def __missing__(self, op: str) -> ArrayFunction:
        return _without_formula(op)


def _on_arrays(kernel: ArrayFunction) -> ArrayFunction:
    """A kernel for what loops read of arrays, too: NumPy gives an element of an array of objects without an array."""

    def wrapped(*values: Any, **attributes: Any) -> Any:
        return _array(kernel(*[_array(_NUMBERS(v)) for v in values], **attributes))

    return wrapped


class _Formulas(HostArrays):
    """The backend that the interpreter runs a graph on."""

    name = "sympy"

    def default_device(self) -> str:
        """``cpu``."""
        return "cpu"

    def devices(self) -> list[str]:
        """``cpu`` alone."""
        return ["cpu"]

    def describe(self) -> str:
        """SymPy's version."""
        return f"SymPy {sympy.__version__}"

    def __init__(self) -> None:
        usual = kernels(np)
        own = {
            **{op: _each(f) for op, f in _ELEMENTWISE.items()},
            **_OTHERS,
            **{op: usual[op] for op in _MOVING},
        }
        self.kernels: Mapping[str, ArrayFunction] = _Kernels({op: _on_arrays(f) for op, f in own.items()})

    def empty(self, shape: tuple[int, ...], dtype: Any, device: str) -> Any:
        """An array for formulas."""
        return np.empty(shape, object)

    def finished(self, array: Any) -> Any:
        """The array itself."""
        return _array(array)


_FORMULAS: Final = _Formulas()
