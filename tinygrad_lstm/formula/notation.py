"""Two notations for mathematics: one line of plain text, and LaTeX."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Protocol

from tinygrad_lstm.errors import printable
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.scopes import legal_text

__all__ = ["GREEK", "LATEX", "TEXT", "Notation", "power_of"]

_SUPERSCRIPTS: Final = str.maketrans("-0123456789()", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹⁽⁾")
_SUBSCRIPTS: Final = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


class Notation(Protocol):
    """How the parts of an expression are written. Arguments are written texts, except for the names that users gave."""

    minus: str
    bars: bool
    """Whether fractions have bars, above and below which no parentheses are needed."""

    def name(self, text: str) -> str:
        """A name that the user gave."""

    def again(self, name: str, count: int) -> str:
        """The name of the ``count``-th value that the user gave the same name."""

    def local(self, number: int) -> str:
        """The name of a subexpression."""

    def number(self, value: bool | int | float) -> str:
        """A constant that is not negative."""

    def brackets(self, inner: str) -> str:
        """``inner`` in parentheses."""

    def power(self, base: str, exponent: str, whole: bool) -> str:
        """A power; ``whole``: the exponent is an integer."""

    def product(self, factors: Sequence[tuple[str, bool]]) -> str:
        """A product of factors, each with whether it is a scalar."""

    def quotient(self, above: str, below: str, single: bool) -> str:
        """A quotient; ``single``: only one factor is below."""

    def call(self, op: str, arguments: Sequence[str], options: Sequence[tuple[str, str]]) -> str:
        """An op as a call, with its options behind the arguments."""

    def field(self, whole: str, part: str) -> str:
        """One of several results of ``whole``."""

    def infix(self, op: str) -> str:
        """The sign of an op between its operands, blanks included."""

    def wrapped(self, op: str, inner: str) -> str:
        """An operand with the sign of a unary op around, before or behind it."""

    def listed(self, parts: Sequence[str]) -> str:
        """A list of parts in brackets."""

    def index(self, inside: str) -> str:
        """An index, as it is written behind an array."""

    def where(self, whole: list[str], definitions: Sequence[tuple[str, list[str]]], left_out: int) -> str:
        """An expression and the definitions of names in it, each in lines that may be joined to one.

        ``left_out`` of the definitions, in the middle, are not shown.
        """


def _plain_number(value: bool | int | float) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return f"{value:.7g}" if isinstance(value, float) else str(value)


_WIDTH: Final = 110
"""So many characters of an expression stand in one line."""


def _folded(lines: Sequence[str], indent: str, width: int = _WIDTH) -> list[str]:
    """``lines`` as one where it is short, and else with an indent from the second on."""
    flat = " ".join(lines)
    return [flat] if len(indent) + len(flat) <= width else [lines[0], *[indent + line for line in lines[1:]]]


class _Text:
    minus = "−"
    bars = False

    _signs: Final = {
        "matmul": "@",
        "equal": "=",
        "less": "<",
        "less_equal": "≤",
        "bitwise_and": "∧",
        "bitwise_or": "∨",
        "remainder": "mod",
        "in": "in",
    }
    _round: Final = {
        "sqrt": ("√", ""),
        "abs": ("|", "|"),
        "floor": ("⌊", "⌋"),
        "invert": ("¬", ""),
        "transpose": ("", "ᵀ"),
    }

    def name(self, text: str) -> str:
        return printable(" ".join(text.split())) if text.strip() else "␣"

    def again(self, name: str, count: int) -> str:
        return name + f"({count})".translate(_SUPERSCRIPTS)

    def local(self, number: int) -> str:
        return "v" + str(number).translate(_SUBSCRIPTS)

    def number(self, value: bool | int | float) -> str:
        return _plain_number(value).replace("-", "−")

    def brackets(self, inner: str) -> str:
        return f"({inner})"

    def power(self, base: str, exponent: str, whole: bool) -> str:
        return base + exponent.translate(_SUPERSCRIPTS) if whole else f"{base}^{exponent}"

    def product(self, factors: Sequence[tuple[str, bool]]) -> str:
        return "·".join(factor for factor, _ in factors)

    def quotient(self, above: str, below: str, single: bool) -> str:
        return f"{above}/{below}" if single else f"{above}/({below})"

    def call(self, op: str, arguments: Sequence[str], options: Sequence[tuple[str, str]]) -> str:
        called = {"sigmoid": "σ", "sum": "Σ"}.get(op, op)
        return f"{called}({', '.join([*arguments, *[f'{k}={v}' for k, v in options]])})"

    def field(self, whole: str, part: str) -> str:
        return f"{whole}.{part}"

    def infix(self, op: str) -> str:
        return f" {self._signs[op]} "

    def wrapped(self, op: str, inner: str) -> str:
        before, behind = self._round[op]
        return before + inner + behind

    def listed(self, parts: Sequence[str]) -> str:
        return f"[{', '.join(parts)}]"

    def index(self, inside: str) -> str:
        return f"[{inside}]"

    def where(self, whole: list[str], definitions: Sequence[tuple[str, list[str]]], left_out: int) -> str:
        parts = [f"{name} = {' '.join(lines)}" for name, lines in definitions]
        flat = " ".join(whole) + (f" where {', '.join(parts)}" if parts else "")
        if len(flat) <= _WIDTH and not left_out:
            return flat
        shown = _folded(whole, "  ")
        for k, (name, lines) in enumerate(definitions):
            if left_out and k == len(definitions) // 2:
                shown.append(f"        … {left_out} more …")
            front = f"{'  where' if k == 0 else '       '} {name} = "
            first, *rest = _folded(lines, " " * (len(front) - 2))
            shown += [front + first, *rest]
        return "\n".join(shown)


_ESCAPES: Final = {c: "\\" + c for c in "_{}$&#%"} | {
    "\\": r"\backslash ",
    "^": r"{\wedge}",
    "~": r"{\sim}",
    " ": r"\ ",
    # In braces, so that a page does not read it as a tag.
    "<": "{<}",
    ">": "{>}",
}
GREEK: Final = {
    "λ": r"\lambda",
    "Λ": r"\Lambda",
    **{
        letter: "\\" + (name.capitalize() if letter.isupper() else name)
        for letter in "αβγδεζηθικμνξπρστυφχψωΓΔΘΞΠΣΥΦΨΩ"
        for name in [unicodedata.name(letter).rpartition(" ")[2].lower()]
    },
}
"""Greek letters in LaTeX's mathematics."""
_MARKS: Final = {
    "\u0300": "grave",
    "\u0301": "acute",
    "\u0302": "hat",
    "\u0303": "tilde",
    "\u0304": "bar",
    "\u0307": "dot",
    "\u0308": "ddot",
}
_INDEXED: Final = re.compile(r"(?P<base>[^_\s]+)_(?:\{(?P<braced>[^{}]*)\}|(?P<plain>[^_{}]+))")
_POWER_OF_TEN: Final = re.compile(r"(?P<front>[^e]+)e(?P<sign>[+-])0*(?P<power>\d+)")


