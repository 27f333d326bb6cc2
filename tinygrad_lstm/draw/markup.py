r"""Text that Graphviz shows as that text: names in textbook form, and labels of hostile strings.

Graphviz reads ``\n`` and ``\N`` in plain labels, entities in all labels, and markup in those between ``<`` and ``>``.
"""

import html
import re

import graphviz

__all__ = ["FONT", "last_name", "plain", "pretty", "rich", "shortened", "split_name", "width_of"]

FONT = "Helvetica,Arial,sans-serif"
"""The font of every picture; SVG viewers and Pango take the first that they have."""

ACCENTED = f"DejaVu Sans,{FONT}"
"""For letters with marks: Pango puts a tilde beside the letter where the font does not say where it belongs."""

MOST = 2000
"""Longer tooltips are cut."""
LONGEST = 120
"""Longer names are shortened in pictures; Graphviz takes no text of more than 16,384 bytes."""

_NAME = re.compile(r"(?P<base>[^_]+)_(?:\{(?P<braced>[^{}]*)\}|(?P<plain>[^_{}]+))", re.DOTALL)
_STEP = re.compile(r"\[['\"](?P<key>.*)['\"]\]$|(?:^|\.)(?P<field>[^.\[\]]+)$", re.DOTALL)
_SPACE = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_DERIVATIVE = re.compile(r"∂[^∂/_]+/∂(?!.*∂)", re.DOTALL)
_MARK = re.compile(r"[\u0300-\u036f]")


def plain(text: str) -> str:
    r"""``text`` as a plain label or tooltip: the quotes are added, and nothing in it is interpreted.

    >>> print(plain("a\n&lt;\\N"))
    a\n&amp;lt;\\N
    """
    text = text if len(text) <= MOST else f"{text[: MOST // 2]} … {text[-MOST // 4 :]}"
    # A blank, since Graphviz crashes at a label that begins with an empty line.
    clean = "\n".join([_SPACE.sub(" ", line) or " " * ("\n" in text) for line in text.split("\n")])
    escaped = clean.replace("&", "&amp;").replace("\\", "\\\\").replace("\n", "\\n")
    return graphviz.nohtml(escaped)  # type: ignore[no-any-return]  # the package has no types


def rich(text: str, size: float) -> str:
    """An HTML-like label of a name: the letter in italics, what follows ``_`` as a subscript.

    Args:
        size: of the font, in points. Graphviz makes subscripts smaller in PNG but not in SVG, so they get a size.

    >>> print(rich("h_{t-1}", 20))
    <<I>h</I><SUB><FONT POINT-SIZE="17.2">t−1</FONT></SUB>>
    >>> print(rich("a & b", 20))
    <a &amp; b>
    """
    parts = split_name(text)
    if parts is None:
        text = shortened(text)
        return f"<{_escaped(text)}>" if text.strip() else "< >"
    base, below = (_escaped(part) for part in parts)
    sub = f'<SUB><FONT POINT-SIZE="{size * 0.86:g}">{below}</FONT></SUB>' if below else ""
    letter = f"<I>{base}</I>"
    if _MARK.search(base):
        letter = f'<FONT FACE="{ACCENTED}">{letter}</FONT>'
    return f"<{letter}{sub}>"


def shortened(text: str) -> str:
    """A name as a picture has room for it: of a very long one the beginning and the end.

    >>> shortened("gate"), len(shortened("x" * 20_000))
    ('gate', 81)
    """
    return text if len(text) <= LONGEST else f"{text[:60]}…{text[-20:]}"


def pretty(text: str) -> str:
    """A name in one line of plain text.

    >>> pretty("C_{t-1}"), pretty("forget gate")
    ('C_{t−1}', 'forget gate')
    """
    parts = split_name(text)
    if parts is None:
        return _SPACE.sub(" ", text)
    base, below = parts
    return f"{base}_{{{below}}}" if len(below) > 1 else f"{base}_{below}" if below else base


def width_of(text: str, size: float) -> float:
    """About how wide ``text`` is in a font of ``size``, in the units of ``size``.

    >>> width_of("tanh", 10.0) > width_of("σ", 10.0)
    True
    """
    letters = _MARK.sub("", shortened(text))
    narrow = sum(letter in "iljtf.,:;'|!()[] " for letter in letters)
    return size * (0.58 * (len(letters) - narrow) + 0.32 * narrow)


def last_name(path: str) -> str | None:
    """The last name in the path of a leaf of nested values; None where it is a mere number.

    >>> last_name("state.h"), last_name("['forget.weight']"), last_name("xs[0]"), last_name("")
    ('h', 'forget.weight', None, None)
    """
    match = _STEP.search(path)
    return (match["key"] or match["field"]) if match is not None else None


def split_name(text: str) -> tuple[str, str] | None:
    """Letter and subscript of a textbook's name, None for other text.

    >>> split_name("h_{t-1}"), split_name("x"), split_name("forget_gate")
    (('h', 't−1'), ('x', ''), None)
    >>> split_name("∂L/∂W_f")
    ('∂L/∂W', 'f')
    """
    derivative = _DERIVATIVE.match(text)
    if derivative is not None:
        rest = split_name(text[derivative.end() :])
        return (derivative[0] + rest[0], rest[1]) if rest is not None else None
    if len(_MARK.sub("", text)) == 1 and not text.isspace():
        return text, ""
    match = _NAME.fullmatch(text)
    # Braces tell that a subscript is meant; without them long_names are words.
    longest = 12 if match is not None and match["braced"] is not None else 2
    if match is None or len(_MARK.sub("", match["base"])) > longest or _SPACE.search(text):
        return None
    below = match["braced"] if match["braced"] is not None else match["plain"]
    return (match["base"], below.replace("-", "−")) if below and len(below) <= 8 else None


def _escaped(text: str) -> str:
    # Graphviz replaces \N and its like in HTML-like labels too.
    return html.escape(_SPACE.sub(" ", text)).replace("\\", "\\\\")
