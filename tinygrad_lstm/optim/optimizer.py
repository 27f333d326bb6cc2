"""What optimisers share."""

from collections.abc import Iterable
from typing import Any

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.cells import Cell, Parameter, State, assign_all
from tinygrad_lstm.graph.dtypes import float32
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.ops.composite import full, zeros_like

__all__ = ["Optimizer"]


class Optimizer(Module):
    """Base of the optimisers: parameters, a learning rate, and one State for each moment of each parameter."""

    def __init__(self, parameters: Iterable[Parameter], lr: float) -> None:
        # A tuple of parameters would be found as cells of the optimiser; they belong to the model.
        self.__dict__["targets"] = _Targets(parameters, type(self).__name__)
        if not lr >= 0:
            raise UsageError(f"{type(self).__name__}: the learning rate is ≥ 0, not {lr}")
        self.rate = State(full((), float(lr), float32, self._device), "lr")

    @property
    def _device(self) -> str:
        """Where the first of the parameters lives, and with it the state that belongs to none of them."""
        return self.parameters_to_update[0].device

    @property
    def parameters_to_update(self) -> list[Parameter]:
        """The parameters that ``step`` changes."""
        return list(self.__dict__["targets"].parameters)

    @property
    def lr(self) -> float:
        """The learning rate; assign a number to change it."""
        return float(self.rate)

    @lr.setter
    def lr(self, value: float) -> None:
        self.rate.assign(float(value))

    def zero_grad(self) -> None:
        """Forget the gradients of the parameters."""
        for p in self.parameters_to_update:
            p.grad = None

    def step(self) -> None:
        """Update each parameter that has a gradient; all in one evaluation."""
        updates: list[tuple[Cell, Any]] = []
        for k, p in enumerate(self.parameters_to_update):
            if p.grad is not None:
                updates += self._update(k, p, p.grad)
        if not updates:
            raise UsageError(f"{type(self).__name__}.step: no parameter has a gradient; call loss.backward() first")
        assign_all([*self._before(), *updates])

    def _before(self) -> list[tuple[Cell, Any]]:
        """Updates that are made once a step."""
        return []

    def _update(self, k: int, p: Parameter, g: Tensor) -> list[tuple[Cell, Any]]:
        """New values for the ``k``-th parameter and its moments."""
        raise UsageError(f"{type(self).__name__} has no update rule; write its _update")

    def _moments(self, name: str) -> list[State]:
        return [State(zeros_like(p), f"{name}.{k}") for k, p in enumerate(self.parameters_to_update)]


class _Targets:
    __slots__ = ("parameters",)

    def __init__(self, parameters: Iterable[Parameter], kind: str) -> None:
        self.parameters = list(parameters)
        if not self.parameters:
            raise UsageError(f"{kind}: there are no parameters to train")
        for p in self.parameters:
            if not isinstance(p, Parameter):
                raise UsageError(f"{kind}: parameters are wanted, not {type(p).__name__}; give model.parameters()")
