"""Transforms: they take a function and return one that gives its derivatives."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from tinygrad_lstm.autodiff.jacobian_rows import derivatives
from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.errors import DTypeError, GradientError, ShapeError, UsageError
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
    _function(f, what)
    places, one = _places(argnums, what)

    def wrapped(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        own = _with_variables(args, kwargs, places, what)
        result = followed(f, *own, **kwargs)
        result, aux = _pair(result, what) if has_aux else (result, None)
        y = _scalar(result, what)
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
    _function(f, "vjp")
    own = _with_variables(args, {}, range(len(args)), "vjp")
    y = followed(f, *own)
    y, aux = _pair(y, "vjp") if has_aux else (y, None)
    _given(y, "vjp")

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        return tuple(gradients(y, own, cotangent, allow_unused=True))

    return (y, pullback, aux) if has_aux else (y, pullback)


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """``f(*primals)`` and its derivative along ``tangents``: ``Σ ∂f/∂x·v``.

    The pullback is linear in its cotangent, so the pullback of the pullback is this derivative.

    Raises:
        GradientError: when an argument or the result holds no floats.
        UsageError, ShapeError, DTypeError: when a direction has another form than its argument.

    >>> y, slope = tl.jvp(lambda x: x**3, (2.0,), (10.0,))
    >>> print(y, slope)
    8.0 120.0
    """
    _function(f, "jvp")
    if not isinstance(primals, tuple | list) or not isinstance(tangents, tuple | list) or len(primals) != len(tangents):
        raise UsageError("jvp takes two tuples of one length, the arguments and their directions: jvp(f, (x,), (v,))")
    own = _with_variables(tuple(primals), {}, range(len(primals)), "jvp")
    along = _directions(own, list(tangents), "jvp")
    y = followed(f, *own)
    _given(y, "jvp")
    leaves, structure = flatten(y)
    weights = [_variable(zeros_like(v)) for v in leaves]
    back = gradients(y, own, unflatten(structure, weights), allow_unused=True)
    return y, unflatten(structure, gradients(back, weights, along, allow_unused=True))


def hvp(f: Callable[..., Any], x: Any, v: Any) -> Any:
    """The product of the Hessian of the scalar ``f`` at ``x`` with ``v``, without the Hessian.

    Raises:
        GradientError: when ``f`` gives no scalar, or ``x`` holds no floats.
        UsageError, ShapeError, DTypeError: when ``v`` has another form than ``x``.

    >>> print(tl.hvp(lambda x: (x**3).sum(), tl.tensor([1.0, 2.0]), tl.tensor([1.0, 1.0])))
    [ 6. 12.]
    """
    _function(f, "hvp")
    (own,) = _with_variables((x,), {}, [0], "hvp")
    along = _directions(own, v, "hvp")
    slope = gradients(_scalar(followed(f, own), "hvp"), own, allow_unused=True)
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
    _function(f, what)
    places, one = _places(argnums, what)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        own = _with_variables(args, kwargs, places, what)
        xs = own[places[0]] if one else tuple(own[k] for k in places)
        y = followed(f, *own, **kwargs)
        _given(y, what)
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
    _function(f, "checkpoint")

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return called(f, args, kwargs)

    return wrapped


def _places(argnums: Any, what: str) -> tuple[list[int], bool]:
    """``argnums`` as a tuple, and whether it was a single number."""
    one = whole(argnums)
    if one is not None:
        return [one], True
    places = [whole(k) for k in argnums] if isinstance(argnums, tuple | list) else [None]
    known = [k for k in places if k is not None]
    if len(known) != len(places) or not known:
        raise UsageError(
            f"{what}: argnums is the number of an argument or a tuple of such numbers, not {argnums!r:.60}"
            + (f"; the arguments come in a second call: write tl.{what}(f)(x)" if hasattr(argnums, "dtype") else "")
        )
    return known, False


def _with_variables(args: tuple[Any, ...], kwargs: dict[str, Any], places: Sequence[int], what: str) -> list[Any]:
    """The arguments, those at ``places`` with a new node for each array: what is differentiated by."""
    own, partner = list(args), _partner((args, kwargs))
    for k in places:
        if not -len(args) <= k < len(args):
            raise UsageError(f"{what}: argument {k} is asked for, but {len(args)} were given")
        own[k] = _variables(args[k], partner)
        leaves = flatten(own[k])[0]
        if not leaves:
            raise GradientError(f"{what}: argument {k} holds no array to differentiate by, it is {args[k]!r:.60}")
        for leaf in leaves:
            if not leaf.dtype.is_float:
                raise GradientError(
                    f"{what}: argument {k} holds {leaf.type}; only floats have derivatives, so give 3.0 in place of 3, "
                    "or convert with .astype(tl.float32)"
                )
    return own


def _directions(own: Any, given: Any, what: str) -> Any:
    """The directions of a derivative, in the structure and types of the arguments ``own``."""
    variables, structure = flatten(own)
    leaves, form = flatten(given)
    if not structure.fits(form):
        of_arguments, of_directions = structure.told_from(form)
        raise UsageError(f"{what}: the arguments are {of_arguments}, but their directions {of_directions}")
    nodes = [as_tensor(v, like=x) for v, x in zip(leaves, variables, strict=True)]
    for v, x in zip(nodes, variables, strict=True):
        if v.shape != x.shape:
            raise ShapeError(f"{what}: the direction is {v.type}, but the argument is {x.type}")
        if v.dtype is not x.dtype:
            raise DTypeError(
                f"{what}: the direction is {v.type}, but the argument is {x.type}; convert it with .astype({x.dtype!r})"
            )
    return unflatten(structure, nodes)


def _pair(value: Any, what: str) -> tuple[Any, Any]:
    if not isinstance(value, tuple) or len(value) != 2:
        raise GradientError(
            f"{what}: with has_aux=True the function gives a pair, what is differentiated and what is passed on, and "
            f"not {'a tuple of ' + str(len(value)) if isinstance(value, tuple) else 'a ' + type(value).__name__}"
        )
    return value[0], value[1]


def _given(value: Any, what: str) -> None:
    """Raise for a result that cannot be differentiated."""
    leaves = flatten(value)[0]
    if not leaves:
        raise GradientError(f"{what}: the function gives {value!r:.60}; end it with return, and the result behind it")
    for leaf in leaves:
        if not isinstance(leaf, Operators | np.ndarray) and not is_scalar(leaf):
            raise GradientError(f"{what}: the function gives a {type(leaf).__name__}, and is to give arrays")
        if not as_tensor(leaf).dtype.is_float:
            raise GradientError(f"{what}: the function gives {as_tensor(leaf).type}; only floats have derivatives")


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
        raise GradientError(
            f"{what}: the function gives a {type(value).__name__}, and is to give one scalar, the loss"
            + ("; with has_aux=True the second of a pair is passed on" if what in ("grad", "value_and_grad") else "")
        )
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
