"""One step of an unrolled loop as all its steps are laid out: with everything that any of them has."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tinygrad_lstm.draw.graphs.step_folding import BETWEEN
from tinygrad_lstm.draw.graphs.timeline import Timeline
from tinygrad_lstm.draw.graphs.vertices import LEAVES, Edge, Vertex
from tinygrad_lstm.draw.layered import Lane, Layered, Size, layered

__all__ = ["MARGIN", "StepPlan", "brought", "step_plan"]

MARGIN: Final = 7.0
TITLE: Final = 16.0


@dataclass
class StepPlan:
    """A step, as it is in each column.

    Attributes:
        plan: of all that is inside.
        sizes: of all that is inside: the largest of any step.
        below: what enters from below.
        out: for what is read outside, the key of its way out.
        tall: the room over and under the highest lane, the frame included.
    """

    plan: Layered
    sizes: Mapping[Hashable, Size]
    below: list[Hashable]
    out: dict[Hashable, Hashable]
    top: float
    bottom: float


def step_plan(
    line: Timeline,
    row: int,
    size: Callable[[Vertex], Size],
    oval: Callable[[Vertex], bool],
    *,
    upside_down: bool = False,
) -> StepPlan:
    """One step of a row, with what any of its steps has; ``upside_down`` with room for its title at the bottom."""
    sizes: dict[Hashable, Size] = {}
    ovals: set[Any] = set()
    near: set[Any] = set()
    inner: dict[tuple[Any, Any], None] = {}
    enters: dict[tuple[Any, Any], None] = {}
    # As a sum begins: what is carried may come from something else at the last step, or at the first.
    leaves: dict[int, dict[Any, int]] = {}
    read: dict[Any, None] = {}
    for v, m in line.at.items():
        if m.row == row and v not in line.entering and m.key != BETWEEN:
            w, h = size(v)
            before = sizes.get(m.key, (0.0, 0.0))
            sizes[m.key] = (max(w, before[0]), max(h, before[1]))
            ovals |= {m.key} if oval(v) else set()
            near |= {m.key} if v.kind in LEAVES else set()
    plain = {m.key: v.kind == "pointwise" for v, m in line.at.items() if m.row == row}
    for e in line.edges:
        a, b = line.at.get(e.source), line.at.get(e.target)
        here = a is not None and a.row == row and a.key != BETWEEN and e.source not in line.entering
        if b is not None and b.row == row and b.key != BETWEEN and e.target not in line.entering:
            if e in line.carried:
                enters[("in", line.carried[e]), b.key] = None
            elif here and a is not None and a.at == b.at:
                inner[a.key, b.key] = None
            else:
                enters[("below", brought(line, e)), b.key] = None
        if here and a is not None:
            if e in line.carried:
                counts = leaves.setdefault(line.carried[e], {})
                counts[a.key] = counts.get(a.key, 0) + 1
            elif b is None or b.row != row:
                read[a.key] = None
    out: dict[Any, Any] = {}
    for key in read:
        out[key] = next((("out", k) for k, sources in leaves.items() if key in sources), ("show", key))
    numbers = sorted({k for (kind, k), _ in enters if kind == "in"} | set(leaves))
    through = {k: _straight_through(k, enters, inner, leaves, plain) for k in numbers}
    taken: set[Any] = set()
    for k in sorted(numbers, reverse=True):
        if taken & set(through[k]):
            through[k] = ()
        taken |= set(through[k])
    straight = sorted((k for k in numbers if through[k]), reverse=True)
    others = sorted((k for k in numbers if not through[k]), reverse=True)
    below = list(dict.fromkeys(name for (kind, name), _ in enters if kind == "below"))
    entered = {k for (kind, k), _ in enters if kind == "in"}
    lanes = [
        Lane(("in", k) if k in entered else None, ("out", k) if k in leaves else None, through[k]) for k in straight
    ]
    lanes += [Lane(None, exit) for key, exit in out.items() if exit == ("show", key)]
    lanes += [Lane(("in", k) if k in entered else None, ("out", k) if k in leaves else None) for k in others]
    lanes += [Lane(("below", name), None) for name in below]
    edges = [*enters, *inner, *[(key, ("out", k)) for k, sources in leaves.items() for key in sources]]
    edges += [(key, exit) for key, exit in out.items() if exit == ("show", key)]
    level = frozenset(m.key for v, m in line.at.items() if m.row == row and v.closed)
    plan = layered(
        sizes,
        edges,
        lanes,
        oval=frozenset(ovals),
        near=frozenset(near),
        level=level,
        channel=9.0 if upside_down else 14.0,
    )
    over, under = (0.0, TITLE) if upside_down else (TITLE, 0.0)
    return StepPlan(plan, sizes, below, out, plan.top - MARGIN - over, plan.bottom + MARGIN + under)


def brought(line: Timeline, e: Edge) -> Hashable:
    """What enters a step from below: an element of a sequence, or something that all steps read."""
    moment = line.at.get(e.source)
    if moment is None:
        return e.source
    return ("of the row below", moment.key) if e.source not in line.entering else moment.key


def _straight_through(
    k: int,
    enters: Mapping[tuple[Any, Any], None],
    inner: Mapping[tuple[Any, Any], None],
    leaves: Mapping[int, Mapping[Any, int]],
    plain: Mapping[Any, bool],
) -> tuple[Any, ...]:
    """The shortest way of what is carried through elementwise operations alone; nothing where there is none."""
    sources = leaves.get(k, {})
    goal = max(sources, key=sources.__getitem__, default=None)
    paths = [[b] for (kind, number), b in enters if kind == "in" and number == k and plain.get(b)]
    seen = {path[-1] for path in paths}
    while paths:
        path = paths.pop(0)
        if path[-1] == goal:
            return tuple(path)
        for a, b in inner:
            if a == path[-1] and plain.get(b) and b not in seen:
                seen.add(b)
                paths.append([*path, b])
    return ()
