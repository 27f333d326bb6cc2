"""A function called on symbols for its picture: what it changes is noted, and stays as it was."""

from collections.abc import Callable
from typing import Any

from tinygrad_lstm.graph.function import fresh_symbol
from tinygrad_lstm.graph.tensor import Tensor, name_of, settled
from tinygrad_lstm.graph.tracing import tracer
from tinygrad_lstm.graph.variables import Parameter, Variable
from tinygrad_lstm.jit.tracing import resolved
from tinygrad_lstm.ops.source import stop_gradient

__all__ = ["Watch"]


class Watch:
    """The tracer of a picture. Unlike that of ``jit`` it gives Parameters as they are, not as symbols.

    Args:
        owner: what is called, for the errors.
    """

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self._contents: dict[Variable, Tensor] = {}
        self._gradients: dict[Parameter, Tensor | None] = {}
        self._cuts: dict[Tensor, Tensor] = {}

    def call(self, f: Callable[[], Any]) -> Any:
        """What ``f`` returns, with symbols in it for what was cut; :meth:`whole` puts that back.

        Raises:
            TraceError: when Python needs a value.
        """
        token = tracer.set(self)
        try:
            return f()
        finally:
            tracer.reset(token)

    def whole(self, results: list[Tensor]) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Results with their history, and by name the gradients and contents that changed with the symbols."""
        changes = {f"{p.name or 'parameter'}.grad": g for p, g in self._gradients.items() if g is not None}
        changes |= {f"{variable.name or 'parameter'} after": leaf for variable, leaf in self._contents.items()}
        changes = {name: value for name, value in changes.items() if value.symbolic}
        # A result is shown as it was computed; inside the graph what was cut lets no gradient through.
        asked = [self._cuts.get(y, y) for y in (*results, *changes.values())]
        found, _ = resolved(asked, {symbol: stop_gradient(value) for symbol, value in self._cuts.items()})
        return found[: len(results)], dict(zip(changes, found[len(results) :], strict=True))

    def read(self, variable: Variable, held: Tensor) -> Tensor:
        return self._contents.get(variable, held)

    def write(self, variable: Variable, leaf: Tensor) -> None:
        self._contents[variable] = leaf

    def read_gradient(self, variable: Parameter, held: Tensor | None) -> Tensor | None:
        return self._gradients.get(variable, held)

    def write_gradient(self, variable: Parameter, value: Tensor | None) -> None:
        self._gradients[variable] = value

    def cut(self, value: Tensor) -> Tensor:
        if not value.symbolic:
            return settled((value,))[0]
        symbol = fresh_symbol(name_of(value) or value.op, value.type, self.owner)
        self._cuts[symbol] = value
        return symbol
