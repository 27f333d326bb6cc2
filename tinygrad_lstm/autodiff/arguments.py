"""What transforms are given: the arguments to differentiate by, directions, results, and what is wrong with them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_lstm.errors import DTypeError, GradientError, ShapeError, UsageError
from tinygrad_lstm.graph.convert import as_tensor, is_scalar
from tinygrad_lstm.graph.number import Number
from tinygrad_lstm.graph.operators import Operators
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import whole
from tinygrad_lstm.graph.variables import Variable
from tinygrad_lstm.reflexes import is_function

__all__ = [
    "check_function",
    "check_given",
    "directions",
    "pair",
    "places_of",
    "scalar_result",
    "variable",
    "with_variables",
]


def places_of(argnums: Any, what: str) -> tuple[list[int], bool]:
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


def with_variables(args: tuple[Any, ...], kwargs: dict[str, Any], places: Sequence[int], what: str) -> list[Any]:
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


def directions(own: Any, given: Any, what: str) -> Any:
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


def pair(value: Any, what: str) -> tuple[Any, Any]:
    if not isinstance(value, tuple) or len(value) != 2:
        raise GradientError(
            f"{what}: with has_aux=True the function gives a pair, what is differentiated and what is passed on, and "
            f"not {'a tuple of ' + str(len(value)) if isinstance(value, tuple) else 'a ' + type(value).__name__}"
        )
    return value[0], value[1]


def check_given(value: Any, what: str) -> None:
    """Raise for a result that cannot be differentiated."""
    leaves = flatten(value)[0]
    if not leaves:
        raise GradientError(f"{what}: the function gives {value!r:.60}; end it with return, and the result behind it")
    for leaf in leaves:
        if not isinstance(leaf, Operators | np.ndarray) and not is_scalar(leaf):
            raise GradientError(f"{what}: the function gives a {type(leaf).__name__}, and is to give arrays")
        if not as_tensor(leaf).dtype.is_float:
            raise GradientError(f"{what}: the function gives {as_tensor(leaf).type}; only floats have derivatives")


def check_function(f: Any, what: str) -> None:
    if isinstance(f, Tensor | Variable):
        raise UsageError(
            f"{what} takes a function, not a {as_tensor(f).type} tensor; the gradient of a graph that is there already "
            "is tl.gradients(y, x)"
        )
    if not is_function(f):
        raise UsageError(f"{what} takes a function, not {type(f).__name__}")


def scalar_result(value: Any, what: str) -> Tensor:
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
    return unflatten(structure, [variable(v, partner if is_scalar(v) else None) for v in leaves])


def variable(value: Any, partner: Tensor | None = None) -> Tensor:
    result: Tensor = make("named", as_tensor(value, like=partner), name="argument")
    return result
