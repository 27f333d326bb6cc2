"""What stands under or over the picture of a graph: what was folded, what colours mean, what shapes mean."""

import html
from collections.abc import Sequence
from typing import Final

from tinygrad_lstm.draw.graphs.annotations import Scale
from tinygrad_lstm.draw.graphs.folding import Folded
from tinygrad_lstm.draw.graphs.vertices import Vertex, around
from tinygrad_lstm.draw.markup import shortened
from tinygrad_lstm.draw.themes import Theme

__all__ = ["caption", "escaped"]

MEANINGS: Final[dict[str, str]] = {
    "symbol": "input (double ellipse)",
    "parameter": "Parameter (cylinder)",
    "state": "State (block)",
    "leaf": "data (sheet)",
    "pointwise": "elementwise operation (ellipse)",
    "op": "other operation (box)",
    "view": "moves no data (round box)",
    "loop": "loop (box with plugs)",
    "carry": "carried from step to step (house)",
    "slice": "into or out of a loop (trapezium)",
    "folded": "folded (folder)",
    "output": "result (thick ellipse)",
}
"""What kinds of vertices are, and by which shape they are told."""


def caption(theme: Theme, folded: Folded, scales: Sequence[Scale], title: str, *, meanings: bool) -> str:
    """The label of a picture, in Graphviz's markup: its title, what was folded, what colours and shapes mean."""
    rows = [f"<TD>{escaped(line)}</TD>" for line in _wrapped(f"… folded: {folded.said}")]
    rows = rows if folded.said else []
    if title:
        said = f'<FONT POINT-SIZE="16" COLOR="{theme.text}">{escaped(shortened(title))}</FONT>'
        rows.insert(0, f"<TD>{said}</TD>")
    for scale in scales:
        colors = theme.heat if scale.kind == "heat" else theme.flow
        cells = [f"<TD>{escaped(scale.text)}:  </TD>" if scale.low else f"<TD>{escaped(scale.text)}</TD>"]
        if scale.low:
            thin, thick = ("", "") if scale.kind == "heat" else (" (thin)", " (thick)")
            swatches = [f'<TD BGCOLOR="{c}" WIDTH="16" HEIGHT="10" FIXEDSIZE="TRUE"></TD>' for c in colors]
            cells += [f"<TD>{scale.low}{thin} </TD>", *swatches, f"<TD> {scale.high}{thick}</TD>"]
        row = "".join(cells)
        rows.append(f'<TD><TABLE BORDER="0" CELLSPACING="0" CELLPADDING="2"><TR>{row}</TR></TABLE></TD>')
    if meanings:
        rows += _meanings(theme, folded.vertices)
    lines = "".join("<TR>" + row.replace("<TD", '<TD ALIGN="LEFT"', 1) + "</TR>" for row in rows)
    return f'<<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="1">{lines}</TABLE>>'


def _meanings(theme: Theme, shown: Sequence[Vertex]) -> list[str]:
    """Rows that say what the shapes and colours in this picture mean."""
    kinds = {v.kind: theme.fills[v.kind] for v in shown if not v.closed}
    found = [(MEANINGS[kind], kinds[kind]) for kind in MEANINGS if kind in kinds]
    if any(v.gradient for v in shown):
        found.append(("helps to compute a gradient (dashed outline)", (theme.background, theme.gradient)))
    roles = {role for v in shown for role in (v.role, *[c.role for c in around(v.cluster)])}
    found += [(f"{role} (frame)", theme.tints[role]) for role in ("cell", "layer", "gate", "state") if role in roles]
    rows = []
    for k in range(0, len(found), 4):
        cells = "".join(
            f'<TD BORDER="1" BGCOLOR="{fill}" COLOR="{color}"><FONT COLOR="{theme.text}">{words}</FONT></TD>'
            for words, (fill, color) in found[k : k + 4]
        )
        rows.append(f"<TR>{cells}{'<TD></TD>' * (4 - len(found[k : k + 4]))}</TR>")
    return [f'<TD><TABLE BORDER="0" CELLSPACING="5" CELLPADDING="3">{"".join(rows)}</TABLE></TD>']


def _wrapped(text: str, width: int = 120) -> list[str]:
    """Lines of about ``width``, broken at blanks."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines


def escaped(text: str) -> str:
    """Text inside a label in Graphviz's markup."""
    # Graphviz replaces \N and its like in HTML-like labels too.
    return html.escape("".join(c if c.isprintable() else " " for c in text)).replace("\\", "\\\\")
