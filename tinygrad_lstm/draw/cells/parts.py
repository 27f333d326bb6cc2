"""The parts that the picture of a cell consists of, which of them read which, and an order to draw them in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tinygrad_lstm.graph.tensor import Node

__all__ = ["Anatomy", "Part", "PartKind", "in_order", "merged_joins"]

PartKind = Literal["input", "state", "layer", "pointwise", "join", "op", "next", "output"]


@dataclass(eq=False)
class Part:
    """One thing in the picture, and the nodes of the graph that it stands for.

    Attributes:
        label: what is written in it; for inputs, states and outputs their name.
        reads: the parts whose values it takes, in order.
        name: the name that the user gave to its value.
        about: the name of the scope that it was made in.
        marks: which operand of its operation a part is, where that makes a difference.
    """

    kind: PartKind
    label: str
    nodes: tuple[Node, ...] = ()
    reads: list["Part"] = field(default_factory=list)
    name: str | None = None
    about: str = ""
    marks: dict["Part", str] = field(default_factory=dict)


@dataclass(frozen=True)
class Anatomy:
    """All parts, each after those that it reads; the pairs of a state and its next value; what else is put out.

    ``shown`` are the parts that the arrows out of the top of the cell carry, ``of`` tells the part that a node of the
    graph belongs to. ``weights`` are the names of what operations read and nothing that goes into the step decides.
    """

    title: str
    parts: tuple[Part, ...]
    states: tuple[tuple[Part, Part], ...]
    shown: tuple[Part, ...]
    of: Mapping[Node, Part]
    weights: Mapping[Node, str]


def in_order(parts: Iterable[Part]) -> list[Part]:
    """The parts in an order in which each comes after those that it reads, otherwise as they come."""
    wanted = list(parts)
    mine, done, result = set(wanted), set[Part](), list[Part]()
    stack = wanted[::-1]
    while stack:
        part = stack[-1]
        missing = [r for r in part.reads if r in mine and r not in done]
        if part not in done and missing:
            stack += missing[::-1]
            continue
        stack.pop()
        if part not in done:
            done.add(part)
            result.append(part)
    return result


def merged_joins(parts: list[Part], results: set[Part], made: dict[Any, Part]) -> list[Part]:
    """A concatenation that only another one reads becomes part of that one: the lines merge one by one."""
    gone: set[Part] = set()
    for part in parts:
        if part.kind == "join":
            for inner in [r for r in part.reads if r.kind == "join" and r not in results]:
                if sum(inner in p.reads for p in parts) == 1:
                    at = part.reads.index(inner)
                    part.reads[at : at + 1] = inner.reads
                    part.nodes = (*inner.nodes, *part.nodes)
                    made.update(dict.fromkeys(inner.nodes, part))
                    gone.add(inner)
    return [p for p in parts if p not in gone]
