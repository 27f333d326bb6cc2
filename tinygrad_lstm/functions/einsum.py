"""Sums of products over named or numbered axes; each becomes transposes and one matmul for a pair of operands."""

import math
from collections.abc import Sequence
from typing import Any

from tinygrad_lstm.errors import ShapeError, UsageError
from tinygrad_lstm.functions.arrangement import diagonal, moveaxis, ravel
from tinygrad_lstm.graph.compositions import composition
from tinygrad_lstm.graph.convert import operands
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import listed, normalize_axis, whole
from tinygrad_lstm.ops.linalg import LETTERS, matmul
from tinygrad_lstm.ops.reduce import sum
from tinygrad_lstm.ops.shape import broadcast_to, reshape, transpose

__all__ = ["dot", "einsum", "outer", "tensordot"]


@function
@composition()
def outer(x: Any, y: Any) -> Tensor:
    """``x_i · y_j`` for all pairs of elements; operands are flattened.

    >>> print(tl.outer([1.0, 2.0], [3.0, 4.0]))
    [[3. 4.]
     [6. 8.]]
    """
    a, b = operands(x, y)
    return reshape(a, (a.size, 1)) * ravel(b)


@function
def dot(x: Any, y: Any) -> Tensor:
    """The sum of products over the last axis of ``x`` and the last but one of ``y`` (or its only one).

    Shapes: ``(…, k) · (…, k, m) → (… of x, … of y, m)``; with a scalar it multiplies.

    Raises:
        ShapeError: when the two axes differ in size.

    >>> print(tl.dot([1.0, 2.0], [3.0, 4.0]))
    11.0
    """
    a, b = operands(x, y)
    if not a.shape or not b.shape:
        return a * b
    return tensordot(a, b, ((-1,), (-2 if b.ndim > 1 else -1,)))


@function
@composition()
def tensordot(x: Any, y: Any, axes: Any = 2) -> Tensor:
    """The sum of products over pairs of axes.

    Args:
        axes: a number n for the last n axes of ``x`` with the first n of ``y``, or the axes of both.

    Shapes: the other axes of ``x``, then those of ``y``.

    Raises:
        ShapeError: when the axes of a pair differ in size.

    >>> tl.tensordot(tl.ones((2, 3, 4)), tl.ones((4, 3, 5)), ((1, 2), (1, 0))).shape
    (2, 5)
    """
    a, b = operands(x, y)
    left, right = _pairs(a, b, axes)
    if [a.shape[i] for i in left] != [b.shape[j] for j in right]:
        raise ShapeError(
            f"tensordot({a.type}, {b.type}): axes {left} and {right} have sizes "
            f"{[a.shape[i] for i in left]} and {[b.shape[j] for j in right]}; they must be equal"
        )
    rows = [i for i in range(a.ndim) if i not in left]
    columns = [j for j in range(b.ndim) if j not in right]
    inner = math.prod(a.shape[i] for i in left)
    shape = [a.shape[i] for i in rows], [b.shape[j] for j in columns]
    product = matmul(
        reshape(transpose(a, (*rows, *left)), (math.prod(shape[0]), inner)),
        reshape(transpose(b, (*right, *columns)), (inner, math.prod(shape[1]))),
    )
    return reshape(product, (*shape[0], *shape[1]))


def _pairs(a: Tensor, b: Tensor, axes: Any) -> tuple[list[int], list[int]]:
    """The axes of ``a`` and those of ``b`` that ``tensordot`` pairs, in the same order."""
    axes = listed(axes)
    count = whole(axes)
    if count is not None:
        if not 0 <= count <= min(a.ndim, b.ndim):
            raise ShapeError(f"tensordot({a.type}, {b.type}): there are no {count} axes to pair")
        return list(range(a.ndim - count, a.ndim)), list(range(count))
    if not isinstance(axes, Sequence) or len(axes) != 2:
        raise UsageError(f"tensordot: axes is a number or a pair of sequences, not {axes!r}")
    groups = [list(group) if isinstance(group, Sequence) else [group] for group in axes]
    left, right = [normalize_axis(i, a.ndim) for i in groups[0]], [normalize_axis(j, b.ndim) for j in groups[1]]
    if len(left) != len(right) or len(set(left)) != len(left) or len(set(right)) != len(right):
        raise ShapeError(f"tensordot({a.type}, {b.type}): axes {axes} do not pair each axis with one other")
    return left, right


@function
@composition()
def einsum(subscripts: Any, *arrays: Any) -> Tensor:
    """Einstein's sum: a letter for each axis. Axes of one letter run together; letters not in the result are summed.

    ``...`` stands for further axes. Without ``->`` the result has the letters that occur once, in alphabetical order,
    after those of ``...``. An axis of size 1 goes with one of any size. Operands are contracted from left to right.

    In place of letters each array may be followed by a list of whole numbers and ``...``, and the last by that of the
    result: ``einsum(a, [0, 1], b, [1, 2], [0, 2])``.

    Raises:
        UsageError: when the subscripts do not parse, or do not fit the operands.
        ShapeError: when one letter has two sizes.

    >>> print(tl.einsum("ij,j->i", [[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0]))
    [21. 43.]
    """
    if not isinstance(subscripts, str):
        subscripts, arrays = _lettered(subscripts, *arrays)
    nodes = operands(*arrays) if arrays else []
    terms, result = _parsed(subscripts, nodes)
    sizes: dict[str, int] = {}
    for node, term in zip(nodes, terms, strict=True):
        for letter, n in zip(term, node.shape, strict=True):
            known = sizes.setdefault(letter, n)
            if known == 1 and term.count(letter) == 1:
                sizes[letter] = n
            elif known != n and (n != 1 or term.count(letter) > 1):
                raise ShapeError(f"einsum({subscripts!r}): the letter {letter!r} has the sizes {known} and {n}")
    if any(letter not in sizes for letter in result) or len(set(result)) != len(result):
        raise UsageError(f"einsum({subscripts!r}): the result has a letter twice, or one that no operand has")
    pending = [_simplified(n, t, sizes) for n, t in zip(nodes, terms, strict=True)]
    node, term = pending[0]
    for k, (other, letters) in enumerate(pending[1:], 1):
        later = set(result).union(*[t for _, t in pending[k + 1 :]])
        node, term = _contracted(node, term, other, letters, later)
    node, term = _summed(node, term, [t for t in term if t not in result])
    return transpose(node, [term.index(t) for t in result])


