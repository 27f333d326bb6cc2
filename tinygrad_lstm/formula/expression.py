"""A tensor as a line of mathematics, in plain text and in LaTeX."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.formula.algebra import Expression
from tinygrad_lstm.formula.names import named_values, weight_letters
from tinygrad_lstm.formula.notation import LATEX, TEXT, Notation
from tinygrad_lstm.formula.writing import LOCAL, Writing
from tinygrad_lstm.graph.convert import as_tensor, is_scalar
from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Node, Tensor
from tinygrad_lstm.graph.variables import Variable
from tinygrad_lstm.passes.inline_branches import inline_branches
from tinygrad_lstm.passes.pipeline import simplified

__all__ = ["Formula", "expressed", "latex", "node_texts", "text", "typeset"]

_LINE: Final = 100
_LONG: Final = 160
_NAMED_FROM: Final = 16
_MOST: Final = 40
_OPERAND: Final = 60
_SMALL: Final = 200
"""``print`` writes the expression of a tensor without a value up to this many nodes, those of loop bodies included."""


class Formula(str):
    """LaTeX for mathematics mode, without dollar signs; notebooks typeset it."""

    __slots__ = ()

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self}$"


def text(tensor: Any) -> str:
    """The expression of a tensor, simplified, with the names that the user gave: to values, and by layers to weights.

    Long parts that are used several times get a name. It is one line where it fits, and else a sum has a line a term.
    The weight of the layer that computes ``f_t`` is ``W_f``, and its bias ``b_f``.

    A list or a tuple of tensors is written in its brackets. ``print`` of a tensor that has no value yet shows its
    expression too, where it is short.

    Raises:
        UsageError: for what is no tensor.

    >>> x, y = tl.symbol("x"), tl.symbol("y")
    >>> print(text(tl.gradients(tl.sin(x**2), x)))
    2·x·cos(x²)
    >>> print(text(tl.gradients(tl.sin(x) * y, [x, y])))
    [y·cos(x), sin(x)]
    """
    return _written(tensor, TEXT, "text", 1)


def latex(tensor: Any) -> Formula:
    r"""The expression of a tensor in LaTeX, simplified like that of :func:`text`.

    It is for mathematics mode and has no dollar signs; Jupyter typesets it. Products of arrays by their elements are
    :math:`\odot`. It needs ``amsmath`` alone, and MathJax and KaTeX read it.

    Raises:
        UsageError: for what is no tensor.

    >>> x = tl.symbol("x")
    >>> print(latex(tl.gradients(tl.sin(x**2), x)))
    2 \, x \, \cos\left(x^{2}\right)
    """
    # LaTeX is longer than what the reader sees, because of its commands.
    return Formula(_written(tensor, LATEX, "latex", 2))


def node_texts(order: Iterable[Node], references: Mapping[Node, str]) -> dict[Node, str]:
    """The expression of each node of a topological ``order``, not simplified, for labels and exports.

    An operand whose text is long, or that is not in ``order``, appears as its reference.

    Args:
        references: a short name for every node, such as ``%12``.

    >>> y = tl.sin(tl.symbol("x") ** 2)
    >>> list(node_texts([y.inputs[0], y], {y.inputs[0].inputs[0]: "%0", y.inputs[0].inputs[1]: "2"}).values())
    ['%0^2', 'sin(%0^2)']
    """
    writing = Writing(TEXT, {}, {})
    texts: dict[Node, str] = {}
    for node in order:
        for x in node.inputs:
            if x not in writing.expressions:
                writing.expressions[x] = Expression(references[x])
        expression = writing.named(node) if node.op == "named" else writing.expression(node)
        texts[node] = expression.text
        if node.op == "named":
            texts[node] += f" = {writing.expressions[node.inputs[0]].text}"
        kept = expression if len(expression.text) <= _OPERAND else Expression(references[node])
        writing.expressions[node] = kept
    return texts


def _written(what: Any, notation: Notation, caller: str, scale: int) -> str:
    roots = simplified(*inline_branches(_tensors(what, caller)), keep_names=True)
    ancestors = topological(roots)
    for k, root in enumerate(roots):
        while root.op == "named":
            root = roots[k] = root.inputs[0]
    named = named_values(ancestors)
    letters = weight_letters(ancestors, named)
    for root in roots:
        named.pop(root, None)
    order = topological(roots, stop=lambda n: n.op == "named" or n in named)
    long = _LONG * scale
    writing = Writing(notation, named, letters)
    writing.all(order, long, 0)
    whole = _whole(what, iter([writing.expressions[root].text for root in roots]), notation)
    if len(whole) <= _LINE * scale:
        return whole
    short = whole if len(whole) <= long else None
    writing = Writing(notation, named, letters)
    writing.all(order, long, _NAMED_FROM * scale, roots)
    if isinstance(what, list | tuple):
        lines = [_whole(what, iter([writing.expressions[root].text for root in roots]), notation)]
    else:
        lines = writing.algebra.lines(writing.expressions[roots[0]])
    found = _with_names(lines, writing)
    return short if short is not None and len(short) <= len(found) else found


def _tensors(what: Any, caller: str) -> list[Tensor]:
    if isinstance(what, list | tuple):
        return [tensor for part in what for tensor in _tensors(part, caller)]
    if not isinstance(what, Tensor | Variable) and not is_scalar(what):
        raise UsageError(f"{caller} writes a tensor down, or a list or tuple of tensors, not {type(what).__name__}")
    return [as_tensor(what)]


def _whole(what: Any, texts: Iterator[str], notation: Notation) -> str:
    """The texts of the tensors in ``what``, joined with the brackets of its lists and tuples."""
    if not isinstance(what, list | tuple):
        return next(texts)
    parts = [_whole(part, texts, notation) for part in what]
    if isinstance(what, list):
        return notation.listed(parts)
    return notation.brackets(", ".join(parts) + ("," if len(parts) == 1 else ""))


def _with_names(whole: list[str], writing: "Writing") -> str:
    """An expression with its definitions: ``whole``, and the parts that it reads, numbered in the order of use."""
    read = set(LOCAL.findall(" ".join(whole)))
    for name, lines in reversed(writing.definitions):
        if LOCAL.findall(name)[0] in read:
            read.update(LOCAL.findall(" ".join(lines)))
    definitions = [d for d in writing.definitions if LOCAL.findall(d[0])[0] in read]
    numbers = {LOCAL.findall(name)[0]: k for k, (name, _) in enumerate(definitions, 1)}

    def named(lines: Iterable[str]) -> list[str]:
        return [LOCAL.sub(lambda match: writing.notation.local(numbers[match[1]]), line) for line in lines]

    left_out = max(0, len(definitions) - _MOST)
    if left_out:
        definitions[_MOST // 2 : -_MOST // 2] = []
    return writing.notation.where(named(whole), [(named([name])[0], named(e)) for name, e in definitions], left_out)


@function
def expressed(tensor: Tensor) -> str | None:
    """What ``print`` shows of a tensor without a value; None where its graph or its expression is large."""
    count, seen, pending = 0, {tensor}, [tensor]
    while pending:
        node: Any = pending.pop()
        body = node.attrs.get("body")
        count += 1 if body is None else len(body.nodes())
        if count > _SMALL:
            return None
        fresh = dict.fromkeys(x for x in node.inputs if x not in seen)
        seen.update(fresh)
        pending += fresh
    expression = text(tensor)
    return expression if len(expression) <= _LONG and "\n" not in expression else None


@function
def typeset(tensor: Tensor) -> str | None:
    """What a notebook shows of a tensor without a value; None where ``print`` shows no expression."""
    return latex(tensor)._repr_latex_() if expressed(tensor) is not None else None
