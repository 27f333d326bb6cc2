"""The HTML page of an explanation: one file, without a network, light and dark, also on a narrow screen."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tinygrad_lstm.graph.tensor import Node

__all__ = ["Row", "Section", "explanation_page"]


@dataclass(frozen=True, eq=False, slots=True)
class Row:
    """A line of a listing: its text, its node, whether it is worth looking at, and whether a pass just made it."""

    text: str
    node: Node | None
    heavy: bool
    made: bool


@dataclass(frozen=True, eq=False, slots=True)
class Section:
    """A listing with a title."""

    title: str
    about: str
    rows: tuple[Row, ...]


_STYLE: Final = """
:root { color-scheme: light dark; --ground: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de;
  --panel: #f6f8fa; --made: #1a7f37; --heavy: #0550ae; }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --ink: #e6edf3; --soft: #9198a1; --line: #3d444d;
  --panel: #151b23; --made: #3fb950; --heavy: #79c0ff; } }
body { background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 76rem; padding: 1rem; }
h1 { font-size: 1.4rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
p { margin: .3rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .2rem .8rem .2rem 0; text-align: left; }
td:nth-child(2), td:nth-child(3), th:nth-child(2), th:nth-child(3)
  { text-align: right; }
a { color: var(--heavy); }
.legend { color: var(--soft); font-size: .9rem; white-space: pre-line; }
pre:focus-visible, summary:focus-visible { outline: 2px solid var(--heavy); }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; }
summary { cursor: pointer; padding: .5rem .8rem; }
summary span { color: var(--soft); font-size: .9rem; margin-left: .6rem; }
pre { background: var(--panel); font: 13px/1.45 ui-monospace, monospace; margin: 0; overflow: auto;
  max-height: 80vh; padding: .6rem 0; }
pre span { display: block; min-width: max-content; padding: 0 .8rem; border-left: 3px solid transparent; }
pre .made { border-left-color: var(--made); }
pre .heavy { color: var(--heavy); font-weight: 600; }
"""
_OPEN: Final = """<script>
addEventListener("hashchange", () => { const at = document.getElementById(location.hash.slice(1));
  if (at && at.tagName === "DETAILS") { at.open = true; at.scrollIntoView(); } });
</script>"""


def explanation_page(
    title: str, figures: Sequence[str], table: Sequence[Sequence[str]], legend: str, sections: Sequence[Section]
) -> str:
    """The page as text.

    Args:
        figures: sentences on what the program consists of.
        table: a row for each of the first sections, after one of headings.
        sections: the listings, closed but for the last of the table.
    """
    name = html.escape(title)
    parts = [
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style></head><body><h1>{name}</h1>",
        *[f"<p>{html.escape(line.strip())}</p>" for line in figures],
        "<div class='scroll'><table>",
        "<tr>" + "".join(f"<th scope='col'>{html.escape(cell)}</th>" for cell in table[0]) + "</tr>",
    ]
    for number, (first, *cells) in enumerate(table[1:]):
        rest = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        parts.append(f"<tr><th scope='row'><a href='#part{number}'>{html.escape(first)}</a></th>{rest}</tr>")
    parts += ["</table></div>", f"<p class='legend'>{html.escape(legend)}</p>"]
    parts.append("<p class='legend'>Marked on the left: what the pass made, or made anew because of it.</p>")
    opened = len(table) - 2
    for number, section in enumerate(sections):
        parts.append(f"<details id='part{number}'{' open' if number == opened else ''}>")
        parts.append(f"<summary>{html.escape(section.title)}<span>{html.escape(section.about)}</span></summary>")
        lines = [_line(row, marked=0 < number <= opened) for row in section.rows]
        parts.append(f"<pre tabindex='0'>{''.join(lines)}</pre></details>")
    return "\n".join([*parts, _OPEN, "</body></html>"])


def _line(row: Row, marked: bool) -> str:
    classes = [name for name, there in (("made", row.made and marked), ("heavy", row.heavy)) if there]
    opening = f"<span class='{' '.join(classes)}'>" if classes else "<span>"
    return opening + (html.escape(row.text) or " ") + "</span>"
