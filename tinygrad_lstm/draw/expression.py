"""A tensor as a line of mathematics."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.tensor import Node, name_of
from tinygrad_lstm.graph.walk import topological
from tinygrad_lstm.passes.pipeline import simplified

__all__ = ["text"]

_SUPERSCRIPTS: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SUBSCRIPTS: Final = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_LONG: Final = 160
_NAMED_FROM: Final = 24
_MOST: Final = 40

# How tightly an expression holds together; a looser one needs parentheses inside a tighter one.
_COMPARISON, _SUM, _PRODUCT, _POWER, _ATOM = range(5)


@dataclass(slots=True)
class _Expression:
    """One node's text, and how to take it apart again inside a product or a sum."""

    text: str
    level: int = _ATOM
    weight: int = 1
    """How many operations it holds: factors stand in the order of their weight."""
    coefficient: float | int = 1
    factors: "dict[str, tuple[_Expression, int]]" = field(default_factory=dict)
    """Of a product: the text of each base, the base, and its exponent."""
    terms: "list[_Expression]" = field(default_factory=list)
    """Of a sum: its products."""
    value: float | int | bool | None = None
    """Of a number."""

    def inside(self, level: int) -> str:
        """The text as an operand of something that holds as tightly as ``level``."""
        return f"({self.text})" if self.level < level else self.text

    def product(self) -> "tuple[float | int, dict[str, tuple[_Expression, int]]]":
        """Coefficient and factors, whatever the expression is."""
        if self.value is not None:
            return self.value, {}
        return (self.coefficient, self.factors) if self.factors else (1, {self.text: (self, 1)})


