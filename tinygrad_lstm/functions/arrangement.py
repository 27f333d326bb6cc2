"""Rearrangements that are composed of the primitives in ``ops/shape.py``."""

from collections.abc import Sequence
from typing import Any

from tinygrad_lstm.errors import ShapeError, UsageError
from tinygrad_lstm.functions.indexing import getitem
from tinygrad_lstm.graph.compositions import composition
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.dtypes import int64
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import as_shape, listed, normalize_axes, normalize_axis, whole
from tinygrad_lstm.ops.logic import equal, less_equal, where
from tinygrad_lstm.ops.reduce import sum
from tinygrad_lstm.ops.shape import broadcast_to, concatenate, listed_operands, reshape, transpose
from tinygrad_lstm.ops.source import arange_node

__all__ = [
    "diag",
    "diagonal",
    "diff",
    "expand_dims",
    "hstack",
    "moveaxis",
    "ravel",
    "repeat",
    "roll",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "tile",
    "trace",
    "tril",
    "triu",
    "vstack",
]


@function
def moveaxis(x: Any, source: Any, destination: Any) -> Tensor:
    """``x`` with the axes ``source`` at the places ``destination`` of the result; the others keep their order.

    Raises:
        ShapeError: for axes out of range, named twice, or of different number.

    >>> tl.moveaxis(tl.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    node = as_tensor(x)
    pair = [list(a) if isinstance(a, tuple | list) else [a] for a in (listed(source), listed(destination))]
    old, new = ([normalize_axis(a, node.ndim) for a in axes] for axes in pair)
    if len(old) != len(new) or len(set(old)) != len(old) or len(set(new)) != len(new):
        raise ShapeError(f"moveaxis({node.type}): {source} and {destination} do not pair each axis with one place")
    places = dict(zip(new, old, strict=True))
    rest = (a for a in range(node.ndim) if a not in old)
    return transpose(node, [places[k] if k in places else next(rest) for k in range(node.ndim)])


@function
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """``x`` cut along ``axis``: into a number of equal parts, or before each of the given indices.

    Raises:
        ShapeError: when the parts would not be equal.

    >>> print(*tl.split(tl.arange(6), 3), *tl.split(tl.arange(6), [1]))
    [0 1] [2 3] [4 5] [0] [1 2 3 4 5]
    """
    node = as_tensor(x)
    place = normalize_axis(axis, node.ndim)
    size = node.shape[place]
    count = whole(indices_or_sections)
    if count is not None:
        if count < 1 or size % count:
            raise ShapeError(
                f"split({node.type}): axis {place} of size {size} has no {count} equal parts; cut it at [1, 3]"
            )
        cuts: list[Any] = [size // count * k for k in range(1, count)]
    else:
        given = listed(indices_or_sections)
        cuts = [whole(c) for c in given] if isinstance(given, tuple | list) else [None]
        if None in cuts:
            raise UsageError(f"split: how many parts is an integer, and where to cut a tuple of them, not {given!r}")
    before = (slice(None),) * place
    return [getitem(node, (*before, slice(a, b))) for a, b in zip([0, *cuts], [*cuts, size], strict=True)]


@function
@composition()
def roll(x: Any, shift: Any, axis: Any = None) -> Tensor:
    """``x`` shifted along ``axis``, or over all elements by default; what leaves at the end comes in at the start.

    >>> print(tl.roll(tl.arange(5), 2))
    [3 4 0 1 2]
    """
    node = as_tensor(x)
    if axis is None:
        return reshape(roll(ravel(node), shift, 0), node.shape)
    axis, shift = listed(axis), listed(shift)
    axes = [*axis] if isinstance(axis, tuple | list) else [axis]
    shifts = [*shift] if isinstance(shift, tuple | list) else [shift] * len(axes)
    if len(axes) == 1:
        axes *= len(shifts)
    if len(axes) != len(shifts):
        raise UsageError(f"roll({node.type}): {len(shifts)} shifts for {len(axes)} axes")
    for by, a in zip(shifts, axes, strict=True):
        place = normalize_axis(a, node.ndim)
        size = node.shape[place]
        cut = -int(by) % size if size else 0
        if cut:
            before = (slice(None),) * place
            node = concatenate([node[(*before, slice(cut, None))], node[(*before, slice(None, cut))]], place)
    return node


@function
@composition()
def tile(x: Any, reps: Any) -> Tensor:
    """``x`` repeated as a whole, ``reps`` times along each axis; missing axes or counts are 1, put in front.

    >>> print(tl.tile([1.0, 2.0], 2), tl.tile([1.0, 2.0], (2, 1)).shape)
    [1. 2. 1. 2.] (2, 2)
    """
    node = as_tensor(x)
    counts = as_shape(reps)
    rank = len(counts) if len(counts) > node.ndim else node.ndim
    sizes = (1,) * (rank - node.ndim) + node.shape
    counts = (1,) * (rank - len(counts)) + counts
    alternating = [n for size in sizes for n in (1, size)]
    grown = [n for pair in zip(counts, sizes, strict=True) for n in pair]
    result = broadcast_to(reshape(node, tuple(alternating)), tuple(grown))
    return reshape(result, tuple(c * n for c, n in zip(counts, sizes, strict=True)))


@function
def vstack(arrays: Any) -> Tensor:
    """Arrays one below the other: concatenated along the first axis, with vectors as rows.

    >>> print(tl.vstack([[1.0, 2.0], [3.0, 4.0]]))
    [[1. 2.]
     [3. 4.]]
    """
    nodes = [as_tensor(x) for x in arrays]
    return concatenate([reshape(x, (1, *x.shape) if x.ndim else (1, 1)) if x.ndim < 2 else x for x in nodes], 0)


@function
def hstack(arrays: Any) -> Tensor:
    """Arrays side by side: concatenated along the second axis, vectors along their only one.

    >>> print(tl.hstack([[1.0, 2.0], [3.0]]))
    [1. 2. 3.]
    """
    nodes = [reshape(x, (1,)) if x.ndim == 0 else x for x in map(as_tensor, arrays)]
    return concatenate(nodes, 0 if all(x.ndim == 1 for x in nodes) else 1)


@function
@composition()
def diff(x: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Tensor:
    """Differences of neighbours ``x[i + 1] − x[i]`` along ``axis``, taken ``n`` times.

    Args:
        prepend: what stands before ``x`` along ``axis``; a number is one element.
        append: what stands behind it.

    Raises:
        UsageError: when ``n`` is no integer ≥ 0.

    >>> print(tl.diff([1.0, 4.0, 9.0]), tl.diff([1.0, 4.0, 9.0], 2))
    [3. 5.] [2.]
    """
    times = whole(n)
    if times is None or times < 0:
        raise UsageError(f"diff: n is an integer ≥ 0, not {n!r}; a derivative is tl.gradients(y, x)")
    node = as_tensor(x)
    if not times:
        return node
    place = normalize_axis(axis, node.ndim)
    one = (*node.shape[:place], 1, *node.shape[place + 1 :])
    ends = [v if v is None else as_tensor(v, like=node) for v in (prepend, append)]
    first, last = ([] if v is None else [broadcast_to(v, one) if v.ndim == 0 else v] for v in ends)
    node = concatenate([*first, node, *last], place)
    before = (slice(None),) * place
    for _ in range(times):
        node = node[(*before, slice(1, None))] - node[(*before, slice(None, -1))]
    return node


@function
@composition()
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Tensor:
    """Each element of ``x`` repeated in place along ``axis``, of the flattened array by default.

    Args:
        repeats: how often, one number for all or one for each position: Python integers, since they decide the shape.

    >>> print(tl.repeat([1.0, 2.0], 2), tl.repeat([1.0, 2.0], [1, 3]))
    [1. 1. 2. 2.] [1. 2. 2. 2.]
    """
    node = as_tensor(x)
    if axis is None:
        node, axis = ravel(node), 0
    place = normalize_axis(axis, node.ndim)
    size = node.shape[place]
    repeats = listed(repeats)
    if isinstance(repeats, Sequence) and len(repeats) != 1:
        counts = as_shape(repeats)
        if len(counts) != size:
            raise ShapeError(f"repeat({node.type}): {len(counts)} counts for the {size} positions of axis {place}")
        before = (slice(None),) * place
        parts = [repeat(node[(*before, slice(k, k + 1))], n, place) for k, n in enumerate(counts)]
        return concatenate(parts, place) if parts else node
    (count,) = as_shape(repeats)
    grown = broadcast_to(expand_dims(node, place + 1), (*node.shape[: place + 1], count, *node.shape[place + 1 :]))
    return reshape(grown, (*node.shape[:place], size * count, *node.shape[place + 1 :]))


@function
@composition()
def tril(x: Any, k: int = 0) -> Tensor:
    """The lower triangle of the last two axes, with zeros above the ``k``-th diagonal.

    >>> print(tl.tril(tl.ones((2, 2))))
    [[1. 0.]
     [1. 1.]]
    """
    node = as_tensor(x)
    return where(_below(node, k, "tril"), node, 0)


@function
@composition()
def triu(x: Any, k: int = 0) -> Tensor:
    """The upper triangle of the last two axes, with zeros below the ``k``-th diagonal.

    >>> print(tl.triu(tl.ones((2, 2))))
    [[1. 1.]
     [0. 1.]]
    """
    node = as_tensor(x)
    return where(_below(node, k - 1, "triu"), 0, node)


def _below(node: Tensor, k: int, name: str) -> Tensor:
    if node.ndim < 2:
        raise ShapeError(f"{name}({node.type}): a matrix is wanted, at least two axes")
    rows, columns = (arange_node(n, int64, node.device) for n in node.shape[-2:])
    return less_equal(columns, expand_dims(rows, 1) + k)


@function
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The elements ``x[i, i + offset]`` over two axes, as a new last axis.

    >>> print(tl.diagonal([[1.0, 2.0], [3.0, 4.0]]))
    [1. 4.]
    """
    node = as_tensor(x)
    a, b = normalize_axis(axis1, node.ndim), normalize_axis(axis2, node.ndim)
    if a == b:
        raise ShapeError(f"diagonal({node.type}): two different axes are wanted, got {axis1} and {axis2}")
    node = moveaxis(node, (a, b), (-2, -1))
    rows, columns = node.shape[-2:]
    start = offset if offset >= 0 else -offset * columns
    length = _least(rows, columns - offset) if offset >= 0 else _least(rows + offset, columns)
    flat = reshape(node, (*node.shape[:-2], rows * columns))
    return flat[..., start : start + (length - 1) * (columns + 1) + 1 : columns + 1] if length > 0 else flat[..., :0]


