"""The stages in which the step of a cell is explained: which parts each speaks of."""

from collections.abc import Collection, Sequence
from typing import Final

from tinygrad_lstm.draw.cells.parts import Anatomy, Part
from tinygrad_lstm.draw.cells.picture import Spotlight
from tinygrad_lstm.draw.cells.placement import find_conveyors
from tinygrad_lstm.draw.markup import pretty

__all__ = ["spotlight_on", "stages_of"]

_TITLES: Final = {
    "renew": ("How much to renew", "How much of {} to renew"),
    "forget": ("What to throw away", "What to throw away of {}"),
    "store": ("What to store", "What to store in {}"),
    "update": ("Update the state", "Update {}"),
}
"""Of the only conveyor, and of one of several."""
_OUTPUT: Final = "What to output"


def stages_of(anatomy: Anatomy, written: Collection[Part]) -> list[tuple[str, set[Part]]]:
    """The stages by title, and the parts that each speaks of.

    Args:
        written: the parts that have an equation. A stage without any is told of together with the next one.
    """
    place = {part: k for k, part in enumerate(anatomy.parts)}
    found = sorted(find_conveyors(anatomy).items(), key=lambda item: place[item[1][-1]])
    taken = {part for _, path in found for part in path}
    stages: list[tuple[str, set[Part]]] = []
    for (_, after), path in found:
        state = pretty(after.label).removesuffix("_t")
        for kind, parts in _of_conveyor(anatomy, path, taken).items():
            stages.append((_TITLES[kind][len(found) > 1].format(state), parts))
    inner = {p for p in anatomy.parts if p.kind in ("layer", "pointwise", "op")}
    stages = [(title, parts & inner) for title, parts in [*stages, (_OUTPUT, inner - taken)]]
    return _without_empty(stages, written)


def _of_conveyor(anatomy: Anatomy, path: Sequence[Part], taken: set[Part]) -> dict[str, set[Part]]:
    """The parts of each kind of stage of one conveyor; all of them are ``taken`` then."""
    combining = _combining(anatomy, path)
    products = [part for part in path if part.label.startswith("×")]
    others = [part for part in path if part not in products]
    # What goes into a product through `1−` and into a sum as it is decides both at once.
    through = {r for product in products for way in product.reads if way in combining for r in way.reads}
    both = {part for part in through if part.kind == "layer" and _reaches(others, part, {*taken, *products})}
    found: dict[str, set[Part]] = {"renew": both, "forget": set(), "store": set(), "update": set(path)}
    taken |= both
    for kind, ends in (("forget", products), ("store", others)):
        for part in ends:
            for feeder in _feeders(part, taken):
                found["update" if feeder in combining else kind].add(feeder)
    return found


def _reaches(ends: Sequence[Part], part: Part, barred: Collection[Part]) -> bool:
    """Whether something that ``ends`` read, and that is not barred, is made of ``part``."""
    return any(feeder is part for end in ends for feeder in _feeders(end, set(barred)))


def _without_empty(stages: list[tuple[str, set[Part]]], written: Collection[Part]) -> list[tuple[str, set[Part]]]:
    kept: list[tuple[str, set[Part]]] = []
    waiting: set[Part] = set()
    for title, parts in stages:
        if any(part in written for part in parts):
            kept.append((title, parts | waiting))
            waiting = set()
        else:
            waiting |= parts
    if waiting and kept:
        title, parts = kept.pop()
        kept.append((title, parts | waiting))
    return kept or [(_OUTPUT, waiting)] * bool(waiting)


def _feeders(part: Part, taken: set[Part]) -> list[Part]:
    """Everything before a part on the conveyor that is not on it, nor told of before; it is told of now."""
    found: list[Part] = []
    pending = list(part.reads)
    while pending:
        at = pending.pop()
        if at not in taken and at.kind in ("layer", "pointwise", "op", "join"):
            taken.add(at)
            found.append(at)
            pending += at.reads
    return found


def _combining(anatomy: Anatomy, conveyor: Sequence[Part]) -> set[Part]:
    """The pointwise operations without a name that serve the new state alone: nothing else is made of them."""
    readers: dict[Part, list[Part]] = {}
    for part in anatomy.parts:
        for source in part.reads:
            readers.setdefault(source, []).append(part)
    straight = set(conveyor)
    # Each part comes after those that it reads, so its readers are known already.
    for part in reversed(anatomy.parts):
        if part.kind == "pointwise" and all(reader in straight for reader in readers.get(part, [])):
            straight.add(part)
    return {part for part in straight if part.name is None} - set(conveyor)


def spotlight_on(anatomy: Anatomy, focus: set[Part]) -> Spotlight:
    """The parts in focus with what goes into them from outside, and the wires between, into and out of them."""
    lit = set(focus)
    pending = [r for part in focus for r in part.reads]
    while pending:
        part = pending.pop()
        if part.kind in ("join", "input", "state") and part not in lit:
            lit.add(part)
            pending += part.reads
    wires = {(r, part) for part in lit for r in part.reads}
    lit |= {p for p in anatomy.parts if p.kind in ("next", "output") and p.reads[0] in focus}
    ends = {p for p in anatomy.parts if p.kind in ("next", "output")}
    for conveyor in find_conveyors(anatomy).values():
        ends = ends.union(conveyor, _combining(anatomy, conveyor))
    wires |= {(r, part) for part in ends for r in part.reads if r in focus}
    return Spotlight(frozenset(lit), frozenset(wires))
