"""The two late bindings of the package: how a graph is evaluated and how it is differentiated.

Both live in layers above the graph; they are filled when the package is imported.
"""

from collections.abc import Callable
from typing import Any

__all__ = ["Slots", "slots"]


class Slots:
    """``evaluate(tensors, bindings)`` gives arrays; ``differentiate(tensor)`` adds to the ``.grad`` of cells."""

    evaluate: Callable[..., Any]
    differentiate: Callable[..., Any]


slots = Slots()
