"""SymPy's expressions as tensors: one operation for each of their parts."""

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from functools import partial, reduce
from typing import Any, Final

import sympy

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.functions.arrangement import stack
from tinygrad_lstm.graph.convert import as_tensor, constant
from tinygrad_lstm.graph.dtypes import DType, float32
from tinygrad_lstm.graph.registry import apply
from tinygrad_lstm.graph.tensor import Tensor, name_of
from tinygrad_lstm.graph.variables import Variable
from tinygrad_lstm.ops.shape import reshape
from tinygrad_lstm.ops.source import symbol

__all__ = ["tensor_of"]


def tensor_of(expression: Any, symbols: Any) -> Tensor:
    """What :func:`from_sympy` gives."""
    try:
        formula = sympy.sympify(expression, strict=True)
    except sympy.SympifyError:
        raise UsageError(
            f"from_sympy takes an expression of SymPy's, not {type(expression).__name__} {expression!r:.60}; a text "
            "becomes one by sympy.sympify(text)"
        ) from None
    named = _by_name(symbols)
    if isinstance(formula, sympy.MatrixBase | sympy.NDimArray):
        shape = tuple(int(n) for n in formula.shape)
        parts = [_converted(part, named) for part in sympy.flatten(formula)]
        return reshape(stack(_alike(parts)), shape)
    return _float(_converted(formula, named))


def _by_name(symbols: Any) -> dict[str, Any]:
    """What stands for a symbol of each name; one that is not among them is added when it is met."""
    if symbols is None:
        return {}
    if isinstance(symbols, Mapping):
        return {str(key): value for key, value in symbols.items()}
    listed = [symbols] if isinstance(symbols, Tensor | Variable) else symbols
    if not isinstance(listed, Iterable) or isinstance(listed, str):
        raise UsageError(f"from_sympy: symbols are those of tl, or a mapping, not {symbols!r:.60}")
    found = {}
    for x in listed:
        name = name_of(as_tensor(x)) if isinstance(x, Tensor | Variable) else None
        if name is None:
            raise UsageError(f"from_sympy: {x!r:.60} has no name to be found by; write {{sympy_symbol: it}}, a mapping")
        found[name] = x
    return found


def _converted(formula: Any, named: dict[str, Any]) -> Any:
    """A formula as a tensor or a number; without recursion, since formulas can be deep."""
    done: dict[Any, Any] = {}
    waiting = [formula]
    while waiting:
        part = waiting[-1]
        if part in done:
            waiting.pop()
            continue
        f = None if _is_leaf(part) else _operation(part, named)
        needed = [a for a in _operands(part) if a not in done] if f else []
        if needed:
            waiting.extend(needed)
            continue
        done[part] = f(*[done[a] for a in _operands(part)]) if f else _leaf(part, named)
        waiting.pop()
    return done[formula]


def _is_leaf(part: Any) -> bool:
    return isinstance(part, sympy.Symbol | sympy.Indexed) or part.is_number or part in (sympy.true, sympy.false)


def _operands(part: Any) -> list[Any]:
    """What a part is computed from; of a ``Piecewise`` values and conditions in turn."""
    if isinstance(part, sympy.Piecewise):
        return [x for pair in part.args for x in pair.args]
    return list(part.args)


def _leaf(part: Any, named: dict[str, Any]) -> Any:
    if isinstance(part, sympy.Indexed):
        return as_tensor(_named(part.base.label, named))[tuple(int(i) for i in part.indices)]
    if isinstance(part, sympy.Symbol):
        return _named(part, named)
    if part in (sympy.true, sympy.false):
        return bool(part)
    if part.is_Integer:
        return int(part)
    value = math.nan if part is sympy.nan else complex(part)
    if value.imag:
        raise UsageError(f"from_sympy: {part} is complex, and there are no complex numbers here")
    return value.real


def _named(letter: Any, named: dict[str, Any]) -> Any:
    name = str(letter)
    if name not in named:
        named[name] = symbol(name)
    return named[name]


def _piecewise(dtype: DType, *parts: Any) -> Any:
    """Values and conditions in turn; numbers get a type here, since conditions have none to give them."""
    values = [constant(float(v), dtype) if isinstance(v, int | float) else v for v in parts[::2]]
    result: Any = constant(math.nan, dtype)
    for value, condition in reversed(list(zip(values, parts[1::2], strict=True))):
        if condition is not False:
            result = value if condition is True else apply("where", condition, value, result)
    return result


