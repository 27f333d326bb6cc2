"""Transforms: they take a function and return one that gives its derivatives."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from tinygrad_lstm.autodiff.jacobian_rows import derivatives
from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.errors import GradientError, UsageError
from tinygrad_lstm.functions.filling import zeros_like
from tinygrad_lstm.graph.convert import as_tensor, is_scalar
from tinygrad_lstm.graph.number import Number
from tinygrad_lstm.graph.operators import Operators
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.trace import followed
from tinygrad_lstm.graph.types import whole
from tinygrad_lstm.graph.variables import Variable
from tinygrad_lstm.ops.call import called
from tinygrad_lstm.reflexes import is_function

__all__ = ["checkpoint", "grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]


def value_and_grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., tuple[Tensor, Any]]:
    """A function that gives ``f(*args)``, a scalar, and its gradient by the arguments ``argnums``.

    Args:
        argnums: the number of an argument, or a tuple of them, for which there is a tuple of gradients.

    Raises:
        GradientError: when ``f`` gives no scalar, or an argument holds no floats.
        UsageError: when ``argnums`` holds no integers, or asks for an argument that the call lacks.

    >>> value, slope = tl.value_and_grad(lambda x: x * x)(3.0)
    >>> print(value, slope)
    9.0 6.0
    """
    _function(f, "value_and_grad")
    places, one = _places(argnums)

    def wrapped(*args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
        own, partner = list(args), _partner((args, kwargs))
        for k in places:
            if not -len(args) <= k < len(args):
                raise UsageError(f"grad: argument {k} is asked for, but {len(args)} were given")
            own[k] = _variables(args[k], partner)
        y = _scalar(followed(f, *own, **kwargs), "grad")
        derivatives = gradients(y, [own[k] for k in places], allow_unused=True)
        return y, derivatives[0] if one else tuple(derivatives)

    return wrapped


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """A function that gives the gradient of the scalar ``f(*args)`` by the arguments ``argnums``.

    >>> print(tl.grad(tl.tanh)(0.0), tl.grad(tl.grad(lambda x: x**3))(2.0))
    1.0 12.0
    """
    _function(f, "grad")
    value_and_gradient = value_and_grad(f, argnums)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return value_and_gradient(*args, **kwargs)[1]

    return wrapped


def vjp(f: Callable[..., Any], *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """``f(*args)`` and its pullback: from a cotangent ``u`` of the result to ``uᵀ·∂f/∂x`` for each argument.

    Raises:
        GradientError: when an argument or the result holds no floats.

    >>> y, pullback = tl.vjp(lambda a, b: a * b, tl.tensor([1.0, 2.0]), tl.tensor([3.0, 4.0]))
    >>> print(y, *pullback(tl.tensor([1.0, 10.0])))
    [3. 8.] [ 3. 40.] [ 1. 20.]
    """
    _function(f, "vjp")
    partner = _partner(args)
    own = [_variables(a, partner) for a in args]
    y = followed(f, *own)

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        return tuple(gradients(y, own, cotangent, allow_unused=True))

    return y, pullback


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """``f(*primals)`` and its derivative along ``tangents``: ``Σ ∂f/∂x·v``.

    The pullback is linear in its cotangent, so the pullback of the pullback is this derivative.

    Raises:
        GradientError: when an argument or the result holds no floats.

    >>> y, slope = tl.jvp(lambda x: x**3, (2.0,), (10.0,))
    >>> print(y, slope)
    8.0 120.0
    """
    _function(f, "jvp")
    if not isinstance(primals, tuple | list) or not isinstance(tangents, tuple | list) or len(primals) != len(tangents):
        raise UsageError("jvp takes two tuples of one length, the arguments and their directions: jvp(f, (x,), (v,))")
    y, pullback = vjp(f, *primals)
    leaves, structure = flatten(y)
    weights = [_variable(zeros_like(v)) for v in leaves]
    back = pullback(unflatten(structure, weights))
    return y, unflatten(structure, gradients(list(back), weights, list(tangents), allow_unused=True))


def hvp(f: Callable[..., Any], x: Any, v: Any) -> Any:
    """The product of the Hessian of the scalar ``f`` at ``x`` with ``v``, without the Hessian.

    >>> print(tl.hvp(lambda x: (x**3).sum(), tl.tensor([1.0, 2.0]), tl.tensor([1.0, 1.0])))
    [ 6. 12.]
    """
    _function(f, "hvp")
    own = _variables(x, _partner(x))
    slope = gradients(_scalar(followed(f, own), "hvp"), own, allow_unused=True)
    return gradients(slope, own, v, allow_unused=True)


def jacobian(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function that gives ``∂f/∂x`` of shape ``(*y.shape, *x.shape)``.

    The pullback is mapped over the rows of the identity matrix, as many at once as memory allows. Where ``f`` gives or
    takes several arrays, such as a dict, the result has the structure of ``y``, with the structure of ``x`` in place of
    each array.

    >>> print(tl.jacobian(lambda x: x**2)(tl.tensor([1.0, 2.0])))
    [[2. 0.]
     [0. 4.]]
    """
    _function(f, "jacobian")

    def wrapped(x: Any) -> Any:
        own = _variables(x, _partner(x))
        ys, structure = flatten(followed(f, own))
        return unflatten(structure, [derivatives(as_tensor(y), own) for y in ys])

    return wrapped


