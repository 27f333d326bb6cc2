"""The late bindings of the package: how a graph is evaluated, differentiated, and written down.

They live in layers above the graph, and are filled when the package is imported.
"""

from collections.abc import Callable
from typing import Any

__all__ = ["Slots", "slots"]


class Slots:
    """``evaluate(tensors, bindings)`` gives arrays; ``differentiate(tensor)`` adds to the ``.grad`` of variables.

    ``express(tensor)`` gives the expression of a tensor, or None where it is too long to be read.
    """

    evaluate: Callable[..., Any]
    differentiate: Callable[..., Any]
    express: Callable[..., str | None]


slots = Slots()
