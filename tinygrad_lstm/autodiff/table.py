"""The table of gradient rules."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from tinygrad_lstm.errors import NameConflictError
from tinygrad_lstm.graph.tensor import Node, Tensor

__all__ = ["LOOP_RULES", "RULES", "VARIADIC_RULES", "loop_rule", "rule", "variadic_rule"]

GradientRule: TypeAlias = Callable[..., Tensor]
LoopRule: TypeAlias = Callable[[Node, dict[Any, Tensor], set[int]], list[Tensor | None]]

RULES: Final[dict[str, tuple[GradientRule | None, ...]]] = {}
VARIADIC_RULES: Final[dict[str, Callable[..., Tensor | None]]] = {}
LOOP_RULES: Final[dict[str, LoopRule]] = {}


def _claim(name: str) -> None:
    if name in RULES or name in VARIADIC_RULES or name in LOOP_RULES:
        raise NameConflictError(f"op {name!r} has a gradient rule already")


def rule(name: str, *by_input: GradientRule | None) -> None:
    """The gradient of op ``name``: for each input a function, or None where no gradient flows.

    Each is ``(g, y, *inputs, **attributes) -> cotangent of that input``, where ``g`` is the cotangent of the result
    ``y``. The rule of an elementwise op may answer in the shape of ``y``; it is summed to the shape of the input.
    """
    _claim(name)
    RULES[name] = by_input


def variadic_rule(name: str, f: Callable[..., Tensor | None]) -> None:
    """The gradient of an op of any number of inputs: ``(g, y, k, *inputs, **attributes)`` for the ``k``-th, or None."""
    _claim(name)
    VARIADIC_RULES[name] = f


def loop_rule(name: str, f: LoopRule) -> None:
    """The gradient of a tuple-typed op, from the cotangents of its projections; see ``rules/loop.py``."""
    _claim(name)
    LOOP_RULES[name] = f
