"""``Optimizer``, the base of the optimisers."""

import math
from collections.abc import Iterable
from numbers import Real
from typing import Any

from tinygrad_lstm.errors import DeviceError, UsageError
from tinygrad_lstm.functions.filling import full, zeros
from tinygrad_lstm.graph.dtypes import float32, float64
from tinygrad_lstm.graph.scopes import scope
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Parameter, State, Variable, assign_all
from tinygrad_lstm.nn.module import Holder, with_article
from tinygrad_lstm.ops.logic import where
from tinygrad_lstm.reflexes import OPTIMISERS, unknown

__all__ = ["Optimizer", "Targets", "at_least_0", "at_least_float32", "fractions", "listed_parameters"]


class Optimizer(Holder):
    """Base of the optimisers: parameters, a learning rate, and one State for each moment of each parameter.

    ``backward()`` adds to the gradients until ``zero_grad()`` removes them. So the gradient of a batch that is too
    large for the memory is the sum over small batches, each with its share of the loss:

    >>> p = tl.Parameter(1.0)
    >>> opt = tl.optim.SGD([p], lr=0.5)
    >>> for part in (1.0, 3.0):  # the mean of both
    ...     (p * part / 2).backward()
    >>> opt.step()
    >>> opt.zero_grad()
    >>> print(p)  # 1 − 0.5·2
    0.0

    ``state_dict()`` has everything that changes besides the parameters, so that ``load_state_dict`` can go on from it.

    A step is often smaller than half the distance of neighbouring float16 numbers, and would be lost. So the optimiser
    keeps a copy of each float16 parameter in float32, steps that, and rounds it to the parameter; its moments are in
    float32 too. See :class:`GradScaler` for the gradients.
    """

    _elsewhere = OPTIMISERS

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("learning_rate", "param_groups"):
            unknown(with_article(type(self).__name__), name, OPTIMISERS, self)
        super().__setattr__(name, value)

    def __init__(self, parameters: Iterable[Parameter], lr: float) -> None:
        # A tuple of parameters would count as variables of the optimiser, but they belong to the model.
        self.__dict__["targets"] = Targets(parameters, type(self).__name__)
        _check_rate(type(self).__name__, lr)
        # float64 whatever the parameters are: 0.1 in float32 is another number for a parameter of float64.
        self.rate = State(full((), float(lr), float64, self._device), "lr")
        halves = [(k, p) for k, p in enumerate(self.parameters_to_update) if p.dtype.is_half]
        self.master = {k: State(p.astype(float32), f"master.{k}") for k, p in halves}

    @property
    def _device(self) -> str:
        """The device of the first parameter, where State also lives that belongs to no parameter."""
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
        _check_rate(type(self).__name__, value)
        self.rate.assign(float(value))

    def zero_grad(self) -> None:
        """Remove the gradients of the parameters."""
        for p in self.parameters_to_update:
            p.grad = None

    def step(self) -> None:
        """Update each parameter that has a gradient; all in one evaluation."""
        assign_all(self.updates())

    def updates(self) -> list[tuple[Variable, Any]]:
        """The assignments of ``step``: variables and their new values, not evaluated yet.

        Raises:
            UsageError: when no parameter has a gradient.
            DeviceError: when parameters were moved to another device, and the optimiser was not.
        """
        self._check_devices()
        updates: list[tuple[Variable, Any]] = []
        with scope(type(self).__name__):
            for k, p in enumerate(self.parameters_to_update):
                if p.grad is not None:
                    with scope(p.name or f"parameter {k}"):
                        new, moments = self._update(k, self._value(k, p), at_least_float32(p.grad))
                        updates += [*moments, (p, new.astype(p.dtype))]
                        if k in self.master:
                            updates.insert(-1, (self.master[k], new))
            if not updates:
                raise UsageError(f"{type(self).__name__}.step: no parameter has a gradient; call loss.backward() first")
            return [*self._before(), *updates]

    def _check_devices(self) -> None:
        own = self.rate.device
        for p in self.parameters_to_update:
            if p.device != own:
                raise DeviceError(
                    f"{type(self).__name__}.step: {p.name or 'a parameter'} lives on {p.device} and the state of the "
                    f"optimiser on {own}; move the optimiser too, with optimizer.to({p.device!r})"
                )

    def _value(self, k: int, p: Parameter) -> Tensor:
        """The value that a step starts from: the parameter, or its copy in float32."""
        if k not in self.master:
            return p.leaf
        # An element of the copy that does not round to the parameter's is outdated: the parameter was assigned since.
        return where(self.master[k].astype(p.dtype) == p, self.master[k], p.astype(float32))

    def _before(self) -> list[tuple[Variable, Any]]:
        """Updates once a step that belong to no parameter, such as counting steps."""
        return []

    def _update(self, k: int, p: Tensor, g: Tensor) -> tuple[Tensor, list[tuple[Variable, Any]]]:
        """The new value of the ``k``-th parameter, from its value ``p`` and gradient ``g``, and of its moments."""
        raise UsageError(f"{type(self).__name__} has no update rule; write its _update")

    def _moments(self, name: str) -> list[State]:
        values = [at_least_float32(p) for p in self.parameters_to_update]
        return [State(zeros(x.shape, x.dtype, x.device), f"{name}.{k}") for k, x in enumerate(values)]


