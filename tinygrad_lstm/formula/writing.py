"""How each op is written in a line of mathematics, from the expressions of its inputs."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tinygrad_lstm.formula.algebra import ATOM, COMPARISON, POWER, PRODUCT, Algebra, Expression, weight_of
from tinygrad_lstm.formula.composed import composed
from tinygrad_lstm.formula.notation import TEXT, Notation
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.tensor import Node, name_of

__all__ = ["LOCAL", "Writing"]

LOCAL: Final = re.compile("\x00([0-9]+)\x01")
"""A placeholder for the name of a part of an expression, until it is known which parts are used."""
_OPTIONS: Final = ("axis", "axes", "shape", "index", "dtype", "start", "stop", "step", "low", "high", "keepdims")


class Writing:
    """Writes the expressions of nodes, inputs before readers."""

    def __init__(self, notation: Notation, known: Mapping[Node, Node], letters: Mapping[Node, str]) -> None:
        self.notation = notation
        self.known = known
        self.letters = letters
        self.algebra = Algebra(notation)
        self.expressions: dict[Node, Expression] = {}
        self.definitions: list[tuple[str, list[str]]] = []
        self.names: Counter[str] = Counter()
        self.by_name: dict[Node, Expression] = {}

    def all(self, order: list[Node], long: int, name_from: int, roots: Sequence[Node] = ()) -> None:
        """Write the nodes of ``order``; where ``roots`` are given, long or shared parts of them get names."""
        readers: Counter[Node] = Counter(x for node in order for x in node.inputs)
        asked = set(roots)
        for node in order:
            name = node if node.op == "named" else self.known.get(node)
            expression = self.named(name) if name is not None else self.expression(node)
            shared = readers[node] > 1 and len(expression.text) > name_from
            if asked and node not in asked and name is None and (shared or len(expression.text) > long):
                local = f"\x00{len(self.definitions)}\x01"
                self.definitions.append((local, self.algebra.lines(expression)))
                expression = Expression(local, single=expression.single)
            elif not asked and len(expression.text) > long:
                # The text is too long to be shown. It is cut, so that what is built on it does not grow without bound.
                expression = Expression(expression.text[: 2 * long], expression.level, expression.weight)
            self.expressions[node] = expression

    def expression(self, node: Any) -> Expression:
        """The expression of one node, whose inputs are written already."""
        inputs = [self.expressions[x] for x in node.inputs]
        function = composed(node)
        if function is not None and function[1] in self.expressions:
            name, x, axis = function
            shown = [] if axis == (len(x.type.shape) - 1,) else [("axis", _shown(axis))]
            return Expression(self.notation.call(name, [self.expressions[x].text], shown), ATOM, weight_of(inputs))
        make = _FORMS.get(node.op)
        made = make(self, node, inputs) if make is not None else self.call(node, inputs)
        made.single = made.single or getattr(node.type, "shape", None) == ()
        return made

    def named(self, node: Node) -> Expression:
        """A leaf or a named node by its name; a second one of the same name gets a number."""
        if node not in self.by_name:
            given = self.letters.get(node) or name_of(node) or f"array[{','.join(map(str, node.type.shape))}]"
            name = self.notation.name(given)
            self.names[name] += 1
            single = node.type.shape == ()
            if self.names[name] == 1:
                self.by_name[node] = Expression(name, single=single)
            else:
                self.by_name[node] = Expression(self.notation.again(name, self.names[name]), POWER, single=single)
        return self.by_name[node]

    def call(
        self, node: Any, inputs: list[Expression], op: str = "", options: tuple[str, ...] = _OPTIONS
    ) -> Expression:
        shown = [(k, _shown(node.attrs[k])) for k in options if node.attrs.get(k) not in (None, False)]
        return Expression(self.notation.call(op or node.op, [x.text for x in inputs], shown), ATOM, weight_of(inputs))

    def wrapped(self, op: str, x: Expression, level: int) -> Expression:
        return Expression(self.notation.wrapped(op, x.text), level, weight_of([x]))


_Form = Callable[[Writing, Any, list[Expression]], Expression]


def _shown(value: Any) -> str:
    if isinstance(value, tuple) and len(value) == 1:
        return str(value[0])
    return value.name if isinstance(value, DType) else str(value)


def _leaf(writing: Writing, node: Any, inputs: list[Expression]) -> Expression:
    if name_of(node) is None and node.shape == () and node.value is not None:
        return writing.algebra.constant(node.numpy().item())
    return writing.named(node)


def _reshape(writing: Writing, node: Any, inputs: list[Expression]) -> Expression:
    x = node.inputs[0]
    if x.op == "slice" and node.shape == x.shape[1:] and inputs[0].text.endswith(writing.notation.index(_indices(x))):
        whole = inputs[0].text.removesuffix(writing.notation.index(_indices(x)))
        return Expression(whole + writing.notation.index(_indices(x, dropped=True)), ATOM, weight_of(inputs))
    return inputs[0] if inputs[0].value is not None else writing.call(node, inputs)


def _slice(writing: Writing, node: Any, inputs: list[Expression]) -> Expression:
    text = writing.algebra.inside(inputs[0], ATOM) + writing.notation.index(_indices(node))
    return Expression(text, ATOM, weight_of(inputs))


def _indices(node: Any, dropped: bool = False) -> str:
    """The text in the brackets of a slice; with ``dropped``, the first axis is written as one index, not as a slice."""
    parts = []
    for start, stop, step, size in zip(
        *(node.attrs[k] for k in ("start", "stop", "step")), node.inputs[0].shape, strict=True
    ):
        ends = f"{start or ''}:{stop if stop != size else ''}"
        parts.append(ends if step == 1 else f"{ends}:{step}")
    if dropped:
        parts[0] = str(node.attrs["start"][0])
    while len(parts) > 1 and parts[-1] == ":":
        parts.pop()
    return ", ".join(parts)


def _reduction(writing: Writing, node: Any, inputs: list[Expression]) -> Expression:
    whole = len(node.attrs["axis"]) == node.inputs[0].ndim
    return writing.call(node, inputs, options=() if whole else ("axis",))


def _arctan(writing: Writing, node: Any, inputs: list[Expression]) -> Expression:
    return writing.call(node, inputs[:1], "arctan") if inputs[1].value == 1 else writing.call(node, inputs)


def _floor(writing: Writing, node: Any, inputs: list[Expression]) -> Expression:
    return writing.wrapped("floor", writing.algebra.product([(inputs[0], 1), (inputs[1], -1)]), ATOM)


def _infix(level: int) -> _Form:
    def form(writing: Writing, node: Any, inputs: list[Expression]) -> Expression:
        left, right = (writing.algebra.inside(x, level + k) for k, x in enumerate(inputs))
        return Expression(f"{left}{writing.notation.infix(node.op)}{right}", level, weight_of(inputs))

    return form


def _matmul(writing: Writing, node: Any, inputs: list[Expression]) -> Expression:
    # Elementwise products get parentheses: (a·b) @ c. Products of matrices are read from the left: a @ b @ c.
    left, right = (writing.algebra.inside(x, POWER if x.factors else PRODUCT + k) for k, x in enumerate(inputs))
    return Expression(f"{left}{writing.notation.infix('matmul')}{right}", PRODUCT, weight_of(inputs))


def _tight(op: str, level: int = POWER) -> _Form:
    def form(writing: Writing, node: Any, inputs: list[Expression]) -> Expression:
        inner = Expression(writing.algebra.inside(inputs[0], ATOM), weight=inputs[0].weight)
        return writing.wrapped(op, inner, level)

    return form


def _sqrt(writing: Writing, node: Any, inputs: list[Expression]) -> Expression:
    # The bar of LaTeX's root replaces parentheses.
    return (
        _tight("sqrt")(writing, node, inputs) if writing.notation is TEXT else writing.wrapped("sqrt", inputs[0], POWER)
    )


def _scan(writing: Writing, node: Any, inputs: list[Expression]) -> Expression:
    """A loop as a call with its first carries and its ``xs``; the body is not written."""
    symbols, count = node.attrs["body"].inputs, node.attrs["carries"] + node.attrs["xs"]
    name = writing.notation.name
    pairs = [(str(s.attrs["name"]), x) for s, x in zip(symbols[:count], inputs, strict=False)]
    operands = [f"{name(key)} = {x.text}" for key, x in pairs[: node.attrs["carries"]]]
    operands += [f"{name(key)}{writing.notation.infix('in')}{x.text}" for key, x in pairs[node.attrs["carries"] :]]
    return Expression(writing.notation.call("scan", operands, []), ATOM, weight_of(inputs))


def _while_loop(writing: Writing, node: Any, inputs: list[Expression]) -> Expression:
    """A loop as a call with its first carries; the body is not written."""
    symbols, name = node.attrs["body"].inputs[: node.attrs["carries"]], writing.notation.name
    carries = [f"{name(str(s.attrs['name']))} = {x.text}" for s, x in zip(symbols, inputs[1:], strict=False)]
    return Expression(writing.notation.call("while", carries, []), ATOM, weight_of(inputs))


def _projection(writing: Writing, node: Any, inputs: list[Expression]) -> Expression:
    loop = node.inputs[0]
    body, index = loop.attrs["body"], node.attrs.get("index")
    if index is not None and index < loop.attrs.get("carries", 0):
        part = writing.notation.name(body.inputs[index].attrs["name"])
    elif index is not None:
        part = writing.notation.name(f"y_{index - loop.attrs.get('carries', 0)}")
    else:
        # Several values of one op may be stacked; their number in the body makes the names differ.
        value = node.attrs["value"]
        order = topological((*body.inputs, *body.outputs, value))
        at = next(k for k, node in enumerate(order) if node is value)
        part = writing.notation.name(name_of(value) or f"{value.op}_{at}")
    return Expression(writing.notation.field(inputs[0].text, part), ATOM, weight_of(inputs))


_FORMS: Final[dict[str, _Form]] = {
    "symbol": _leaf,
    "leaf": _leaf,
    "constant": lambda w, node, inputs: w.algebra.constant(node.attrs["value"]),
    "arange": lambda w, node, inputs: w.call(node, inputs, options=("length",)),
    "add": lambda w, node, inputs: w.algebra.sum([(inputs[0], 1), (inputs[1], 1)]),
    "subtract": lambda w, node, inputs: w.algebra.sum([(inputs[0], 1), (inputs[1], -1)]),
    "multiply": lambda w, node, inputs: w.algebra.product([(inputs[0], 1), (inputs[1], 1)]),
    "negative": lambda w, node, inputs: w.algebra.product([(inputs[0], 1)], sign=-1),
    "divide": lambda w, node, inputs: w.algebra.product([(inputs[0], 1), (inputs[1], -1)]),
    "power": lambda w, node, inputs: w.algebra.power(*inputs),
    "sqrt": _sqrt,
    "abs": lambda w, node, inputs: w.wrapped("abs", inputs[0], ATOM),
    "matmul": _matmul,
    "equal": _infix(COMPARISON),
    "less": _infix(COMPARISON),
    "less_equal": _infix(COMPARISON),
    "bitwise_and": _infix(COMPARISON),
    "bitwise_or": _infix(COMPARISON),
    "invert": _tight("invert"),
    "remainder": _infix(PRODUCT),
    "floor_divide": _floor,
    "arctan2": _arctan,
    "sum": _reduction,
    "max": _reduction,
    "min": _reduction,
    "logsumexp": _reduction,
    "concatenate": lambda w, node, inputs: Expression(
        w.notation.listed([x.text for x in inputs]), ATOM, weight_of(inputs)
    ),
    "transpose": _tight("transpose"),
    "broadcast_to": lambda w, node, inputs: inputs[0],
    "reshape": _reshape,
    "slice": _slice,
    "scan": _scan,
    "while_loop": _while_loop,
    "item": _projection,
    "stacked": _projection,
}
