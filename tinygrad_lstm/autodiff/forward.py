"""Forward mode: the derivative along directions, as the pullback of the pullback."""

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_lstm.autodiff.arguments import check_function, check_given, directions, variable, with_variables
from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.autodiff.table import forwards
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.functions.filling import zeros_like
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.function import close, fresh_symbol, substitute
from tinygrad_lstm.graph.registry import apply
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.trace import followed, name_body

__all__ = ["jvp", "linearize"]


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
    check_function(f, "jvp")
    if not isinstance(primals, tuple | list) or not isinstance(tangents, tuple | list) or len(primals) != len(tangents):
        raise UsageError("jvp takes two tuples of one length, the arguments and their directions: jvp(f, (x,), (v,))")
    own = with_variables(tuple(primals), {}, range(len(primals)), "jvp")
    along = directions(own, list(tangents), "jvp")
    y = followed(f, *own)
    check_given(y, "jvp")
    return y, _pushforward(y, own)(along)


def linearize(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """``f(*primals)`` and the linear function ``Σ ∂f/∂x·v`` of the directions ``v``, which does not run ``f`` again.

    What that function needs of ``f`` is evaluated here, together with the result; each call of it then costs about as
    much as ``f``. For one direction ``jvp`` needs less memory.

    Raises:
        GradientError: when an argument or the result holds no floats.
        UsageError, ShapeError, DTypeError: when a direction has another form than its argument.

    >>> y, linear = tl.linearize(lambda x: tl.exp(x) * x, 0.0)
    >>> print(y, linear(1.0), linear(3.0))
    0.0 1.0 3.0
    """
    check_function(f, "linearize")
    if not primals:
        raise UsageError("linearize takes a function and its arguments: tl.linearize(f, x)")
    own = with_variables(primals, {}, range(len(primals)), "linearize")
    y = followed(f, *own)
    check_given(y, "linearize")
    arguments, form = flatten(own)
    owner = name_body("linearize")
    symbols = [fresh_symbol("direction", x.type, owner) for x in arguments]
    tangents, structure = flatten(_pushforward(y, own)(unflatten(form, symbols)))
    linear, kept = close(symbols, tangents, owner)
    apply("evaluated", tuple([x for x in (*map(as_tensor, flatten(y)[0]), *kept) if not x.symbolic]))

    def along(*given: Any) -> Any:
        values = flatten(directions(own, list(given), "linearize"))[0]
        return unflatten(structure, substitute(linear.outputs, dict(zip(linear.inputs, [*values, *kept], strict=True))))

    return y, along


def _pushforward(y: Any, own: Any) -> Callable[[Any], Any]:
    """From directions of the arguments ``own`` to that of ``y``, which was computed from them."""
    leaves, structure = flatten(y)
    weights: list[Tensor] = [variable(zeros_like(v)) for v in leaves]
    token = forwards.set(True)
    try:
        back = gradients(y, own, unflatten(structure, weights), allow_unused=True)
    finally:
        forwards.reset(token)
    return lambda along: unflatten(structure, gradients(back, weights, along, allow_unused=True))