def _step(dtype: DType, x: Any, at_0: Any) -> Any:
    """Heaviside's function."""
    return _piecewise(dtype, 0, apply("less", x, 0), at_0, apply("equal", x, 0), 1, True)


def _float_type(named: Mapping[str, Any]) -> DType:
    """The type of the floats in a formula."""
    return next((v.dtype for v in named.values() if isinstance(v, Tensor | Variable) and v.dtype.is_float), float32)


def _power(base: Any, exponent: Any) -> Any:
    if exponent == -1 and not isinstance(exponent, Tensor):
        return 1 / base
    if exponent == 0.5 and not isinstance(exponent, Tensor):
        return apply("sqrt", base)
    return apply("power", base, exponent)


def _of(name: str) -> Callable[..., Any]:
    """The function of ``tl`` with this name; of more than two operands one after the other."""
    return lambda *xs: apply(name, xs[0]) if len(xs) == 1 else reduce(lambda a, b: apply(name, a, b), xs)


_FUNCTIONS: Final[Mapping[Any, Callable[..., Any]]] = {
    sympy.Add: lambda *xs: reduce(operator.add, xs),
    sympy.Mul: lambda *xs: reduce(operator.mul, xs),
    sympy.Pow: _power,
    sympy.exp: _of("exp"),
    sympy.log: _of("log"),
    sympy.sin: _of("sin"),
    sympy.cos: _of("cos"),
    sympy.tan: _of("tan"),
    sympy.cot: lambda x: 1 / apply("tan", x),
    sympy.sec: lambda x: 1 / apply("cos", x),
    sympy.csc: lambda x: 1 / apply("sin", x),
    sympy.asin: _of("arcsin"),
    sympy.acos: _of("arccos"),
    sympy.atan: _of("arctan"),
    sympy.atan2: _of("arctan2"),
    sympy.sinh: _of("sinh"),
    sympy.cosh: _of("cosh"),
    sympy.tanh: _of("tanh"),
    sympy.coth: lambda x: 1 / apply("tanh", x),
    sympy.sech: lambda x: 1 / apply("cosh", x),
    sympy.csch: lambda x: 1 / apply("sinh", x),
    sympy.asinh: _of("arcsinh"),
    sympy.acosh: _of("arccosh"),
    sympy.atanh: _of("arctanh"),
    sympy.sinc: lambda x: apply("sinc", x / math.pi),
    sympy.erf: _of("erf"),
    sympy.erfc: lambda x: 1 - apply("erf", x),
    sympy.Abs: _of("abs"),
    sympy.sign: _of("sign"),
    sympy.floor: _of("floor"),
    sympy.ceiling: _of("ceil"),
    sympy.Mod: _of("remainder"),
    sympy.Max: _of("maximum"),
    sympy.Min: _of("minimum"),
    sympy.Eq: _of("equal"),
    sympy.Ne: _of("not_equal"),
    sympy.Lt: _of("less"),
    sympy.Le: _of("less_equal"),
    sympy.Gt: _of("greater"),
    sympy.Ge: _of("greater_equal"),
    sympy.And: _of("logical_and"),
    sympy.Or: _of("logical_or"),
    sympy.Not: _of("logical_not"),
}


_BY_CASES: Final = {sympy.Piecewise: _piecewise, sympy.Heaviside: _step}


def _operation(part: Any, named: Mapping[str, Any]) -> Callable[..., Any]:
    if part.func in _BY_CASES:
        return partial(_BY_CASES[part.func], _float_type(named))
    f = _FUNCTIONS.get(part.func)
    if f is None:
        raise UsageError(
            f"from_sympy: {type(part).__name__} in {str(part)!r:.60} has no counterpart here; rewrite it before, for "
            "example with .doit(), .rewrite(sympy.exp) or .subs"
        )
    return f


def _float(value: Any) -> Tensor:
    """A tensor as it is; a number as a float, since a formula of numbers is one of real numbers."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return as_tensor(float(value))
    return as_tensor(value)


def _alike(parts: list[Any]) -> list[Tensor]:
    """The elements of an array, numbers in the type of the first tensor."""
    like = next((as_tensor(v) for v in parts if isinstance(v, Tensor | Variable)), None)
    return [as_tensor(float(v), like=like) if isinstance(v, int | float) else as_tensor(v) for v in parts]