def text(tensor: Any) -> str:
    """The expression of a tensor on one line, simplified: what is long and used several times is given a name.

    >>> import tinygrad_lstm as tl
    >>> x = tl.symbol("x")
    >>> print(text(tl.gradients(tl.sin(x**2), x)))
    2·x·cos(x²)
    """
    (root,) = simplified(as_tensor(tensor), keep_names=True)
    while root.op == "named":
        root = root.inputs[0]
    order = topological((root,), stop=lambda n: n.op == "named")
    expressions = _expressions(order, name_from=None)
    definitions: list[str] = []
    if len(expressions[root].text) > _LONG:
        expressions = _expressions(order, _NAMED_FROM, definitions, root)
        if len(definitions) > _MOST:
            definitions[_MOST // 2 : -_MOST // 2] = [f"… {len(definitions) - _MOST} more …"]
    where = f" where {', '.join(definitions)}" if definitions else ""
    return expressions[root].text + where


def _expressions(
    order: list[Node], name_from: int | None, definitions: list[str] | None = None, root: Node | None = None
) -> dict[Node, _Expression]:
    readers: Counter[Node] = Counter(x for node in order for x in node.inputs)
    found: dict[Node, _Expression] = {}
    for node in order:
        expression = _expression(node, [found[x] for x in node.inputs] if node.op != "named" else [])
        shared = readers[node] > 1 and name_from is not None and len(expression.text) > name_from
        if definitions is not None and node is not root and (shared or len(expression.text) > _LONG):
            name = "v" + str(len(definitions) + 1).translate(_SUBSCRIPTS)
            definitions.append(f"{name} = {expression.text}")
            expression = _Expression(name)
        elif definitions is None and len(expression.text) > _LONG:
            # Long already: what is built on it only has to stay long, not to grow without bound.
            expression = _Expression(expression.text[: 2 * _LONG], expression.level, expression.weight)
        found[node] = expression
    return found


def _expression(node: Any, inputs: list[_Expression]) -> _Expression:
    make = _FORMS.get(node.op)
    if make is not None:
        return make(node, inputs)
    shown = [f"{k}={_shown(v)}" for k, v in node.attrs.items() if k in ("axis", "axes", "shape", "index", "dtype")]
    return _call(node.op, inputs, shown)


def _shown(value: Any) -> str:
    if isinstance(value, tuple) and len(value) == 1:
        return str(value[0])
    return str(value)


def _call(name: str, inputs: list[_Expression], extra: list[str] | None = None) -> _Expression:
    return _Expression(f"{name}({', '.join([x.text for x in inputs] + (extra or []))})", _ATOM, _weight(inputs))


def _weight(inputs: list[_Expression]) -> int:
    return 1 + sum(x.weight for x in inputs)


def _number(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return f"{value:.7g}".replace("-", "−") if isinstance(value, float) else str(value).replace("-", "−")


def _leaf(node: Any, inputs: list[_Expression]) -> _Expression:
    name = name_of(node)
    if name:
        return _Expression(name)
    if node.op == "leaf" and node.shape == () and node.value is not None:
        return _constant(node.numpy().item())
    return _Expression(f"array[{','.join(map(str, node.shape))}]" if node.op == "leaf" else node.op)


def _constant(value: Any) -> _Expression:
    negative = not isinstance(value, bool) and value < 0
    return _Expression(_number(value), _PRODUCT if negative else _ATOM, 0, value=value)


def _product(parts: list[tuple[_Expression, int]], sign: int = 1) -> _Expression:
    """The product of expressions raised to integer powers."""
    coefficient: float | int = sign
    factors: dict[str, tuple[_Expression, int]] = {}
    for part, exponent in parts:
        number, inner = part.product()
        if number == 0 and exponent < 0:
            return _Expression(f"{_number(coefficient)}/0", _PRODUCT)
        coefficient = coefficient * number**exponent
        for key, (base, times) in inner.items():
            factors[key] = base, factors.get(key, (base, 0))[1] + times * exponent
    return _from_factors(coefficient, {k: v for k, v in factors.items() if v[1] != 0})


def _from_factors(coefficient: float | int, factors: dict[str, tuple[_Expression, int]]) -> _Expression:
    if not factors or coefficient == 0:
        return _constant(coefficient)
    ordered = sorted(factors.values(), key=lambda f: f[0].weight)
    if coefficient == 1 and len(ordered) == 1 and ordered[0][1] == 1:
        return ordered[0][0]
    above = [_raised(base, n) for base, n in ordered if n > 0]
    below = [_raised(base, -n) for base, n in ordered if n < 0]
    magnitude = abs(coefficient)
    if magnitude != 1 or not above:
        above.insert(0, _number(magnitude))
    shown = "·".join(above)
    if below:
        shown += f"/({'·'.join(below)})" if len(below) > 1 else f"/{below[0]}"
    power = coefficient == 1 and len(ordered) == 1 and not below
    weight = len(ordered) + sum(base.weight for base, _ in ordered)
    shown = f"−{shown}" if coefficient < 0 else shown
    return _Expression(shown, _POWER if power else _PRODUCT, weight, coefficient, dict(factors))


def _raised(factor: _Expression, times: int) -> str:
    if times == 1:
        return factor.inside(_POWER)
    return factor.inside(_ATOM) + str(times).translate(_SUPERSCRIPTS)


def _sum(parts: list[tuple[_Expression, int]]) -> _Expression:
    """The sum of expressions with signs; equal products are counted together."""
    merged: dict[tuple[tuple[str, int], ...], list[Any]] = {}
    for part, sign in parts:
        scale, inner = part.product()
        only, power = next(iter(inner.values()), (part, 0))
        # −(a + b) joins another sum as −a − b.
        spread = only.terms if len(inner) == 1 and power == 1 and abs(scale) == 1 else []
        for term in spread or [part]:
            number, factors = term.product()
            key = tuple(sorted((k, n) for k, (_, n) in factors.items()))
            merged.setdefault(key, [0, factors])[0] += sign * number * (scale if spread else 1)
    terms = [_from_factors(number, factors) for number, factors in merged.values() if number != 0]
    if len(terms) <= 1:
        return terms[0] if terms else _constant(0)
    first = next((t for t in terms if not t.text.startswith("−")), terms[0])
    terms = [first, *[t for t in terms if t is not first]]
    shown = terms[0].inside(_SUM)
    for term in terms[1:]:
        shown += f" − {term.text[1:]}" if term.text.startswith("−") else f" + {term.text}"
    return _Expression(shown, _SUM, _weight(terms), terms=terms)


def _power(node: Any, inputs: list[_Expression]) -> _Expression:
    base, exponent = inputs
    value = exponent.value
    if value is not None and float(value).is_integer() and abs(value) < 100:
        return _product([(base, int(value))])
    return _Expression(f"{base.inside(_ATOM)}^{exponent.inside(_ATOM)}", _POWER, _weight(inputs))


def _reshape(node: Any, inputs: list[_Expression]) -> _Expression:
    (x,) = inputs
    return x if x.value is not None else _call("reshape", inputs, [f"shape={_shown(node.attrs['shape'])}"])


def _through(node: Any, inputs: list[_Expression]) -> _Expression:
    return inputs[0]


def _reduction(symbol: str) -> Callable[[Any, list[_Expression]], _Expression]:
    def form(node: Any, inputs: list[_Expression]) -> _Expression:
        whole = len(node.attrs["axis"]) == node.inputs[0].ndim
        return _call(symbol, inputs, [] if whole else [f"axis={_shown(node.attrs['axis'])}"])

    return form


def _floor(inputs: list[_Expression]) -> _Expression:
    return _Expression(f"⌊{_product([(inputs[0], 1), (inputs[1], -1)]).text}⌋", _ATOM, _weight(inputs))


def _infix(symbol: str, level: int) -> Callable[[Any, list[_Expression]], _Expression]:
    def form(node: Any, inputs: list[_Expression]) -> _Expression:
        left, right = inputs[0].inside(level), inputs[1].inside(level + 1)
        return _Expression(f"{left} {symbol} {right}", level, _weight(inputs))

    return form


_FORMS: Final[dict[str, Callable[[Any, list[_Expression]], _Expression]]] = {
    "symbol": _leaf,
    "named": _leaf,
    "leaf": _leaf,
    "constant": lambda node, inputs: _constant(node.attrs["value"]),
    "arange": lambda node, inputs: _Expression(f"arange({node.attrs['length']})"),
    "add": lambda node, inputs: _sum([(inputs[0], 1), (inputs[1], 1)]),
    "subtract": lambda node, inputs: _sum([(inputs[0], 1), (inputs[1], -1)]),
    "multiply": lambda node, inputs: _product([(inputs[0], 1), (inputs[1], 1)]),
    "negative": lambda node, inputs: _product([(inputs[0], 1)], sign=-1),
    "divide": lambda node, inputs: _product([(inputs[0], 1), (inputs[1], -1)]),
    "power": _power,
    "sqrt": lambda node, inputs: _Expression(f"√{inputs[0].inside(_ATOM)}", _POWER, _weight(inputs)),
    "abs": lambda node, inputs: _Expression(f"|{inputs[0].text}|", _ATOM, _weight(inputs)),
    "sigmoid": lambda node, inputs: _call("σ", inputs),
    "matmul": _infix("@", _PRODUCT),
    "equal": _infix("=", _COMPARISON),
    "less": _infix("<", _COMPARISON),
    "less_equal": _infix("≤", _COMPARISON),
    "bitwise_and": _infix("∧", _COMPARISON),
    "bitwise_or": _infix("∨", _COMPARISON),
    "invert": lambda node, inputs: _Expression(f"¬{inputs[0].inside(_ATOM)}", _POWER, _weight(inputs)),
    "remainder": _infix("mod", _PRODUCT),
    "floor_divide": lambda node, inputs: _floor(inputs),
    "arctan2": lambda node, inputs: _call("arctan", inputs[:1]) if inputs[1].value == 1 else _call("arctan2", inputs),
    "sum": _reduction("Σ"),
    "max": _reduction("max"),
    "min": _reduction("min"),
    "logsumexp": _reduction("logsumexp"),
    "concatenate": lambda node, inputs: _Expression(f"[{', '.join(x.text for x in inputs)}]", _ATOM, _weight(inputs)),
    "transpose": lambda node, inputs: _Expression(f"{inputs[0].inside(_ATOM)}ᵀ", _POWER, _weight(inputs)),
    "broadcast_to": _through,
    "reshape": _reshape,
    "stop_gradient": lambda node, inputs: _call("stop_gradient", inputs),
}