def at_least_float32(x: Variable | Tensor) -> Tensor:
    """A float16 value as float32; other values as they are."""
    leaf = x.leaf if isinstance(x, Variable) else x
    return leaf.astype(float32) if leaf.dtype.is_half else leaf


def _check_rate(kind: str, lr: Any) -> None:
    if isinstance(lr, bool) or not isinstance(lr, int | float) or not lr >= 0:
        raise UsageError(f"{kind}: the learning rate is a number ≥ 0, not {lr!r}")


def at_least_0(kind: str, **named: float) -> None:
    """Check that numbers are finite and ≥ 0.

    Raises:
        UsageError: for one that is no finite number ≥ 0.
    """
    for name, value in named.items():
        if not isinstance(value, Real) or not 0 <= value < math.inf:
            shown = value if isinstance(value, Real) else with_article(type(value).__name__)
            raise UsageError(f"{kind}: {name} is a finite number of at least 0, not {shown}")


def fractions(kind: str, name: str, *values: float) -> None:
    """Check the decay factors of running means.

    Raises:
        UsageError: for one outside [0, 1).
    """
    if not all(0 <= value < 1 for value in values):
        numbers = values[0] if len(values) == 1 else values
        raise UsageError(f"{kind}: {name} {'is' if len(values) == 1 else 'are'} in [0, 1), not {numbers}")


def listed_parameters(kind: str, parameters: Any) -> list[Parameter]:
    """Parameters as a list.

    Raises:
        UsageError: for anything else.
    """
    if isinstance(parameters, Holder | Variable):
        raise UsageError(
            f"{kind}: an iterable of parameters is wanted, not {with_article(type(parameters).__name__)}; "
            "give model.parameters(), or a list"
        )
    if not isinstance(parameters, Iterable):
        raise UsageError(f"{kind}: an iterable of parameters is wanted, not {parameters!r}; give model.parameters()")
    found = list(parameters)
    for p in found:
        if isinstance(p, dict):
            raise UsageError(f"{kind}: there are no groups of parameters; make an optimiser for each rate")
        if not isinstance(p, Parameter):
            raise UsageError(f"{kind}: parameters are wanted, not {type(p).__name__}; give model.parameters()")
    return found


class Targets:
    """Parameters of a model, held so that they are not found as variables of the optimiser."""

    __slots__ = ("parameters",)

    def __init__(self, parameters: Iterable[Parameter], kind: str) -> None:
        self.parameters = listed_parameters(kind, parameters)
        if not self.parameters:
            raise UsageError(f"{kind}: there are no parameters to train; give model.parameters()")