def _letter(text: str) -> str | None:
    """One letter, Greek or Latin, with its accents, in LaTeX; None for other text."""
    base, *marks = list(unicodedata.normalize("NFD", text)) or [" "]
    if not (base in GREEK or (base.isascii() and base.isalpha())) or any(m not in _MARKS for m in marks):
        return None
    written = GREEK.get(base, base)
    for mark in marks:
        written = rf"\{_MARKS[mark]}{{{written}}}"
    return written


def _upright(text: str) -> str:
    letters = []
    for c in legal_text(text):
        if c in _ESCAPES:
            letters.append(_ESCAPES[c])
        elif c.isascii():
            letters.append(c if c.isprintable() else r"\ ")
        elif c in GREEK:
            letters.append(f"{GREEK[c]} ")
        else:
            letters.append(rf"\text{{{c}}}")
    return rf"\mathrm{{{''.join(letters)}}}"


class _Latex:
    minus = "-"
    bars = True

    _signs: Final = {
        "matmul": r" \, ",
        "equal": " = ",
        "less": r" < ",
        "less_equal": r" \le ",
        "bitwise_and": r" \land ",
        "bitwise_or": r" \lor ",
        "remainder": r" \bmod ",
        "in": r" \in ",
    }
    _round: Final = {
        "sqrt": (r"\sqrt{", "}"),
        "abs": (r"\left|", r"\right|"),
        "floor": (r"\left\lfloor ", r" \right\rfloor"),
        "invert": (r"\neg ", ""),
        "transpose": ("", r"^{\top}"),
    }

    def name(self, text: str) -> str:
        single = _letter(text)
        if single is not None:
            return single
        match = _INDEXED.fullmatch(text)
        base = _letter(match["base"]) if match is not None else None
        if match is None or base is None:
            return _upright(text)
        below = match["braced"] if match["braced"] is not None else match["plain"]
        simple = re.fullmatch(r"[A-Za-z0-9](?:\s*[-+,]\s*[A-Za-z0-9]+)*", below) is not None
        return f"{base}_{{{below if simple else _upright(below)}}}"

    def again(self, name: str, count: int) -> str:
        return f"{name}^{{({count})}}"

    def local(self, number: int) -> str:
        return f"v_{{{number}}}"

    def number(self, value: bool | int | float) -> str:
        text = _plain_number(value)
        match = _POWER_OF_TEN.fullmatch(text)
        if match is not None:
            power = ("-" if match["sign"] == "-" else "") + match["power"]
            return f"10^{{{power}}}" if match["front"] == "1" else rf"{match['front']} \cdot 10^{{{power}}}"
        return {"inf": r"\infty"}.get(text, text if text.replace(".", "").isdigit() else rf"\mathrm{{{text}}}")

    def brackets(self, inner: str) -> str:
        return rf"\left({inner}\right)"

    def power(self, base: str, exponent: str, whole: bool) -> str:
        return f"{base}^{{{exponent}}}"

    def product(self, factors: Sequence[tuple[str, bool]]) -> str:
        text = factors[0][0]
        for (_, before), (factor, number) in pairwise(factors):
            text += (r" \, " if before or number else r" \odot ") + factor
        return text

    def quotient(self, above: str, below: str, single: bool) -> str:
        return rf"\frac{{{above}}}{{{below}}}"

    def call(self, op: str, arguments: Sequence[str], options: Sequence[tuple[str, str]]) -> str:
        definition = OPS.get(op)
        generic = {"arctan": r"\arctan"}.get(op, rf"\operatorname{{{op}}}")
        sign = definition.latex if definition is not None else generic
        sign = generic.replace("_", r"\_") if sign == generic else sign
        named = [(k.replace("_", r"\_"), _upright(v)) for k, v in options]
        if op in ("sum", "max", "min", "logsumexp") and named:
            below = ", ".join([rf"\mathrm{{{k}}}\,{v}" for k, v in named])
            return f"{sign}_{{{below}}}{self.brackets(arguments[0])}"
        return sign + self.brackets(", ".join([*arguments, *[rf"\mathrm{{{k}}} = {v}" for k, v in named]]))

    def field(self, whole: str, part: str) -> str:
        return f"{whole}.{part}"

    def infix(self, op: str) -> str:
        return self._signs[op]

    def wrapped(self, op: str, inner: str) -> str:
        before, behind = self._round[op]
        return before + inner + behind

    def listed(self, parts: Sequence[str]) -> str:
        return rf"\left[{', '.join(parts)}\right]"

    def index(self, inside: str) -> str:
        return f"[{inside}]"

    def where(self, whole: list[str], definitions: Sequence[tuple[str, list[str]]], left_out: int) -> str:
        parts = [f"{name} = {' '.join(lines)}" for name, lines in definitions]
        flat = " ".join(whole) + (r" \quad\text{where}\quad " + r",\; ".join(parts) if parts else "")
        if len(flat) <= 4 * _WIDTH and not left_out:
            return flat
        rows = _folded(whole, r"\quad ", 3 * _WIDTH)
        for k, (name, lines) in enumerate(definitions):
            if left_out and k == len(definitions) // 2:
                rows.append(r"\dots")
            front = r"\text{where}\quad " if k == 0 else r"\phantom{\text{where}}\quad "
            first, *rest = _folded(lines, rf"\phantom{{\text{{where}}\quad {name}}}\quad ", 3 * _WIDTH)
            rows += [f"{front}{name} = {first}", *rest]
        return r"\begin{aligned}& " + r" \\ & ".join(rows) + r"\end{aligned}"


TEXT: Final[Notation] = _Text()
LATEX: Final[Notation] = _Latex()


def power_of(exponent: bool | int | float) -> str:
    """The operation of raising to a power.

    >>> power_of(2.0), power_of(-1), power_of(0.5)
    ('x²', 'x⁻¹', 'x^0.5')
    """
    shown = _plain_number(exponent)
    return TEXT.power("x", shown, shown.removeprefix("-").isdigit())
