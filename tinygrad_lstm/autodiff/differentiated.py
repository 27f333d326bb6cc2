"""What a gradient is the gradient of, for those who write its name: ``∂L/∂W``."""

import weakref
from typing import Final

from tinygrad_lstm.graph.tensor import Node

__all__ = ["derivative_of", "remember"]

_known: Final[dict[int, tuple["weakref.ref[Node]", list[tuple["weakref.ref[Node]", "weakref.ref[Node]"]]]]] = {}
"""By the identity of a gradient: itself, and what it is of, all weakly."""


def remember(gradient: Node, y: Node, x: Node) -> None:
    """Keep in mind, as long as it lives, that ``gradient`` is that of ``y`` by ``x``."""
    key = id(gradient)
    found = _known.get(key)
    if found is None or found[0]() is not gradient:
        found = _known[key] = weakref.ref(gradient, lambda _: _known.pop(key, None)), []
    found[1].append((weakref.ref(y), weakref.ref(x)))


def derivative_of(gradient: Node) -> tuple[Node | None, Node] | None:
    """The ``y`` and the ``x`` that a tensor is the gradient of, where there is one ``x``; ``y`` may live no more.

    >>> x = tl.symbol("x")
    >>> y = tl.sin(x)
    >>> of = derivative_of(tl.gradients(y, x))
    >>> of[0] is y, of[1] is x
    (True, True)
    """
    found = _known.get(id(gradient))
    if found is None or found[0]() is not gradient or len(found[1]) != 1:
        return None
    y, x = (node() for node in found[1][0])
    return (y, x) if x is not None else None