def _lettered(*given: Any) -> tuple[str, tuple[Any, ...]]:
    """The subscripts and arrays of a call with a list of numbers behind each array."""
    arrays, lists = given[::2], [listed(numbers) for numbers in given[1::2]]
    result = None
    if len(given) % 2 and len(given) > 1:  # what stands alone at the end is the list of the result
        arrays, result = arrays[:-1], listed(given[-1])
    groups = [*lists, *([] if result is None else [result])]
    if not lists or not all(isinstance(group, tuple | list) for group in groups):
        raise UsageError(
            "einsum: the subscripts come first, as a string such as 'ij,jk->ik', or each array is followed by a list "
            f"of numbers, as in einsum(a, [0, 1], b, [1, 2]); not {type(given[0]).__name__}"
        )
    numbers = sorted({n for group in groups for n in group if n is not Ellipsis})
    if not all(whole(n) is not None for n in numbers) or len(numbers) > len(LETTERS):
        raise UsageError(f"einsum: the lists hold whole numbers and ..., not {groups!r}")
    letters = dict(zip(numbers, LETTERS, strict=False))
    texts = ["".join("..." if n is Ellipsis else letters[n] for n in group) for group in groups]
    if result is None:
        return ",".join(texts), arrays
    return ",".join(texts[:-1]) + "->" + texts[-1], arrays


def _parsed(subscripts: str, nodes: list[Tensor]) -> tuple[list[list[str]], list[str]]:
    """The letters of each operand and of the result; numbers, counted from the right, stand for the axes of ``...``."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != len(nodes):
        raise UsageError(f"einsum({subscripts!r}): {len(parts)} groups of letters for {len(nodes)} operands")
    rest = 0
    terms: list[list[str]] = []
    for part, node in zip(parts, nodes, strict=True):
        before, dots, after = part.partition("...")
        count = node.ndim - len(before) - len(after)
        letters = before + after
        if count < 0 or (count and not dots) or (letters and not letters.isalpha()):
            raise UsageError(f"einsum({subscripts!r}): the letters {part!r} do not fit {node.type}")
        rest = max(rest, count)
        terms.append([*before, *[str(i) for i in reversed(range(count))], *after])
    numbered = [str(i) for i in reversed(range(rest))]
    if not arrow:
        every = [t for term in terms for t in term if t.isalpha()]
        return terms, [*numbered, *sorted(t for t in set(every) if every.count(t) == 1)]
    before, dots, after = right.partition("...")
    if (before + after) and not (before + after).isalpha():
        raise UsageError(f"einsum({subscripts!r}): the result {right!r} is not made of letters")
    return terms, [*before, *(numbered if dots else []), *after]


def _simplified(node: Tensor, term: list[str], sizes: dict[str, int]) -> tuple[Tensor, list[str]]:
    """An operand and its letters, without repeated letters and with the axes of ``...`` broadcast to full size."""
    node = broadcast_to(node, tuple(sizes[t] for t in term))
    for letter in dict.fromkeys(term):
        while term.count(letter) > 1:
            first = term.index(letter)
            second = term.index(letter, first + 1)
            node = moveaxis(diagonal(node, 0, first, second), -1, first)
            term = term[:second] + term[second + 1 :]
    return node, term


def _summed(node: Tensor, term: list[str], letters: list[str]) -> tuple[Tensor, list[str]]:
    """An operand summed over some of its letters, in its own element type as in NumPy, and those that are left."""
    if not letters:
        return node, term
    return sum(node, tuple(map(term.index, letters)), dtype=node.dtype), [t for t in term if t not in letters]


def _contracted(a: Tensor, left: list[str], b: Tensor, right: list[str], later: set[str]) -> tuple[Tensor, list[str]]:
    """The product of two operands and its letters, summed over letters that are not in ``later``.

    Args:
        later: the letters that the result or an operand to come has.
    """
    a, left = _summed(a, left, [t for t in left if t not in right and t not in later])
    b, right = _summed(b, right, [t for t in right if t not in left and t not in later])
    batch = [t for t in left if t in right and t in later]
    inner = [t for t in left if t in right and t not in later]
    rows = [t for t in left if t not in right]
    columns = [t for t in right if t not in left]

    def arranged(node: Tensor, term: list[str], *groups: list[str]) -> Tensor:
        node = transpose(node, [term.index(t) for group in groups for t in group])
        lead, shape = len(batch), node.shape
        middle = lead + len(groups[1])
        return reshape(node, (*shape[:lead], math.prod(shape[lead:middle]), math.prod(shape[middle:])))

    product = matmul(arranged(a, left, batch, rows, inner), arranged(b, right, batch, inner, columns))
    sizes = dict(zip(left, a.shape, strict=True)) | dict(zip(right, b.shape, strict=True))
    term = [*batch, *rows, *columns]
    return reshape(product, tuple(sizes[t] for t in term)), term