def hessian(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function that gives the second derivatives of the scalar ``f``, of shape ``(*x.shape, *x.shape)``.

    For a dict ``{"a": a, "b": b}`` they are ``{"a": {"a": …, "b": …}, "b": {"a": …, "b": …}}``; other structures are
    nested in the same way.

    >>> print(tl.hessian(lambda x: (x**3).sum())(tl.tensor([1.0, 2.0])))
    [[ 6.  0.]
     [ 0. 12.]]
    """
    _function(f, "hessian")
    return jacobian(grad(f))


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f``, whose gradient computes the intermediate values again instead of keeping them.

    The values and the gradients are those of ``f``; it takes less memory and more time. In the body of a scan only the
    arguments of the checkpointed part are stacked, not what it computes from them.

    Args:
        f: from tensors, in any nested structure, to tensors. Keyword arguments are passed on as they are; what else
            ``f`` reads is differentiated like its arguments.

    Source: A. Griewank, A. Walther, "Algorithm 799: revolve", ACM TOMS 26 (2000).

    >>> def f(x):
    ...     return tl.sin(tl.exp(x))
    >>> x = tl.tensor(0.5)
    >>> print(tl.gradients(tl.checkpoint(f)(x), x), tl.gradients(f(x), x))
    -0.12834643 -0.12834643
    """
    _function(f, "checkpoint")

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return called(f, args, kwargs)

    return wrapped


def _places(argnums: Any) -> tuple[list[int], bool]:
    """``argnums`` as a tuple, and whether it was a single number."""
    one = whole(argnums)
    if one is not None:
        return [one], True
    places = [whole(k) for k in argnums] if isinstance(argnums, tuple | list) else [None]
    known = [k for k in places if k is not None]
    if len(known) != len(places):
        raise UsageError(f"grad: argnums is the number of an argument or a tuple of such numbers, not {argnums!r}")
    return known, False


def _function(f: Any, what: str) -> None:
    if isinstance(f, Tensor | Variable):
        raise UsageError(
            f"{what} takes a function, not a {as_tensor(f).type} tensor; the gradient of a graph that is there already "
            "is tl.gradients(y, x)"
        )
    if not is_function(f):
        raise UsageError(f"{what} takes a function, not {type(f).__name__}")


def _scalar(value: Any, what: str) -> Tensor:
    if value is None:
        raise GradientError(f"{what}: the function gives None; end it with return, and the loss behind it")
    if isinstance(value, tuple | list | dict):
        raise GradientError(f"{what}: the function gives a {type(value).__name__}, and is to give one scalar, the loss")
    if is_scalar(value) and not isinstance(value, Number):
        raise GradientError(
            f"{what}: the function gives {value!r}, a number that knows nothing of the argument: compute with tl.sin, "
            "x ** 2 and the like, without float(), item(), numpy() and math; a constant is tl.tensor(value)"
        )
    y = as_tensor(value)
    if y.shape != ():
        raise GradientError(f"{what}: the function gives {y.type}; reduce it to a scalar, for example with .sum()")
    return y


def _partner(arguments: Any) -> Tensor | None:
    """The first tensor or array of floats among the arguments: numbers beside it take its element type."""
    nodes = (as_tensor(v) for v in flatten(arguments)[0] if isinstance(v, Operators | np.ndarray) and not is_scalar(v))
    return next((node for node in nodes if node.dtype.is_float), None)


def _variables(value: Any, partner: Tensor | None) -> Any:
    """``value`` with a new node for each leaf, so that two arguments stay two variables even if they are one object."""
    leaves, structure = flatten(value)
    return unflatten(structure, [_variable(v, partner if is_scalar(v) else None) for v in leaves])


def _variable(value: Any, partner: Tensor | None = None) -> Tensor:
    result: Tensor = make("named", as_tensor(value, like=partner), name="argument")
    return result
