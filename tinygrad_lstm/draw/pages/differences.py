"""What one form of a graph has that another has not: what a pass changed."""

from collections import Counter
from typing import Any, Final

from tinygrad_lstm.draw.marks import attribute_note
from tinygrad_lstm.draw.pages.layout import word
from tinygrad_lstm.draw.pages.page_graph import GIVEN, Item, PageGraph

__all__ = ["difference", "mark_changes"]

_NAMED: Final = 6
"""So many operations that are gone are named."""
_OUTER: Final = (*GIVEN, "carry", "slice", "result")


def difference(before: PageGraph, after: PageGraph) -> tuple[list[Item], list[Item]]:
    """The operations of ``after`` that ``before`` has not, and those of ``before`` that are gone.

    An operation is the same where it does the same with values of the same types, made by the same operations.
    """
    return _missing(after, before), _missing(before, after)


def _missing(here: PageGraph, there: PageGraph) -> list[Item]:
    known = Counter(_looks(item) for item in there.items)
    found = []
    for item in here.items:
        if item.kind in _OUTER:
            continue
        if known[_looks(item)]:
            known[_looks(item)] -= 1
        else:
            found.append(item)
    return found


def _looks(item: Item) -> tuple[Any, ...]:
    # What is given is told by its type: a Parameter is an input of a compiled graph.
    given = {*_OUTER} - {"constant"}
    reads = tuple(("" if r.kind in given else word(r), str(r.node.type)) for r in item.reads)
    return word(item), attribute_note(item.node), str(item.node.type), item.loop is None, reads


def mark_changes(view: dict[str, Any], before: PageGraph, after: PageGraph, since: str) -> None:
    """Mark in the data of ``after`` what is new in it, and say what is gone since the stage of the title ``since``."""
    new, gone = difference(before, after)
    for item in new:
        view["graph"]["items"][item.index]["fresh"] = True
    if not new and not gone:
        view["about"] += f" · the same as “{since}”"
        return
    counts = Counter(word(item) for item in gone)
    names = [f"{name} ×{n}" if n > 1 else name for name, n in counts.most_common(_NAMED)]
    more = ", …" * (len(counts) > _NAMED)
    said = f" ({', '.join(names)}{more})" if names else ""
    view["about"] += f" · since “{since}” {len(new)} new, outlined, and {len(gone)} gone{said}"
