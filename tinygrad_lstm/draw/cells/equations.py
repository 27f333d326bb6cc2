"""The equations of one step of a cell, as text and in LaTeX, in the textbook's letters."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from tinygrad_lstm.draw.cells.parts import Anatomy, Part
from tinygrad_lstm.draw.cells.recognising import clip_of, is_relu, normalising, thinned, value_of
from tinygrad_lstm.draw.marks import attribute_note
from tinygrad_lstm.draw.markup import pretty, split_name
from tinygrad_lstm.formula.notation import LATEX
from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.scopes import Scope, around_functions
from tinygrad_lstm.graph.tensor import Node, name_of

__all__ = ["Equation", "cell_in_words", "equations"]

_SUM, _PRODUCT, _ATOM = range(3)
_LONG: Final = 400
_MOST: Final = 20
"""So many values that have no name get one, lest a formula be as long as a page."""


@dataclass(frozen=True)
class Equation:
    """What a value is called and how it is computed.

    Attributes:
        part: the part of the cell that computes it.
        text: one line of plain text, such as ``C_t = f_t∘C_{t−1} + i_t∘C̃_t``.
        latex: the same for a formula in LaTeX, without dollar signs.
    """

    part: Part
    text: str
    latex: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class _Term:
    text: str
    latex: str
    level: int = _ATOM

    def inside(self, level: int) -> "_Term":
        """The term as an operand of something that holds as tightly as ``level``."""
        if self.level >= level:
            return self
        return _Term(f"({self.text})", rf"\left({self.latex}\right)")


_DOTS: Final = _Term("…", r"\ldots")


def equations(anatomy: Anatomy) -> list[Equation]:
    """One equation for each value that has a name or needs one, in an order in which they can be computed."""
    return _Writer(anatomy).equations()


def cell_in_words(anatomy: Anatomy) -> str:
    """The picture in words: the layers, then the equations."""
    layers = [f"{p.about} ({p.label})" if p.about != p.label else p.about for p in anatomy.parts if p.kind == "layer"]
    words = [f"Layers: {', '.join(layers)}." if layers else "No layers."]
    return " ".join([*words, *(f"{equation}." for equation in equations(anatomy))])


class _Writer:
    def __init__(self, anatomy: Anatomy) -> None:
        self.anatomy = anatomy
        # The hidden state comes first and is computed last.
        ends = [after.nodes[0] for _, after in reversed(anatomy.states)]
        self.order = topological([*ends, *(shown.nodes[0] for shown in anatomy.shown)])
        self.names: dict[Part, str] = {p: p.name for p in anatomy.parts if p.name is not None}
        self.names |= {after.reads[0]: after.label for _, after in anatomy.states if after.reads[0].kind != "state"}
        extra = [s for s in anatomy.shown if s.reads[0] not in self.names]
        self.names |= {s.reads[0]: s.label for s in extra if s.reads[0].kind not in ("state", "input")}
        self.terms: dict[Node, _Term] = {}
        self.letters: dict[Node, str] = {}
        # A clip is one operation in the picture, and so it is here.
        clips = [(n, clip) for n in self.order if n in anatomy.of and (clip := clip_of(n)) is not None]
        whole = [(n, clip) for n, clip in clips if {*anatomy.of[n].nodes} == {clip.inner, n}]
        self.lower, self.clips = {clip.inner for _, clip in whole}, dict(whole)
        # One letter pair stands for each scope that only normalises.
        known = [node for node in self.order if node in anatomy.of]
        self.norms: dict[Scope, _Term | None] = dict.fromkeys(normalising(known))

    def equations(self) -> list[Equation]:
        last = {self.anatomy.of[node]: node for node in self.order if node in self.anatomy.of}
        found = []
        taken, given = set(self.names.values()), 0
        for node in self.order:
            part = self.anatomy.of.get(node)
            if part is None or value_of(node) is not node or node in self.lower:
                continue
            if part.kind in ("input", "state"):
                self.terms[node] = _Term(pretty(part.label), LATEX.name(part.label))
                continue
            term = self._term(node, part)
            if last[part] is node and part in self.names:
                name = self.names[part]
                said, shown = pretty(name), LATEX.name(name)
                found.append(Equation(part, f"{said} = {term.text}", f"{shown} = {term.latex}"))
                term = _Term(said, shown)
            # Shared values without a name would double the text again and again: long ones get one.
            if len(term.text) > _LONG and given < _MOST:
                given = next(k for k in count(given + 1) if f"v_{k}" not in taken)
                name = f"v_{{{given}}}"
                found.append(Equation(part, f"{pretty(name)} = {term.text}", f"{LATEX.name(name)} = {term.latex}"))
                term = _Term(pretty(name), LATEX.name(name))
            self.terms[node] = term if len(term.text) <= _LONG else _DOTS
        return found

    def _term(self, node: Node, part: Part) -> _Term:
        if around_functions(node.scope) in self.norms:
            return self._normalised(node, part)
        if is_relu(node):
            return _called(_word("relu"), [self._operand(node.inputs[2], part, node)])
        if (clip := self.clips.get(node)) is not None:
            bounds = [self._operand(n.inputs[1], part, n) for n in (clip.inner, node)]
            return _called(_word("clip"), [self._operand(clip.argument, part, node), *bounds])
        if part.kind == "layer" and (kept := thinned(node)) is not None:
            return _called(_word("dropout"), [self._operand(kept, part, node)])
        operands = [self._operand(i, part, node) for i in node.inputs]
        if node.op == "concatenate":
            return _listed("[", operands, "]")
        if node.op == "matmul":
            weight, vector = operands[::-1] if value_of(node.inputs[1]) not in self.anatomy.of else operands
            weight, vector = weight.inside(_ATOM), vector.inside(_ATOM)
            return _Term(f"{weight.text}·{vector.text}", rf"{weight.latex} \cdot {vector.latex}", _PRODUCT)
        if node.op in _INFIX and len(operands) == 2:
            return _infix(node.op, *operands)
        if node.op == "negative":
            inner = operands[0].inside(_PRODUCT)
            return _Term(f"−{inner.text}", f"-{inner.latex}", _SUM)
        if node.op == "power":
            base, above = operands[0].inside(_ATOM), operands[1]
            return _Term(f"{base.text}^{above.inside(_ATOM).text}", f"{base.latex}^{{{above.latex}}}", _PRODUCT)
        if node.op == "slice":
            part_of = attribute_note(node)
            inner = operands[0].inside(_ATOM)
            return _Term(f"{inner.text}{part_of}", rf"{inner.latex}\left{part_of[:-1]}\right]", _ATOM)
        definition = OPS[node.op]
        # Some labels are signs for a picture; a function's name reads better in a line.
        word = definition.label if definition.label.isalpha() else node.op
        shown = definition.latex if definition.latex.startswith("\\") else rf"\operatorname{{{node.op}}}"
        return _called(_Term(word, shown), operands)

    def _operand(self, given: Node, part: Part, reader: Node) -> _Term:
        node = value_of(given)
        if node in self.anatomy.of:
            return self.terms[node]
        if node.op == "constant":
            number = f"{node.attrs['value']:g}"
            return _Term(number.replace("-", "−"), number, _ATOM if node.attrs["value"] >= 0 else _SUM)
        name = self.anatomy.weights.get(node) or (name_of(node) or "").rpartition(".")[2]
        kind = {"matmul": "W", "add": "b", "subtract": "b", "multiply": "p"}.get(reader.op, "w")
        if name not in ("", "weight", "bias"):
            return _Term(pretty(name), LATEX.name(name))
        return self._weight(part, kind, node)

    def _weight(self, part: Part, kind: str, node: Node) -> _Term:
        """A letter for a parameter: ``W_f`` for the matrix of the layer that computes ``f_t``, then ``U_f``."""
        if node.op == "slice" and value_of(node.inputs[0]) not in self.anatomy.of:
            whole, rows = self._weight(part, kind, value_of(node.inputs[0])), attribute_note(node)
            return _Term(whole.text + rows, whole.latex + rows)
        if node not in self.letters:
            self.letters[node] = self._free_name(part, kind)
        name = self.letters[node]
        return _Term(pretty(name), LATEX.name(name))

    def _free_name(self, part: Part, kind: str) -> str:
        """A name that no other weight has: the letter of its kind, or the next one, with the layer's name below."""
        below = ""
        split = split_name(part.name) if part.name is not None else None
        if split is not None:
            # Of the letter alone: W_C for C̃_t; but W_g0 for g_0.
            below = "".join(c for c in split[0] if c.isalpha()) + (split[1] if split[1].isdigit() else "")
        elif part.name is not None or part in self.names:
            below = (part.name or self.names[part])[:1]
        elif part.about not in ("layer", ""):
            below = part.about.replace(".", " ")
        taken = set(self.letters.values())
        rounds = (f"{below}{', ' if below else ''}{n}" if n > 1 else below for n in count(1))
        names = (f"{letter}_{{{sub}}}" if sub else letter for sub in rounds for letter in _LETTERS.get(kind, kind))
        return next(name for name in names if name not in taken)

    def _normalised(self, node: Node, part: Part) -> _Term:
        """Everything in a scope that normalises is called by one name, with what enters the scope."""
        scope = around_functions(node.scope)
        assert scope is not None
        known = self.norms[scope]
        if known is None:
            entering = [
                v
                for i in node.inputs
                if (v := value_of(i)) in self.anatomy.of and around_functions(v.scope) is not scope
            ]
            known = _called(_Term("LN", r"\operatorname{LN}"), [self.terms[v] for v in entering])
            self.norms[scope] = known
        return known


