"""Functions from functions to functions."""

from collections.abc import Callable
from typing import Any

from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.errors import GradientError, UsageError
from tinygrad_lstm.graph.cells import Cell
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.graph.tensor import Tensor, make

__all__ = ["grad", "value_and_grad"]


def value_and_grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., tuple[Tensor, Any]]:
    """A function that gives ``f(*args)``, a scalar, and its gradient by the arguments ``argnums``.

    Raises:
        GradientError: when ``f`` gives no scalar, or an argument holds no floats.

    >>> import tinygrad_lstm as tl
    >>> value, slope = tl.value_and_grad(lambda x: x * x)(3.0)
    >>> print(value, slope)
    9.0 6.0
    """
    many = isinstance(argnums, tuple)
    places = argnums if isinstance(argnums, tuple) else (argnums,)

    def wrapped(*args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
        own = list(args)
        for k in places:
            if not -len(args) <= k < len(args):
                raise UsageError(f"grad: argument {k} is asked for, but {len(args)} were given")
            leaves, structure = flatten(args[k])
            # A node of its own for each argument, so that one value given twice is two variables.
            own[k] = unflatten(structure, [v if isinstance(v, Cell) else _variable(v) for v in leaves])
        y = as_tensor(f(*own, **kwargs))
        if y.shape != ():
            raise GradientError(f"grad: the function gives {y.type}; reduce it to a scalar, for example with .sum()")
        found = gradients(y, [own[k] for k in places])
        return y, tuple(found) if many else found[0]

    return wrapped


def grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """A function that gives the gradient of the scalar ``f(*args)`` by the arguments ``argnums``.

    >>> import tinygrad_lstm as tl
    >>> print(tl.grad(tl.tanh)(0.0), tl.grad(tl.grad(lambda x: x**3))(2.0))
    1.0 12.0
    """
    both = value_and_grad(f, argnums)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return wrapped


def _variable(value: Any) -> Tensor:
    result: Tensor = make("named", as_tensor(value), name="argument")
    return result
