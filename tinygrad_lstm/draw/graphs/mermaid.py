"""A picture as a Mermaid flowchart, which READMEs and wikis draw by themselves."""

from collections.abc import Mapping
from typing import Any, Final

from tinygrad_lstm.draw.graphs.folding import Folded
from tinygrad_lstm.draw.graphs.vertices import Cluster, Edge, Vertex
from tinygrad_lstm.draw.markup import pretty
from tinygrad_lstm.draw.themes import THEMES, Theme
from tinygrad_lstm.graph.scopes import legal_text

__all__ = ["mermaid"]

_SHAPES: Final[dict[str, tuple[str, str]]] = {
    "pointwise": ("([", "])"),
    "op": ("[", "]"),
    "view": ("(", ")"),
    "symbol": ("((", "))"),
    "parameter": ("[(", ")]"),
    "state": ("[[", "]]"),
    "leaf": (">", "]"),
    "constant": ("[", "]"),
    "carry": ("{{", "}}"),
    "slice": ("[/", "\\]"),
    "loop": ("[[", "]]"),
    "output": ("(((", ")))"),
    "folded": ("[[", "]]"),
}


def mermaid(folded: Folded, direction: str, shapes: bool, theme: Theme = THEMES["light"], types: bool = True) -> str:
    """The folded graph in Mermaid's language. GitHub draws at most 500 edges and 50,000 letters of it.

    >>> print(tl.draw.graph(tl.tanh(tl.symbol("x", 3))).mermaid())
    flowchart LR
      n0(("x<br/>f32#91;3#93;"))
      n1(["tanh"])
      n2((("result<br/>f32#91;3#93;")))
      n0 -->|"f32#91;3#93;"| n1
      n1 -->|"f32#91;3#93;"| n2
      classDef output fill:#e1bee7,stroke:#4a148c,color:#000000
      classDef pointwise fill:#f8bbd0,stroke:#880e4f,color:#000000
      classDef symbol fill:#bbdefb,stroke:#0d47a1,color:#000000
      class n2 output
      class n1 pointwise
      class n0 symbol
    """
    ids = {v: f"n{k}" for k, v in enumerate(folded.vertices)}
    lines = [f"flowchart {direction}", *_clusters(folded.vertices, ids, types)]
    lines += [f"  {_edge(e, ids, shapes and types)}" for e in folded.edges]
    if folded.said:
        lines.append(f'  said["{_text(f"… folded: {folded.said}")}"]')
    kinds = sorted({v.kind for v in folded.vertices})
    for kind in kinds:
        fill, color = theme.fills[kind]
        lines.append(f"  classDef {kind} fill:{fill},stroke:{color},color:{theme.text}")
    gradient = [ids[v] for v in folded.vertices if v.gradient]
    if gradient:
        lines.append(f"  classDef gradient stroke:{theme.gradient},stroke-width:2px,stroke-dasharray:5 4")
    lines += [f"  class {','.join(ids[v] for v in folded.vertices if v.kind == kind)} {kind}" for kind in kinds]
    if gradient:
        lines.append(f"  class {','.join(gradient)} gradient")
    return "\n".join(lines) + "\n"


def _clusters(vertices: list[Vertex], ids: Mapping[Vertex, str], types: bool) -> list[str]:
    """The vertices in the subgraphs of their clusters, which need not stand together in the order."""
    inside: dict[Any, list[Any]] = {None: []}
    for v in vertices:
        item: Any = v
        at = v.frame
        while at is not None and at not in inside:
            inside[at] = [item]
            item, at = at, at.parent
        inside[at].append(item)
    lines: list[str] = []
    pending: list[Any] = list(reversed(inside[None]))
    count = 0
    while pending:
        item = pending.pop()
        if isinstance(item, Vertex):
            lines.append(f"  {ids[item]}{_vertex(item, types)}")
        elif isinstance(item, Cluster):
            lines.append(f'  subgraph c{count}["{_text(item.name)}"]')
            count += 1
            pending += ["  end", *reversed(inside[item])]
        else:
            lines.append(item)
    return lines


def _vertex(v: Vertex, types: bool) -> str:
    first, last = _SHAPES[v.kind]
    small = list(v.notes)
    if v.kind == "folded":
        small.append(f"{v.count:,} node{'s' * (v.count != 1)}")
    elif v.kind in ("symbol", "parameter", "state", "leaf", "output") and v.type is not None and types:
        small.insert(0, str(v.type))
    label = ".".join(v.label.split(".")[-2:]) if v.kind in ("parameter", "state") else v.label
    label += f" ×{v.times:,}" if v.times else ""
    words = "<br/>".join(_text(pretty(t)) for t in [label, *v.names]) + "".join(f"<br/>{_text(s)}" for s in small)
    return f'{first}"{words or " "}"{last}'


def _edge(e: Edge, ids: Mapping[Vertex, str], shapes: bool) -> str:
    parts = [word for word in (e.mark, e.note) if word]
    parts += [str(e.type)] if shapes and e.type is not None else []
    label = f'|"{_text(" ".join(parts))}"|' if parts else ""
    return f"{ids[e.source]} {'-.->' if e.back else '-->'}{label} {ids[e.target]}"


def _text(text: str) -> str:
    """Every sign of ASCII as an entity: some end the label, others are Markdown in it."""
    clean = "".join(c if c.isprintable() else " " for c in legal_text(text)).strip()
    return "".join(c if c.isalnum() or c in " ," or not c.isascii() else f"#{ord(c)};" for c in clean) or "#32;"
