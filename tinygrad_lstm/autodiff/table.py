"""The table of gradient rules of ops with several results. All other ops have theirs in their record."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, TypeAlias

from tinygrad_lstm.errors import NameConflictError
from tinygrad_lstm.graph.tensor import Node, Tensor

__all__ = ["LOOP_RULES", "forwards", "loop_rule"]

LoopRule: TypeAlias = Callable[[Node, dict[Any, Tensor], set[int]], list[Tensor | None]]

LOOP_RULES: Final[dict[str, LoopRule]] = {}

forwards: Final[ContextVar[bool]] = ContextVar("forwards", default=False)
"""Whether cotangents are made only to be differentiated by their seeds, which is how forward mode works."""


def loop_rule(name: str, f: LoopRule) -> None:
    """Register the gradient of a tuple-typed op, which gets the cotangents of its projections; see ``rules/loop.py``.

    Raises:
        NameConflictError: when the op has one already.
    """
    if name in LOOP_RULES:
        raise NameConflictError(f"op {name!r} has a gradient rule already")
    LOOP_RULES[name] = f
