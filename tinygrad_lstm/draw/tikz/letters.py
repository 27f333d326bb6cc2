"""Text of pictures in LaTeX, so that pdfLaTeX takes every character."""

import re
import unicodedata
import xml.etree.ElementTree as ET
from typing import Final

from tinygrad_lstm.formula.notation import GREEK
from tinygrad_lstm.graph.scopes import legal_text

__all__ = ["OTHER", "label_lines", "latex_formula", "latex_words"]

OTHER: Final = r"\othersign"
r"""The command of characters that only LuaLaTeX and XeLaTeX find in their fonts."""

_TEXT: Final = {c: "\\" + c for c in "_{}$&#%"} | {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "…": r"\dots{}",
    "–": "--",
    "—": "---",
    "\u00a0": "~",
}
_GREEK: Final = {**GREEK, "ϵ": r"\epsilon"}
_SIGNS: Final = {
    "−": "-",
    "×": r"\times",
    "÷": r"\div",
    "·": r"\cdot",
    "∘": r"\circ",
    "⊙": r"\odot",
    "±": r"\pm",
    "√": r"\surd",
    "∂": r"\partial",
    "∇": r"\nabla",
    "∞": r"\infty",
    "≤": r"\le",
    "≥": r"\ge",
    "≠": r"\ne",
    "≈": r"\approx",
    "≫": r"\gg",
    "∧": r"\land",
    "∨": r"\lor",
    "¬": r"\lnot",
    "∈": r"\in",
    "⌊": r"\lfloor",
    "⌋": r"\rfloor",
    "⌈": r"\lceil",
    "⌉": r"\rceil",
    "→": r"\rightarrow",
    "←": r"\leftarrow",
    "↦": r"\mapsto",
    "⇉": r"\rightrightarrows",
    "•": r"\bullet",
    "○": r"\circ",
    "′": "'",
    "‖": r"\Vert",
    "⋅": r"\cdot",
    "ℓ": r"\ell",
    "𝟙": r"\mathbf{1}",
    "ᵀ": r"^{\top}",
    "⏎": r"\hookleftarrow",
    "<": "<",
    ">": ">",
    "|": "|",
    **_GREEK,
    **{c: f"^{{{plain}}}" for c, plain in zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ʸˣⁿ", "0123456789+-()yxn", strict=True)},
    **{c: f"_{{{plain}}}" for c, plain in zip("₀₁₂₃₄₅₆₇₈₉₊₋ₜₙₓᵢⱼ", "0123456789+-tnxij", strict=True)},
}
_MARKS: Final = {
    "\u0300": "grave",
    "\u0301": "acute",
    "\u0302": "hat",
    "\u0303": "tilde",
    "\u0304": "bar",
    "\u0306": "breve",
    "\u0307": "dot",
    "\u0308": "ddot",
    "\u030a": "mathring",
    "\u030c": "check",
    "\u20d7": "vec",
}
_FUNCTIONS: Final = ("tanh", "sin", "cos", "exp", "log", "max", "min")
_PIECE: Final = re.compile(r"[A-Za-z]{2,}|\d+(?:\.\d+)?|.[\u0300-\u036f\u20d7]*", re.DOTALL)


def latex_words(text: str) -> str:
    r"""Text in LaTeX; signs and Greek letters in it are mathematics.

    >>> print(latex_words("100% of f32[3] × σ"))
    100\% of f32[3] $\times$ $\sigma$
    """
    written = []
    for piece in _PIECE.findall(unicodedata.normalize("NFC", legal_text(text))):
        if piece in _TEXT:
            written.append(_TEXT[piece])
        elif piece.isascii() or (len(piece) == 1 and piece.isalpha() and "\u00c0" <= piece <= "\u017f"):
            written.append(piece if piece.isprintable() else " ")
        else:
            written.append(f"${latex_formula(piece)}$")
    return "".join(written)


def latex_formula(text: str) -> str:
    r"""A short label or name as a formula: single letters in italics, words upright.

    >>> print(latex_formula("C̃"), latex_formula("1−"), latex_formula("xʸ"), latex_formula("×decay"))
    \tilde{C} 1- x^{y} \times \mathrm{decay}
    """
    written = ""
    for piece in _PIECE.findall(unicodedata.normalize("NFD", legal_text(text))):
        shown = _in_mathematics(piece)
        # A command ends at the first character that is no letter.
        between = " " if re.search(r"\\[A-Za-z]+\Z", written) and shown[:1].isalpha() else ""
        written += f"{between}{shown}" if not shown.startswith("\\mathrm") or not written else f" {shown}"
    return written


def _in_mathematics(piece: str) -> str:
    base, marks = piece[0], piece[1:]
    if len(piece) > 1 and piece.isascii():
        whole = "\\" + piece if piece in _FUNCTIONS else rf"\mathrm{{{piece}}}"
        return piece if piece[0].isdigit() else whole
    if marks and all(mark in _MARKS for mark in marks):
        written = _in_mathematics(base)
        for mark in marks:
            written = rf"\{_MARKS[mark]}{{{written}}}"
        return written
    if base in _SIGNS:
        return _SIGNS[base]
    if base in _TEXT:
        return rf"\text{{{_TEXT[base]}}}" if base not in "_{}$&#%" else _TEXT[base]
    if base.isascii():
        return base if base.isprintable() and base != " " else r"\ "
    plain = unicodedata.normalize("NFKC", base)
    if plain.isascii() and plain.isprintable():
        return rf"\mathrm{{{''.join(_TEXT.get(c, c) for c in plain)}}}"
    return rf"\text{{{OTHER}{{{piece}}}}}"


def label_lines(label: str, *, formula: bool) -> list[str]:
    r"""The lines of a label of Graphviz's HTML-like markup.

    Args:
        formula: whether text outside of names is mathematics.

    >>> label_lines('<I>h</I><SUB><FONT POINT-SIZE="14">t−1</FONT></SUB>', formula=True)
    ['$h_{t-1}$']
    """
    root = ET.fromstring(f"<label>{label}</label>")
    rows = list(root.iter("TR"))
    # Rows that hold a table are shown as the rows of that one.
    rows = [row for row in rows if row.find(".//TABLE") is None]
    found = [_line(row, formula) for row in rows] if rows else [_line(root, formula)]
    return [line for line in found if line.strip()]


def _line(element: ET.Element, formula: bool) -> str:
    """What stands in one line, with its names, sizes and colours."""
    parts: list[str] = []
    if element.text:
        parts.append(f"${latex_formula(element.text)}$" if formula else latex_words(element.text))
    named = False
    for child in element:
        letter = child if child.tag == "I" else child.find("I") if child.tag == "FONT" and len(child) == 1 else None
        if letter is not None:
            parts.append(f"${latex_formula(_text_of(letter))}$")
        elif child.tag == "SUB":
            below = f"_{{{latex_formula(_text_of(child))}}}$"
            parts.append(parts.pop().removesuffix("$") + below if named else f"${below}")
        elif child.tag == "FONT":
            parts.append(_sized(child, _line(child, formula=False)))
        elif child.tag == "TD":
            parts.append(r"\ " * bool(parts) + _swatch(child, _line(child, formula)))
        else:
            parts.append(_line(child, formula))
        named = letter is not None and not child.tail
        if child.tail:
            parts.append(latex_words(child.tail))
    return "".join(parts)


def _swatch(cell: ET.Element, inner: str) -> str:
    """A cell of a table that has a colour."""
    color = cell.get("BGCOLOR")
    if color is None:
        return inner
    value = f"[HTML]{{{color.removeprefix('#').upper()}}}"
    return rf"\colorbox{value}{{{inner}}}" if inner else rf"\textcolor{value}{{\rule{{16bp}}{{8bp}}}}"


def _sized(font: ET.Element, inner: str) -> str:
    size, color = font.get("POINT-SIZE"), font.get("COLOR")
    if color is not None and inner:
        inner = rf"\textcolor[HTML]{{{color.removeprefix('#').upper()}}}{{{inner}}}"
    return rf"{{\fontsize{{{size}}}{{{size}}}\selectfont {inner}}}" if size and inner else inner


def _text_of(element: ET.Element) -> str:
    return "".join(element.itertext())