def _least(a: int, b: int) -> int:
    return a if a < b else b


@function
def diag(x: Any, k: int = 0) -> Tensor:
    """The matrix with the vector ``x`` on its ``k``-th diagonal; for a matrix ``x``, that diagonal of it.

    >>> print(tl.diag([1.0, 2.0]))
    [[1. 0.]
     [0. 2.]]
    """
    node = as_tensor(x)
    if node.ndim == 2:
        return diagonal(node, k)
    if node.ndim != 1:
        raise ShapeError(f"diag({node.type}): a vector or a matrix is wanted")
    places = arange_node(node.size, int64, node.device)
    square = where(equal(expand_dims(places, 1), places), expand_dims(node, 1), 0)
    low, high = ((-k, 0), (0, -k)) if k < 0 else ((0, k), (k, 0))
    return make("pad", square, low=low, high=high, interior=(0, 0))


@function
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """``Σ x[i, i + offset]`` over two axes.

    >>> print(tl.trace([[1.0, 2.0], [3.0, 4.0]]))
    5.0
    """
    return sum(diagonal(x, offset, axis1, axis2), axis=-1)


@function
def ravel(x: Any) -> Tensor:
    """All elements in one axis, in row-major order.

    >>> tl.ravel(tl.zeros((2, 3))).shape
    (6,)
    """
    return reshape(x, (-1,)) if as_tensor(x).size else reshape(x, (0,))


