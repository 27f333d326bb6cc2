"""What a module is given: as tensors beside its parameters, with the shapes and the type of floats that it takes."""

from typing import Any

from tinygrad_lstm.errors import (
    DTypeError,
    ShapeError,
    StructureError,
)
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.scopes import at_line, current_scope, in_scope, user_line
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Variable
from tinygrad_lstm.nn.module import Module, device_of

__all__ = ["beside", "expect_last", "expect_shape", "expect_width"]


def beside(module: Module, value: Any) -> Tensor:
    """``value`` as a tensor. A list or an array, which has no device of its own, goes to the module's parameters.

    Raises:
        StructureError: for what a recurrent layer gives, its outputs and its state.
    """
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], Tensor):
        outputs, state = value
        if isinstance(state, tuple) or (isinstance(state, Tensor) and state.shape != outputs.shape):
            raise StructureError(
                f"{type(module).__name__}: x is a pair, such as a recurrent layer gives; write outputs, state = "
                "layer(x), and give it the outputs"
            )
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
    expect_width(module, name, value, node)
    return node


def expect_width(module: Module, name: str, value: Any, node: Tensor) -> None:
    """Check that floats are of the type that the module computes in.

    Raises:
        DTypeError: when they are not: the line to write depends on what was given, ``value``.
    """
    own = next((p.dtype for _, p in module.named_parameters()), None)
    if own is None or not node.dtype.is_float or node.dtype is own:
        return
    kind, width = type(module).__name__, node.dtype
    where = "" if str(current_scope()) == kind else in_scope(current_scope())
    if isinstance(value, Tensor | Variable):
        change = f"{name}.astype(tl.{own})"
    elif hasattr(value, "astype"):
        change = f"{name}.astype(np.{own})"
    else:
        change = f"tl.tensor({name}, dtype=tl.{own})"
    raise DTypeError(
        f"{kind}{where}: {name} is {width}, and the Parameters are {own}: write {change}, or make "
        f"the module with dtype=tl.{width}{at_line(user_line())}"
    )


def expect_last(module: Module, value: Any, size: int) -> Tensor:
    """``value`` as a tensor whose last axis is ``size`` long.

    Raises:
        ShapeError: when it is not.
    """
    node = beside(module, value)
    if node.shape[-1:] != (size,):
        kind = type(module).__name__
        raise ShapeError(f"{kind}: x has the shape {list(node.shape)}, its last size must be {size}")
    expect_width(module, "x", value, node)
    return node
