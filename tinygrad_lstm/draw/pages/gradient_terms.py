"""Why a gradient is what it is: for each item what every reader of it hands back, as a line of mathematics.

Each line is derived from the gradient rule of one op, with a symbol for the gradient of its result. It is written as
:func:`tinygrad_lstm.draw.text` writes any tensor, so there is no second table of derivatives here.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from tinygrad_lstm.autodiff.reverse import cotangents
from tinygrad_lstm.draw.markup import pretty
from tinygrad_lstm.draw.pages.layout import word
from tinygrad_lstm.draw.pages.page_graph import GIVEN, Item, PageGraph, ShownLoop
from tinygrad_lstm.errors import GradientError
from tinygrad_lstm.formula.expression import text
from tinygrad_lstm.graph.function import fresh_symbol, slot_value, substitute
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node, Tensor, name_of

__all__ = ["Term", "rules_of", "short_texts"]

Term = list[Any]
"""When it counts (``""``, ``"next"`` or ``"last"`` step), whose gradient it needs, then text and numbers of items."""

_SHORT: Final = 26
_LONG: Final = 90
_ARRIVING: Final = "⟦∂⟧"
"""The name of a gradient that comes back, until the number of its item stands there; no name of a user's is this."""
_TWICE: Final = re.compile(r"\((\(the [^()]*\))\)")
_SHAPED: Final = re.compile(rf"(?:reshape|broadcast_to)\({_ARRIVING}, shape=(?:\([^()]*\)|\d+)\)")


def short_texts(shown: PageGraph, texts: Mapping[Node, str]) -> dict[Item, str]:
    """What to call each item where another is explained: by its name, its expression if short, or what it is for.

    Args:
        texts: the expressions of what is computed.
    """
    readers: dict[Item, list[Item]] = {}
    for item in shown.items:
        for source in dict.fromkeys(item.reads):
            readers.setdefault(source, []).append(item)
    found = {}
    for item in reversed(shown.items):
        said = texts.get(item.node, "")
        projected = _projected(item.node)
        if item.names:
            found[item] = pretty(item.names[0])
        elif projected is not None:
            found[item] = projected
        elif item.kind in (*GIVEN, "carry", "slice", "result"):
            found[item] = pretty(item.label)
        elif said and len(said) <= _SHORT:
            found[item] = said
        else:
            found[item] = f"the {word(item)}{_purpose(item, readers)}"
    return found


def _projected(node: Tensor) -> str | None:
    """What leaves a loop, by its name in the body."""
    if OPS[node.op].kind != "projection" or node.inputs[0].op != "scan":
        return None
    loop, index = node.inputs[0], node.attrs.get("index")
    value = slot_value(node)
    last = index is not None and index < loop.attrs["carries"]
    name = name_of(value)
    return f"{pretty(name)} of {'the last step' if last else 'all steps'}" if name is not None else None


def _purpose(item: Item, readers: Mapping[Item, list[Item]]) -> str:
    """The first named value that an item serves alone."""
    at = item
    while len(after := readers.get(at, [])) == 1:
        at = after[0]
        if at.names:
            return f" for {pretty(at.names[0])}"
    scope = item.node.scope
    return f" in {pretty(scope.path[-1].name)}" if scope is not None else ""


def rules_of(shown: PageGraph, names: Mapping[Item, str]) -> dict[Item, list[Term]]:
    """For each item the terms whose sum is its gradient.

    Args:
        names: what to call the items.
    """
    work = _Rules(names)
    work.level(shown.order, shown.env, None)
    for loop in shown.loops:
        work.level(loop.order, loop.env, loop)
    for loop in shown.loops:
        work.leaving(loop, shown.env if loop.parent is None else loop.parent.env)
    for item in shown.items:
        if item.kind == "result" and item.node.dtype.is_float:
            work.add(item.reads[0], ["", item.index, "1 (as a result)"])
    return work.found


