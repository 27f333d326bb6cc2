"""What a compiler meets in a case: each operation of its graph, with element types, kinds of shapes and attributes."""

from collections.abc import Hashable
from functools import cache
from typing import Any

import tinygrad_lstm as tl
from tests.ops.cases.table import Case
from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.structure import flatten

__all__ = ["forms"]


def kind(attribute: Any) -> Hashable:
    """Numbers count by their sign, tuples by their length, other objects by their class."""
    if attribute is None or isinstance(attribute, bool | str):
        return attribute
    if isinstance(attribute, int):
        return attribute < 0
    return len(attribute) if isinstance(attribute, tuple) else type(attribute)


@cache
def forms(case: Case) -> frozenset[Hashable]:
    """For ``covering``: a case without anything new here is compiled the way that others are.

    A size counts as none, one or many.
    """
    xs = [tl.symbol(f"x{k}", x.shape, x.dtype.name) for k, x in enumerate(case.inputs)]
    found: set[Hashable] = set()
    for node in topological(flatten(case.f(*xs))[0]):
        if node.op in ("symbol", "constant"):
            continue
        read = [x for x in node.inputs if not isinstance(x.type, tuple)]
        made = "several" if isinstance(node.type, tuple) else node.dtype.name
        found.add((node.op, made, *[x.dtype.name for x in read]))
        found.add((node.op, *[tuple(min(n, 2) for n in x.shape) for x in read]))
        found |= {(node.op, name, kind(value)) for name, value in node.attrs.items()}
    return frozenset(found)
