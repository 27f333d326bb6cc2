"""What a tracer is: while a function is traced, variables ask it for their contents and tell it of their changes."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from tinygrad_lstm.graph.tensor import Tensor
    from tinygrad_lstm.graph.variables import Parameter, Variable

__all__ = ["Tracer", "followed", "following", "repeated", "tracer"]


class Tracer(Protocol):
    """Stands between the variables and whoever reads or changes them. The variables themselves keep what they hold."""

    owner: str
    """What is traced, for errors."""

    def read(self, variable: "Variable", held: "Tensor") -> "Tensor":
        """The content of ``variable``, which outside the trace is ``held``."""

    def write(self, variable: "Variable", leaf: "Tensor") -> None:
        """From here on the content of ``variable`` is ``leaf``."""

    def read_gradient(self, variable: "Parameter", held: "Tensor | None") -> "Tensor | None":
        """The gradient of ``variable``, which outside the trace is ``held``."""

    def write_gradient(self, variable: "Parameter", value: "Tensor | None") -> None:
        """From here on the gradient of ``variable`` is ``value``."""

    def cut(self, value: "Tensor") -> "Tensor":
        """A symbol that stands for ``value`` without its history, as outside a trace an evaluated leaf does."""


tracer: Final[ContextVar[Tracer | None]] = ContextVar("tracer", default=None)
"""Who traces here, if anyone does."""

following: Final[ContextVar[bool]] = ContextVar("following", default=False)
"""Whether somebody wants the history of what is computed here: to differentiate it, or as the body of a loop."""


repeated: Final[ContextVar[tuple[str, int] | None]] = ContextVar("repeated", default=None)
"""The body of a loop that is being traced, and the moment when that began; it is called once, and not at each step."""


def followed(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What ``f`` gives, with its history, also where ``f`` would run a compiled program."""
    token = following.set(True)
    try:
        return f(*args, **kwargs)
    finally:
        following.reset(token)
