"""The product of matrices as users write it, ``matmul``, and in the compiler's form with letters, ``contract``."""

import math
from collections.abc import Sequence
from string import ascii_letters
from typing import Any, Final

from tinygrad_lstm.errors import DTypeError, ShapeError
from tinygrad_lstm.graph.convert import operands
from tinygrad_lstm.graph.dtypes import bool_
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import TensorType, broadcast_shapes
from tinygrad_lstm.kernels.products import contract
from tinygrad_lstm.kernels.products import matmul as matmul_kernel
from tinygrad_lstm.ops.shape import reshape, sum_to, transpose, with_rank

__all__ = ["matmul"]

LETTERS: Final = ascii_letters + "αβγδεζηθικλμνξοπρστυφχψω"
"""The names of the axes of a ``contract``: more than the 64 axes that an array of NumPy can have."""


def _matmul(a: TensorType, b: TensorType) -> TensorType:
    if a.dtype is not b.dtype or a.dtype is bool_:
        raise DTypeError("numbers of one element type are wanted; convert with .astype")
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError(
            f"the inner sizes {a.shape[-1]} and {b.shape[-2]} differ; "
            "the last axis of the left operand meets the last but one of the right"
        )
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return TensorType((*batch, a.shape[-2], b.shape[-1]), a.dtype, a.device)


def turned(x: Tensor) -> Tensor:
    """``x`` with its last two axes exchanged: each matrix transposed."""
    return transpose(x, (*range(x.ndim - 2), -1, -2))


def _matmul_each(count: int, mapped: Sequence[bool], a: Tensor, b: Tensor) -> Tensor:
    """Products of examples: leading axes, where ranks differ, as they would broadcast for one example."""
    ranks = [x.ndim - own for x, own in zip((a, b), mapped, strict=True)]
    left, right = (with_rank(x, max(ranks)) if own else x for x, own in zip((a, b), mapped, strict=True))
    return matmul(left, right)


define(
    "matmul", _matmul, matmul_kernel,
    (
        lambda g, y, a, b: sum_to(g @ turned(b), a.shape),
        lambda g, y, a, b: sum_to(turned(a) @ g, b.shape),
    ),
    batch=_matmul_each, label="@", latex=r"\cdot",
)  # fmt: skip


def _contract(a: TensorType, b: TensorType, *, left: str, right: str, out: str) -> TensorType:
    """The type of ``Σ a·b``, summed over the letters that ``out`` lacks."""
    if len(a.shape) != len(left) or len(b.shape) != len(right):
        raise ShapeError(f"the letters {left} and {right} do not fit {a} and {b}")
    sizes = dict(zip(left, a.shape, strict=True))
    for letter, size in zip(right, b.shape, strict=True):
        if sizes.setdefault(letter, size) != size:
            raise ShapeError(f"the letter {letter} has the sizes {sizes[letter]} and {size}")
    if any(len(set(group)) != len(group) for group in (left, right, out)) or not set(out) <= set(sizes):
        raise ShapeError(f"[{left},{right}->{out}] repeats a letter, or gives one that no operand has")
    if any(letter not in out and (letter not in left or letter not in right) for letter in sizes):
        raise ShapeError(f"[{left},{right}->{out}] sums a letter of one operand alone")
    return TensorType(tuple(sizes[letter] for letter in out), a.dtype, a.device)


def renamed(left: str, right: str, out: str) -> tuple[str, str, str]:
    """The letters of a ``contract`` in the order in which they occur, so that equal ones look alike.

    >>> renamed("tk", "kn", "tn")
    ('ab', 'bc', 'ac')
    """
    names = dict(zip(dict.fromkeys(left + right), LETTERS, strict=False))
    one, two, three = ("".join(names[letter] for letter in group) for group in (left, right, out))
    return one, two, three


def _contract_each(
    count: int, mapped: Sequence[bool], a: Tensor, b: Tensor, *, left: str, right: str, out: str
) -> Tensor:
    each = next(c for c in LETTERS if c not in left + right)
    letters = renamed(each * mapped[0] + left, each * mapped[1] + right, each + out)
    return make("contract", a, b, **dict(zip(("left", "right", "out"), letters, strict=True)))


# Each letter stands in at least two of left, right and out. So the gradients are contracts too: what they sum over
# stands in both of their operands.
define(
    "contract", _contract, contract,
    (
        lambda g, y, a, b, left, right, out: make("contract", g, b, left=out, right=right, out=left),
        lambda g, y, a, b, left, right, out: make("contract", g, a, left=out, right=left, out=right),
    ),
    batch=_contract_each, label="@", latex=r"\cdot", kind="compiled",
)  # fmt: skip


@function
def matmul(x: Any, y: Any) -> Tensor:
    """The matrix product ``x @ y``.

    Shapes: ``(…, n, k) @ (…, k, m) → (…, n, m)``, the leading axes broadcast; a vector counts as a row on the left
    and as a column on the right, and that axis is dropped from the result.

    Raises:
        ShapeError: when the inner sizes differ, or an operand has no axes.

    >>> print(tl.matmul([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0]))
    [3. 7.]
    """
    a, b = operands(x, y)
    if not a.shape or not b.shape:
        raise ShapeError(f"matmul({a.type}, {b.type}): an operand without axes is a scalar; use * for it")
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.ndim == b.ndim == 2 and a.shape[-1] == b.shape[-1] != inner:
        raise ShapeError(
            f"matmul({a.type}, {b.type}): the inner sizes {a.shape[-1]} and {inner} differ; those of x @ y.T are equal"
        )
    if a.shape[-1] != inner:
        raise ShapeError(
            f"matmul({a.type}, {b.type}): the inner sizes {a.shape[-1]} and {inner} differ; "
            "the last axis of the left operand meets the last but one of the right"
        )
    if a.ndim > 2 and b.ndim == 2:
        # With one matrix on the right, all rows on the left go into one product, instead of one for each leading index.
        rows = math.prod(a.shape[:-1])
        return reshape(make("matmul", reshape(a, (rows, a.shape[-1])), b), (*a.shape[:-1], b.shape[-1]))
    row, column = a.ndim == 1, b.ndim == 1
    if row:
        a = make("reshape", a, shape=(1, *a.shape))
    if column:
        b = make("reshape", b, shape=(*b.shape, 1))
    product: Tensor = make("matmul", a, b)
    if row or column:
        shape = product.shape[: -2 if row else -1] + (() if column else product.shape[-1:])
        product = make("reshape", product, shape=shape)
    return product
