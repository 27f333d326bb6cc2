"""Grids of points, and differences on them."""

from typing import Any

from tinygrad_lstm.errors import ShapeError, UsageError
from tinygrad_lstm.graph.convert import as_tensor, float_operands
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import broadcast_shapes, listed, normalize_axis
from tinygrad_lstm.ops.shape import broadcast_to, concatenate, reshape

__all__ = ["broadcast_arrays", "gradient", "meshgrid"]


@function
def broadcast_arrays(*arrays: Any) -> tuple[Tensor, ...]:
    """The arrays broadcast to their common shape, each in its own element type.

    >>> print(*tl.broadcast_arrays([1.0, 2.0], 3))
    [1. 2.] [3 3]
    """
    nodes = [as_tensor(x) for x in arrays]
    shape = broadcast_shapes(*[x.shape for x in nodes]) if nodes else ()
    return tuple(broadcast_to(x, shape) for x in nodes)


@function
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Tensor, ...]:
    """The coordinates of the points of a grid, an array for each of the vectors ``xi``.

    Args:
        copy: as in NumPy; the results are new arrays either way.
        sparse: whether the results keep size 1 along the axes of the others, to be broadcast later.
        indexing: ``"xy"``: the first vector runs along the second axis, as in a picture; ``"ij"``: each along its own.

    >>> rows, columns = tl.meshgrid([1.0, 2.0], [3.0, 4.0, 5.0], indexing="ij")
    >>> print(rows.shape, columns[0])
    (2, 3) [3. 4. 5.]
    """
    if indexing not in ("xy", "ij"):
        raise UsageError(f"meshgrid: indexing is 'xy' or 'ij', not {indexing!r}")
    nodes = [as_tensor(x) for x in xi]
    if any(x.ndim > 1 for x in nodes):
        raise ShapeError(f"meshgrid: vectors are expected, got {', '.join(str(x.type) for x in nodes)}")
    axes = list(range(len(nodes)))
    if indexing == "xy":
        axes[:2] = axes[1::-1]
    placed = [
        reshape(x, tuple(x.size if a == axis else 1 for a in range(len(nodes))))
        for x, axis in zip(nodes, axes, strict=True)
    ]
    return tuple(placed) if sparse else broadcast_arrays(*placed)


@function
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Slopes of the samples ``f`` by central differences, one-sided at the ends; of :func:`grad` it knows nothing.

    Args:
        varargs: the distances of the samples: one number for all axes, or for each axis a number or the coordinates.
        axis: along which; all by default, for which there is a list of results, one for each.
        edge_order: whether the slopes at the ends are of first or of second order.

    Raises:
        ShapeError: when an axis has fewer than ``edge_order + 1`` samples, or there is another number of distances.

    >>> print(tl.gradient([1.0, 2.0, 4.0, 7.0]))
    [1.  1.5 2.5 3. ]
    """
    (node,) = float_operands(f)
    given = listed(axis)
    wanted = range(node.ndim) if axis is None else given if isinstance(given, tuple | list) else (given,)
    axes = [normalize_axis(a, node.ndim) for a in wanted]
    if edge_order not in (1, 2):
        raise UsageError(f"gradient: edge_order is 1 or 2, not {edge_order!r}")
    steps = list(varargs) or [1.0]
    if len(steps) == 1 and as_tensor(steps[0]).ndim == 0:
        steps *= len(axes)
    if len(steps) != len(axes):
        raise UsageError(f"gradient({node.type}): {len(steps)} distances for {len(axes)} axes")
    slopes = [
        _slopes(node, as_tensor(h, like=node).astype(node.dtype), a, edge_order)
        for h, a in zip(steps, axes, strict=True)
    ]
    return slopes[0] if len(slopes) == 1 else slopes


def _slopes(node: Tensor, given: Tensor, axis: int, order: int) -> Tensor:
    size = node.shape[axis]
    if size < order + 1:
        raise ShapeError(f"gradient({node.type}): axis {axis} has {size} samples, and {order + 1} are needed")
    before = (slice(None),) * axis
    column = (-1, *[1] * (node.ndim - axis - 1))

    def at(first: int | None, last: int | None) -> Tensor:
        return node[(*before, slice(first, last))]

    if given.ndim == 0:
        gaps = None
        left = right = given
        middle = (at(2, None) - at(None, -2)) / (2 * given)
    else:
        if given.shape != (size,):
            raise ShapeError(
                f"gradient({node.type}): axis {axis} has {size} samples, and coordinates of {given.type} are given"
            )
        gaps = given[1:] - given[:-1]
        left, right = reshape(gaps[:-1], column), reshape(gaps[1:], column)
        middle = (
            at(2, None) * (left / right / (left + right))
            + at(1, -1) * ((right - left) / (left * right))
            - at(None, -2) * (right / left / (left + right))
        )
    h0, h1 = (given, given) if gaps is None else (gaps[0], gaps[-1])
    if order == 1:
        first, last = (at(1, 2) - at(0, 1)) / h0, (at(-1, None) - at(-2, -1)) / h1
    else:
        k0, k1 = (given, given) if gaps is None else (gaps[1], gaps[-2])
        first = _end(at(0, 1), at(1, 2), at(2, 3), h0, k0)
        last = -_end(at(-1, None), at(-2, -1), at(-3, -2), h1, k1)
    return concatenate([first, middle, last], axis)


def _end(f0: Tensor, f1: Tensor, f2: Tensor, h: Tensor, k: Tensor) -> Tensor:
    """The slope at the first of three samples at distances ``h`` and ``k``, of the parabola through them."""
    return f1 * ((h + k) / (h * k)) - f0 * ((2 * h + k) / (h * (h + k))) - f2 * (h / (k * (h + k)))