class _Rules:
    def __init__(self, names: Mapping[Item, str]) -> None:
        self.names = names
        self.found: dict[Item, list[Term]] = {}

    def add(self, item: Item, term: Term) -> None:
        self.found.setdefault(item, []).append(term)

    def level(self, order: list[Node], env: Mapping[Node, Item], loop: ShownLoop | None) -> None:
        """What the ops of a graph, or of the body of a loop, hand back."""
        symbols: dict[Node, Tensor] = {}
        for node, item in env.items():
            known = item.names or item.kind in (*GIVEN, "carry", "slice")
            if item.kind != "constant" and (known or self.names[item].startswith("the ")):
                called = self.names[item]
                symbols[node] = fresh_symbol(called if known else f"({called})", node.type)
        for node in order:
            kind = OPS[node.op].kind
            reader = env.get(node)
            if kind == "projection" or node.op == "named" or reader is None or not node.inputs:
                continue
            if kind == "loop" or not OPS[node.op].differentiable or not node.type.dtype.is_float:
                continue
            for x in dict.fromkeys(node.inputs):
                item = env[x]
                stops = item.node.inputs and not OPS[item.node.op].differentiable
                if item.kind == "constant" or not x.type.dtype.is_float or stops:
                    continue
                pieces = self.through(node, x, symbols, reader)
                if pieces is not None:
                    # What a step reads of the outside gets something back from each step.
                    outside = ["the sum over all steps of "] if item.loop is not loop else []
                    self.add(item, ["", reader.index, *outside, *pieces])

    def through(self, node: Any, x: Any, symbols: dict[Node, Tensor], reader: Item) -> list[str | int] | None:
        """What ``node`` hands back to ``x``; None where nothing flows."""
        arriving = fresh_symbol(_ARRIVING, node.type)
        try:
            (found,) = cotangents([(node, arriving)], [x], [x, node])
        except GradientError:
            return None
        if found is None:
            return None
        own = None if reader.names else symbols.pop(node, None)
        said = _SHAPED.sub(_ARRIVING, text(substitute([found], symbols)[0]))
        said = _ordered(_TWICE.sub(r"\1", said))
        if own is not None:
            symbols[node] = own
        if len(said) > _LONG or " where " in said:
            return ["what ", word(reader), " makes of ", reader.index]
        first, *rest = said.split(_ARRIVING)
        pieces: list[str | int] = [first]
        for piece in rest:
            pieces += [reader.index, piece]
        return [piece for piece in pieces if piece != ""]

    def leaving(self, loop: ShownLoop, outer: Mapping[Node, Item]) -> None:
        """What goes into a loop, and what its body passes on, to the next step and out."""
        body = loop.node.attrs["body"]
        carries, xs = loop.node.attrs.get("carries", 0), loop.node.attrs.get("xs", 0)
        for k, (symbol, given) in enumerate(zip(body.inputs[: carries + xs], loop.node.inputs, strict=False)):
            entering = loop.env[symbol]
            if outer[given].kind != "constant" and symbol.dtype.is_float:
                when = " at the first step" if k < carries else ", step by step"
                self.add(outer[given], ["", entering.index, entering.index, when])
        for k, y in enumerate(body.outputs[:carries]):
            carry = loop.env[body.inputs[k]].index
            self.inside(loop, y, ["next", carry, carry, " at the next step"])
        for node, item in outer.items():
            if OPS[node.op].kind != "projection" or node.inputs[0] is not loop.node or item.node is not node:
                continue
            index = node.attrs.get("index")
            value = slot_value(node)
            if index is not None and index < carries:
                self.inside(loop, value, ["last", item.index, item.index])
            else:
                here = [" at this step"] if loop.node.op == "scan" else []
                self.inside(loop, value, ["", item.index, item.index, *here])

    def inside(self, loop: ShownLoop, value: Tensor, term: Term) -> None:
        item = loop.env[value]
        if item.loop is loop and value.dtype.is_float and item.kind != "constant":
            self.add(item, term)


def _ordered(said: str) -> str:
    """A product with the gradient that comes back in front: ``g · cos(x²)``."""
    sign = "−" if said.startswith("−") else ""
    factors, depth, start = [], 0, len(sign)
    for k, c in enumerate(said):
        depth += (c in "([{⌊|") - (c in ")]}⌋") if c != "|" else 0
        if depth == 0 and c == " ":
            return said
        if depth == 0 and c == "·":
            factors.append(said[start:k])
            start = k + 1
    factors.append(said[start:])
    if _ARRIVING not in factors or len(factors) == 1:
        return said
    factors.remove(_ARRIVING)
    return f"{sign}{_ARRIVING} · {'·'.join(factors)}"
