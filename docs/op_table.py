"""Write ``docs/ops.md``, the table of all primitives, from the tables of the code: ``python docs/op_table.py``."""

from pathlib import Path

import tinygrad_lstm as tl
from tinygrad_lstm.autodiff.table import LOOP_RULES
from tinygrad_lstm.graph.registry import FUNCTIONS, OPS

PAGE = Path(__file__).parent / "ops.md"

HEAD = """# The primitives

The ops that the engine knows; everything else is composed of these. This page is written by `docs/op_table.py` from the
tables of the code. **Kind**: `elementwise` ops broadcast; a `view` moves no data; an `identity` returns its input; a
`projection` picks one result of an op with several; a `loop` has a body; a `leaf` has no inputs.

| op | label | kind | gradient | what it is |
|---|---|---|---|---|
"""

PRIMITIVES = {name: op for name, op in OPS.items() if op.kind != "compiled"}

WITHOUT_FUNCTION = {
    "branch": "A graph that is computed only where a condition holds; see `cond`.",
    "call": "A graph that is computed as one step, and again for its gradient; see `checkpoint`.",
    "constant": "A scalar that stands in the graph itself, such as the 2 in `2·x`.",
    "item": "One result of an op with several, by its number.",
    "leaf": "An evaluated value, such as the content of a Parameter.",
    "pullback": "What forward mode makes of a `while_loop`, and differentiates; it has no value.",
    "slice": "`x[start:stop:step]` along every axis, with steps above 0; see `x[…]`.",
    "stacked": "What a value of a loop's body was at each step.",
}


def summary(name: str) -> str:
    """The first sentence of the public function of this name."""
    if name in WITHOUT_FUNCTION:
        return WITHOUT_FUNCTION[name]
    f = FUNCTIONS.get(name) or getattr(tl, name, None)
    if f is None or not f.__doc__:
        return ""
    return " ".join(f.__doc__.split("\n\n")[0].split()).replace("|", "\\|").replace("``", "`")


def table() -> str:
    """The page as text."""
    rows = []
    for name, op in sorted(PRIMITIVES.items()):
        rule = op.gradient is not None or name in LOOP_RULES
        gradient = "yes" if rule else "none"
        label = op.label.replace("|", "\\|")
        rows.append(f"| `{name}` | {label} | {op.kind} | {gradient} | {summary(name)} |\n")
    return HEAD + "".join(rows) + f"\n{len(PRIMITIVES)} primitives.\n"


if __name__ == "__main__":
    PAGE.write_text(table(), encoding="utf-8")