_LETTERS: Final = {"W": "WUV", "b": "bcd"}
_INFIX: Final = {
    "add": (" + ", " + ", _SUM),
    "subtract": (" − ", " - ", _SUM),
    "multiply": ("∘", r" \odot ", _PRODUCT),
    "divide": ("/", " / ", _PRODUCT),
}


def _infix(op: str, left: _Term, right: _Term) -> _Term:
    sign, shown, level = _INFIX[op]
    if op == "multiply" and any(side.text.replace(".", "").isdigit() for side in (left, right)):
        sign, shown = "·", r" \cdot "
    left, right = left.inside(level), right.inside(level + (op in ("subtract", "divide")))
    return _Term(f"{left.text}{sign}{right.text}", f"{left.latex}{shown}{right.latex}", level)


def _word(name: str) -> _Term:
    return _Term(name, rf"\operatorname{{{name}}}")


def _called(function: _Term, operands: Sequence[_Term]) -> _Term:
    inner = _listed("(", operands, ")")
    return _Term(function.text + inner.text, function.latex + inner.latex)


def _listed(opening: str, operands: Sequence[_Term], closing: str) -> _Term:
    said = ", ".join(operand.text for operand in operands)
    shown = ", ".join(operand.latex for operand in operands)
    return _Term(f"{opening}{said}{closing}", rf"\left{opening}{shown}\right{closing}")
