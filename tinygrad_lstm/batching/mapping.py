"""``vmap``, the transform: where the examples lie in the arguments and in the results."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from tinygrad_lstm.batching.graphs import mapped_graph
from tinygrad_lstm.errors import ShapeError, StructureError, UsageError
from tinygrad_lstm.graph.convert import as_tensor, is_scalar, shared_device
from tinygrad_lstm.graph.structure import flatten, paths, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.trace import name_body, trace
from tinygrad_lstm.graph.types import TensorType, normalize_axis, whole
from tinygrad_lstm.graph.variables import Repeated
from tinygrad_lstm.ops.shape import for_each, moved
from tinygrad_lstm.reflexes import is_function

__all__ = ["vmap"]


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """``f``, written for one example, as a function of many, which lie along an axis of its arguments.

    The result is that of a loop over the examples, but ``f`` is called once, and each of its operations computes all
    examples at once. It may be transformed further, and transforms may be mapped: ``vmap(grad(f))`` gives the gradient
    of each example.

    Args:
        f: from tensors, in any nested structure, to tensors.
        in_axes: along which axis of the arguments the examples lie: an integer for all, or a tuple with one entry for
            each argument: an integer, None for what is the same for all examples, or a tuple, list or dict of these, in
            the structure of the argument. Keyword arguments are the same for all.
        out_axes: along which axis of the results they are to lie, likewise; None for a result that is the same for all.

    Raises:
        ShapeError: when an argument has no such axis, or two have different sizes along theirs.
        StructureError: when the axes do not have the structure of the arguments or of the results.
        UsageError: when ``f`` changes a Parameter or State, which would happen once and not for each example. Random
            numbers take a key of their own for each example: ``vmap(f)(x, tl.stack(tl.random.split(key, len(x))))``.

    >>> def loss(w, x, y):
    ...     return (w @ x - y) ** 2
    >>> w, xs, ys = tl.ones(2), tl.tensor([[1.0, 2.0], [3.0, 4.0]]), tl.tensor([0.0, 1.0])
    >>> print(tl.vmap(tl.grad(loss), in_axes=(None, 0, 0))(w, xs, ys))
    [[ 6. 12.]
     [36. 48.]]
    """
    if not is_function(f):
        raise UsageError(f"vmap takes a function of one example, not {type(f).__name__}")

    @wraps(f, updated=())
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = flatten(args)
        axes = list(_axes(in_axes, args, "in_axes", leaf_of_all=isinstance(in_axes, int) or in_axes is None))
        names = paths(structure, "argument")
        places = [k for k, axis in enumerate(axes) if axis is not None]
        count, fronts = _examples([leaves[k] for k in places], [axes[k] for k in places], [names[k] for k in places])
        owner = name_body("vmap")

        def called(symbols: list[Any]) -> Any:
            own = list(leaves)
            for k, symbol in zip(places, symbols, strict=True):
                own[k] = symbol
            return f(*unflatten(structure, own), **kwargs)

        traced = trace(
            called,
            [TensorType(x.shape[1:], x.dtype, x.device) for x in fronts],
            [names[k] for k in places],
            owner,
            repeats=Repeated(
                owner, "for each example", "return the new value, and assign what the vmap gives", examples=True
            ),
        )
        results, result_structure = flatten(traced.result)
        ends = list(_axes(out_axes, traced.result, "out_axes", leaf_of_all=True))
        found = mapped_graph([as_tensor(y) for y in results], dict(zip(traced.arguments, fronts, strict=True)), count)
        said = paths(result_structure, "result")
        return unflatten(
            result_structure,
            [_placed(y, own, axis, count, name) for (y, own), axis, name in zip(found, ends, said, strict=True)],
        )

    return wrapped


def _axes(axes: Any, value: Any, what: str, *, leaf_of_all: bool) -> Iterator[int | None]:
    """The axis for each leaf of ``value``, in their order.

    Args:
        axes: an integer or None for all leaves, or a container of these in the structure of ``value``.
        leaf_of_all: whether an integer or None may stand for the whole of ``value``.
    """
    one = whole(axes)
    if leaf_of_all and (axes is None or one is not None):
        yield from [one] * len(flatten(value)[0])
        return
    if isinstance(value, dict) and isinstance(axes, dict):
        if set(axes) == set(value):
            for key in sorted(value, key=repr):
                yield from _axes(axes[key], value[key], what, leaf_of_all=True)
            return
    elif isinstance(axes, tuple | list) and isinstance(value, tuple | list) and len(axes) == len(value):
        for a, v in zip(axes, value, strict=True):
            yield from _axes(a, v, what, leaf_of_all=True)
        return
    whose = "of the arguments" if what == "in_axes" else "of the results"
    raise StructureError(
        f"vmap: {what} is {axes!r}, which does not have the structure {whose}, {flatten(value)[1]}; give an integer "
        "for all, or such a structure with an integer or None for each"
    )


def _examples(leaves: list[Any], axes: list[Any], names: list[str]) -> tuple[int, list[Tensor]]:
    """How many examples there are, and the arguments with the axis of the examples in front."""
    if not leaves:
        raise UsageError("vmap: no argument has an axis of examples; give in_axes an integer for at least one of them")
    device = shared_device(*leaves)
    count: int | None = None
    fronts = []
    for leaf, axis, name in zip(leaves, axes, names, strict=True):
        if is_scalar(leaf):
            raise ShapeError(
                f"vmap: {name} is the number {leaf!r} and has no axis of examples; give None for it in in_axes, or "
                "make an array of the numbers of all examples with tl.tensor"
            )
        x = as_tensor(leaf, device=device)
        if not x.ndim:
            raise ShapeError(f"vmap: {name} is {x.type} and has no axis of examples; give None for it in in_axes")
        place = normalize_axis(axis, x.ndim)
        if count is None:
            count, first = x.shape[place], name
        elif x.shape[place] != count:
            raise ShapeError(
                f"vmap: {name} is {x.type} and has {x.shape[place]} examples along axis {axis}, but {first} has {count}"
            )
        fronts.append(moved(x, place, 0))
    assert count is not None
    return count, fronts


def _placed(y: Tensor, mapped: bool, axis: int | None, count: int, name: str) -> Tensor:
    """A result with its examples along ``axis``."""
    if axis is None:
        if mapped:
            raise UsageError(
                f"vmap: {name} differs from example to example, but out_axes is None for it; give the axis along which "
                "the examples are to lie"
            )
        return y
    every = for_each(y, count, mapped)
    return moved(every, 0, normalize_axis(axis, every.ndim))
