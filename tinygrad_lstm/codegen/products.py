"""From a ``contract`` over letters to matrices for a ``Gemm``."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

__all__ = ["Axes", "BlasMatrix", "Grouping", "blas_matrix", "grouped", "is_matrix", "leading"]

Stretch = tuple[int, int]
"""The size and the stride of an axis."""


@dataclass(frozen=True, slots=True)
class Axes:
    """The letters of one operand, and the stride of each."""

    letters: str
    strides: tuple[int, ...]

    def stride(self, letter: str) -> int:
        """The stride of a letter; 0 for a letter that the operand lacks."""
        at = self.letters.find(letter)
        return self.strides[at] if at >= 0 else 0


@dataclass(frozen=True, slots=True)
class Grouping:
    """The strides of the three matrices, with equal leading axes, and what has to be copied to make it so.

    Attributes:
        batch: the sizes of the leading axes.
        m, n, k: the rows and columns of the result, and the size of the inner axis.
        copies: what has to be copied to be a matrix: 0 the left operand, 1 the right one, 2 the result.
        swapped: whether the operands have changed sides, so that the last axis of the result has stride 1.
        summed: the letters that are summed, in the order in which a copy should have them, innermost last.
        kept: the letters of the result, in the order in which a copy of it should have them.
    """

    batch: tuple[int, ...]
    m: int
    n: int
    k: int
    left: tuple[int, ...]
    right: tuple[int, ...]
    out: tuple[int, ...]
    copies: tuple[int, ...]
    swapped: bool
    summed: str
    kept: str


def is_matrix(rows: int, columns: int, row: int, column: int) -> bool:
    """Whether BLAS can read a matrix: stride 1 along one axis, and no overlap along the other."""
    return (column == 1 and (row >= columns or rows == 1)) or (row == 1 and (column >= rows or columns == 1))


@dataclass(frozen=True, slots=True)
class BlasMatrix:
    """A matrix as BLAS takes it: whether it is transposed, and the distance between its rows."""

    transposed: bool
    leading: int


def blas_matrix(rows: int, columns: int, strides: Sequence[int]) -> BlasMatrix | None:
    """A matrix as BLAS takes it, by its last two strides; None where BLAS cannot take it.

    >>> blas_matrix(2, 3, (3, 1)), blas_matrix(2, 3, (1, 2)), blas_matrix(2, 3, (6, 2))
    (BlasMatrix(transposed=False, leading=3), BlasMatrix(transposed=True, leading=2), None)
    """
    down, along = strides[-2:]
    if along == 1 or columns == 1:
        distance = down if rows > 1 else columns
        if distance >= max(columns, 1):
            return BlasMatrix(False, distance)
    if down == 1 or rows == 1:
        distance = along if columns > 1 else rows
        if distance >= max(rows, 1):
            return BlasMatrix(True, distance)
    return None


def leading(rows: int, columns: int, row: int, column: int) -> tuple[int, int]:
    """Strides of the same elements that BLAS takes: an axis of size 1 may have any stride."""
    if columns == 1 and rows == 1:
        return 1, 1
    if columns == 1:
        # One column is also the first column of a matrix with longer rows.
        return (row, 1) if row >= 1 else (row, column)
    if rows == 1:
        return (1, column) if column > 1 else (columns, column) if column == 1 else (row, column)
    return row, column


def _merged(letters: Sequence[str], sizes: dict[str, int], operands: Sequence[Axes]) -> list[list[str]]:
    """The letters in runs, each of which is one axis in all operands, from the outermost letter to the innermost."""
    order = sorted(letters, key=lambda letter: [-abs(o.stride(letter)) for o in operands])
    runs: list[list[str]] = []
    for letter in order:
        if runs:
            before = runs[-1][-1]
            if all(o.stride(before) == o.stride(letter) * sizes[letter] for o in operands):
                runs[-1].append(letter)
                continue
        runs.append([letter])
    return runs


def grouped(left: Axes, right: Axes, out: Axes, sizes: dict[str, int]) -> Grouping:
    """The matrices of a product. Letters of size 1 are left out; letters that do not merge become leading axes."""
    letters = [x for x in dict.fromkeys(left.letters + right.letters) if sizes[x] != 1]
    batch, ms, ns, ks = [], [], [], []
    for x in letters:
        in_left, in_right = left.stride(x) != 0, right.stride(x) != 0
        if not in_left and not in_right:
            in_left, in_right = x in left.letters, x not in left.letters
        if x not in out.letters:
            ks.append(x)
        elif in_left and in_right:
            batch.append(x)
        elif in_right:
            ns.append(x)
        else:
            ms.append(x)
    m_runs = _merged(ms, sizes, [left, out])
    n_runs = _merged(ns, sizes, [right, out])
    k_runs = _merged(ks, sizes, [left, right])
    m_run = _chosen(m_runs, sizes, out)
    n_run = _chosen(n_runs, sizes, out)
    rest = [run for run in m_runs if run is not m_run] + [run for run in n_runs if run is not n_run]
    loose = _merged(batch, sizes, [left, right, out]) + rest
    # The summed letters have to be one axis. An operand in which they are not is copied.
    copies = []
    order = [x for run in k_runs for x in run]
    if len(k_runs) > 1:
        copies = [side for side, o in enumerate((left, right)) if not _adjacent(order, sizes, o)]
        if not copies:
            copies = [0, 1]
    k_letters = k_runs[0] if len(k_runs) == 1 else []

    def stretch(run: list[str]) -> tuple[int, str]:
        return prod([sizes[x] for x in run]), run[-1] if run else ""

    (m, m_last), (n, n_last), (k, k_last) = stretch(m_run), stretch(n_run), stretch(k_letters)
    lead = [stretch(run) for run in loose]

    def strides(o: Axes, row: str, column: str, rows: int, columns: int) -> tuple[int, ...]:
        pair = leading(rows, columns, o.stride(row) if row else 0, o.stride(column) if column else 0)
        return (*[o.stride(x) for _, x in lead], *pair)

    a = strides(left, m_last, k_last, m, k)
    b = strides(right, k_last, n_last, k, n)
    c = strides(out, m_last, n_last, m, n)
    if not copies:
        copies = [
            side
            for side, (s, rows, columns) in enumerate([(a, m, k), (b, k, n)])
            if not is_matrix(rows, columns, s[-2], s[-1])
        ]
    swapped = False
    if not copies:
        if c[-1] != 1 and is_matrix(m, n, c[-2], c[-1]):
            swapped = True
            a, b, c = _turned(b), _turned(a), _turned(c)
            m, n = n, m
        elif not is_matrix(m, n, c[-2], c[-1]) or c[-1] != 1:
            copies = [2]
    summed = "".join(order)
    kept = "".join(x for run in [*loose, m_run, n_run] for x in run)
    return Grouping(tuple([size for size, _ in lead]), m, n, k, a, b, c, tuple(copies), swapped, summed, kept)


def _turned(strides: tuple[int, ...]) -> tuple[int, ...]:
    return (*strides[:-2], strides[-1], strides[-2])


def _adjacent(order: list[str], sizes: dict[str, int], operand: Axes) -> bool:
    return all(operand.stride(a) == operand.stride(b) * sizes[b] for a, b in itertools.pairwise(order))


def _chosen(runs: list[list[str]], sizes: dict[str, int], out: Axes) -> list[str]:
    """The run that becomes an axis of the matrices: one with stride 1 in the result, or else the longest."""
    return max(runs, key=lambda run: (out.stride(run[-1]) == 1, prod([sizes[x] for x in run])), default=[])
