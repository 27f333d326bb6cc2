"""``Module``, the base of layers and models."""

from collections.abc import Iterator
from typing import Any, ClassVar

from tinygrad_lstm.errors import DTypeError, ShapeError, UsageError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.device import current_device
from tinygrad_lstm.graph.scopes import Role, scope
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Parameter, Variable
from tinygrad_lstm.nn.holder import Holder
from tinygrad_lstm.reflexes import MODULES

__all__ = ["Module"]


class Module(Holder):
    """The base of layers and models, which have parameters. Write the equations in ``forward``.

    Attributes that hold Parameters, States, Modules, or lists and dicts of them are found by their names. Calling a
    module runs ``forward`` in a scope named after the module.

    >>> class Scale(tl.nn.Module):
    ...     def __init__(self):
    ...         self.factor = tl.Parameter(2.0)
    ...
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> print(Scale()([1.0, 2.0]), [path for path, _ in Scale().named_parameters()])
    [2. 4.] ['factor']
    """

    _elsewhere = MODULES
    role: ClassVar[Role | None] = None
    """The role of the module's scope: what it is in the textbook's picture."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The computation; every subclass writes its own."""
        raise UsageError(f"{type(self).__name__} has no forward method; write its equations there")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """``forward`` in this module's scope."""
        with scope(self.__dict__.get("_name") or self._title, self.role):
            return self.forward(*args, **kwargs)

    @property
    def _title(self) -> str:
        """The name of the scope of a module that is nobody's attribute."""
        return type(self).__name__

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every Parameter with its path."""
        return ((path, variable) for path, variable in self.named_variables() if isinstance(variable, Parameter))

    def parameters(self) -> list[Parameter]:
        """Every Parameter, in the order of the attributes."""
        return [p for _, p in self.named_parameters()]

    def zero_grad(self) -> None:
        """Remove the gradients of all parameters."""
        for p in self.parameters():
            p.grad = None


def device_of(module: Module) -> str:
    """The device of the module's first Parameter, or else of its first State, or else that of new leaves."""
    where = None
    for _, variable in module.named_variables():
        if isinstance(variable, Parameter):
            return variable.device
        where = where or variable.device
    return where or current_device()


def beside(module: Module, value: Any) -> Tensor:
    """``value`` as a tensor. A list or an array, which has no device of its own, goes to the module's parameters."""
    return as_tensor(value) if isinstance(value, Tensor | Variable) else as_tensor(value, device=device_of(module))


def expect_shape(module: Module, name: str, value: Any, expected: tuple[int | str, ...]) -> Tensor:
    """``value`` as a float tensor of the shape ``expected``, where a word stands for any size.

    Raises:
        ShapeError: when it has another shape.
        DTypeError: when it holds no floats.
    """
    node = beside(module, value)
    fits = len(node.shape) == len(expected) and all(
        isinstance(w, str) or w == n for w, n in zip(expected, node.shape, strict=True)
    )
    if not fits:
        listed = ", ".join(map(str, expected))
        raise ShapeError(f"{type(module).__name__}: {name} has the shape {list(node.shape)}, expected [{listed}]")
    if not node.dtype.is_float:
        raise DTypeError(f"{type(module).__name__}: {name} is {node.type}; convert it with .astype(tl.float32)")
    return node


def expect_last(module: Module, value: Any, size: int) -> Tensor:
    """``value`` as a tensor whose last axis is ``size`` long.

    Raises:
        ShapeError: when it is not.
    """
    node = beside(module, value)
    if node.shape[-1:] != (size,):
        kind = type(module).__name__
        raise ShapeError(f"{kind}: x has the shape {list(node.shape)}, its last size must be {size}")
    return node