@function
def swapaxes(x: Any, axis1: int, axis2: int) -> Tensor:
    """``x`` with two axes exchanged.

    >>> tl.swapaxes(tl.zeros((2, 3, 4)), 0, -1).shape
    (4, 3, 2)
    """
    node = as_tensor(x)
    order = list(range(node.ndim))
    a, b = normalize_axis(axis1, node.ndim), normalize_axis(axis2, node.ndim)
    order[a], order[b] = order[b], order[a]
    return transpose(node, order)


@function
def expand_dims(x: Any, axis: Any) -> Tensor:
    """``x`` with axes of size 1 inserted, so that they are the axes ``axis`` of the result.

    >>> tl.expand_dims(tl.zeros((2, 3)), 1).shape
    (2, 1, 3)
    """
    node = as_tensor(x)
    axis = listed(axis)
    new = axis if isinstance(axis, tuple | list) else (axis,)
    places = normalize_axes(tuple(new), node.ndim + len(new))
    sizes = iter(node.shape)
    return reshape(node, tuple(1 if i in places else next(sizes) for i in range(node.ndim + len(new))))


@function
def squeeze(x: Any, axis: Any = None) -> Tensor:
    """``x`` without axes of size 1: all of them, or those named.

    Raises:
        ShapeError: when a named axis has another size.

    >>> tl.squeeze(tl.zeros((1, 3, 1)), axis=0).shape
    (3, 1)
    """
    node = as_tensor(x)
    places = normalize_axes(axis, node.ndim) if axis is not None else [i for i, n in enumerate(node.shape) if n == 1]
    for a in places:
        if node.shape[a] != 1:
            raise ShapeError(f"squeeze({node.type}): axis {a} has size {node.shape[a]}, not 1")
    return reshape(node, tuple(n for i, n in enumerate(node.shape) if i not in places))


@function
def stack(arrays: Any, axis: int = 0) -> Tensor:
    """The arrays, all of one shape, along a new axis.

    Raises:
        ShapeError: when the shapes differ.

    >>> tl.stack([tl.zeros(3), tl.ones(3)]).shape
    (2, 3)
    """
    nodes = listed_operands(arrays, "stack")
    for node in nodes[1:]:
        if node.shape != nodes[0].shape:
            raise ShapeError(f"stack: all arrays must have one shape, got {nodes[0].type} and {node.type}")
    place = normalize_axis(axis, nodes[0].ndim + 1)
    return concatenate([expand_dims(node, place) for node in nodes], place)
