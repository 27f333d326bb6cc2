"""Transforms in reverse mode: they take a function and return one that gives its derivatives."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from tinygrad_lstm.autodiff.arguments import (
    check_function,
    check_given,
    directions,
    pair,
    places_of,
    scalar_result,
    with_variables,
)
from tinygrad_lstm.autodiff.jacobian_rows import derivatives
from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.graph.trace import followed
from tinygrad_lstm.ops.call import called

__all__ = ["checkpoint", "grad", "hessian", "hvp", "jacobian", "value_and_grad", "vjp"]


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, *, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """A function that gives ``f(*args)``, a scalar, and its gradient by the arguments ``argnums``.

    Args:
        argnums: the number of an argument, or a tuple of them, for which there is a tuple of gradients.
        has_aux: whether ``f`` gives a pair: the scalar, and anything that is passed on without being differentiated.
            The first result is then that pair.

    Raises:
        GradientError: when ``f`` gives no scalar, or an argument holds no floats.
        UsageError: when ``argnums`` holds no integers, or asks for an argument that the call lacks.

    >>> value, slope = tl.value_and_grad(lambda x: x * x)(3.0)
    >>> print(value, slope)
    9.0 6.0
    """
    return _value_and_grad(f, argnums, has_aux, "value_and_grad")


def _value_and_grad(f: Callable[..., Any], argnums: Any, has_aux: bool, what: str) -> Callable[..., tuple[Any, Any]]:
    """``value_and_grad`` that calls itself ``what`` in errors."""
    check_function(f, what)
    places, one = places_of(argnums, what)

    def wrapped(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        own = with_variables(args, kwargs, places, what)
        result = followed(f, *own, **kwargs)
        result, aux = pair(result, what) if has_aux else (result, None)
        y = scalar_result(result, what)
        slopes = gradients(y, [own[k] for k in places], allow_unused=True)
        return (y, aux) if has_aux else y, slopes[0] if one else tuple(slopes)

    return wrapped


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, *, has_aux: bool = False) -> Callable[..., Any]:
    """A function that gives the gradient of the scalar ``f(*args)`` by the arguments ``argnums``.

    Args:
        argnums: the number of an argument, or a tuple of them, for which there is a tuple of gradients.
        has_aux: whether ``f`` gives a pair, of which only the first is differentiated: the result is the gradient and
            the second.

    >>> print(tl.grad(tl.tanh)(0.0), tl.grad(tl.grad(lambda x: x**3))(2.0))
    1.0 12.0
    >>> print(*tl.grad(lambda x: (x**2, "seen"), has_aux=True)(3.0))
    6.0 seen
    """
    value_and_gradient = _value_and_grad(f, argnums, has_aux, "grad")

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        value, slopes = value_and_gradient(*args, **kwargs)
        return (slopes, value[1]) if has_aux else slopes

    return wrapped


def vjp(f: Callable[..., Any], *args: Any, has_aux: bool = False) -> Any:
    """``f(*args)`` and its pullback: from a cotangent ``u`` of the result to ``uᵀ·∂f/∂x`` for each argument.

    Args:
        has_aux: whether ``f`` gives a pair, of which only the first is differentiated: the second is a third result.

    Raises:
        GradientError: when an argument or the result holds no floats.

    >>> y, pullback = tl.vjp(lambda a, b: a * b, tl.tensor([1.0, 2.0]), tl.tensor([3.0, 4.0]))
    >>> print(y, *pullback(tl.tensor([1.0, 10.0])))
    [3. 8.] [ 3. 40.] [ 1. 20.]
    """
    check_function(f, "vjp")
    own = with_variables(args, {}, range(len(args)), "vjp")
    y = followed(f, *own)
    y, aux = pair(y, "vjp") if has_aux else (y, None)
    check_given(y, "vjp")

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        return tuple(gradients(y, own, cotangent, allow_unused=True))

    return (y, pullback, aux) if has_aux else (y, pullback)


def hvp(f: Callable[..., Any], x: Any, v: Any) -> Any:
    """The product of the Hessian of the scalar ``f`` at ``x`` with ``v``, without the Hessian.

    Raises:
        GradientError: when ``f`` gives no scalar, or ``x`` holds no floats.
        UsageError, ShapeError, DTypeError: when ``v`` has another form than ``x``.

    >>> print(tl.hvp(lambda x: (x**3).sum(), tl.tensor([1.0, 2.0]), tl.tensor([1.0, 1.0])))
    [ 6. 12.]
    """
    check_function(f, "hvp")
    (own,) = with_variables((x,), {}, [0], "hvp")
    along = directions(own, v, "hvp")
    slope = gradients(scalar_result(followed(f, own), "hvp"), own, allow_unused=True)
    return gradients(slope, own, along, allow_unused=True)


def jacobian(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """A function that gives ``∂f/∂x`` of shape ``(*y.shape, *x.shape)`` by the arguments ``argnums``.

    The pullback is mapped over the rows of the identity matrix, as many at once as memory allows. Where ``f`` gives or
    takes several arrays, such as a dict, the result has the structure of ``y``, with the structure of ``x`` in place of
    each array.

    Args:
        argnums: the number of an argument, or a tuple of them: then a tuple of derivatives stands for each array of
            ``y``.

    Raises:
        GradientError: when ``f`` gives nothing, or an argument or a result holds no floats.

    >>> print(tl.jacobian(lambda x: x**2)(tl.tensor([1.0, 2.0])))
    [[2. 0.]
     [0. 4.]]
    """
    return _jacobian(f, argnums, "jacobian")


def _jacobian(f: Callable[..., Any], argnums: Any, what: str) -> Callable[..., Any]:
    """``jacobian`` that calls itself ``what`` in errors."""
    check_function(f, what)
    places, one = places_of(argnums, what)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        own = with_variables(args, kwargs, places, what)
        xs = own[places[0]] if one else tuple(own[k] for k in places)
        y = followed(f, *own, **kwargs)
        check_given(y, what)
        ys, structure = flatten(y)
        return unflatten(structure, [derivatives(as_tensor(y), xs) for y in ys])

    return wrapped


def hessian(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """A function that gives the second derivatives of the scalar ``f``, of shape ``(*x.shape, *x.shape)``.

    For a dict ``{"a": a, "b": b}`` they are ``{"a": {"a": …, "b": …}, "b": {"a": …, "b": …}}``; other structures are
    nested in the same way, and so are the tuples of several ``argnums``.

    Args:
        argnums: the number of an argument, or a tuple of them.

    Raises:
        GradientError: when ``f`` gives no scalar, or an argument holds no floats.

    >>> print(tl.hessian(lambda x: (x**3).sum())(tl.tensor([1.0, 2.0])))
    [[ 6.  0.]
     [ 0. 12.]]
    """
    slopes = _value_and_grad(f, argnums, False, "hessian")
    return _jacobian(lambda *args, **kwargs: slopes(*args, **kwargs)[1], argnums, "hessian")


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
    check_function(f, "checkpoint")

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return called(f, args, kwargs)

    return wrapped
