"""Kernels of products of matrices."""

import math
from typing import Any

from tinygrad_lstm.kernels.halves import widened

__all__ = ["contract", "matmul"]


def _product(xp: Any, a: Any, b: Any) -> Any:
    # The sum of one product is that product, also where it is −0.0, which a sum that starts at 0 would lose.
    return a * b if a.shape[-1] == 1 else xp.matmul(a, b)


@widened
def matmul(xp: Any, a: Any, b: Any) -> Any:
    """``a @ b`` of at least two axes each."""
    return _product(xp, a, b)


@widened
def contract(xp: Any, a: Any, b: Any, *, left: str, right: str, out: str) -> Any:
    """``Σ a·b`` over the letters that ``out`` lacks, as one product of matrices."""
    batch = [c for c in out if c in left and c in right]
    rows = [c for c in left if c in out and c not in right]
    columns = [c for c in right if c in out and c not in left]
    summed = [c for c in left if c not in out]
    sizes = dict(zip(left, a.shape, strict=True)) | dict(zip(right, b.shape, strict=True))

    def arranged(x: Any, letters: str, *groups: list[str]) -> Any:
        x = x.transpose([letters.index(c) for group in groups for c in group])
        lead = [sizes[c] for c in groups[0]]
        return x.reshape((*lead, *[math.prod(sizes[c] for c in group) for group in groups[1:]]))

    product = _product(xp, arranged(a, left, batch, rows, summed), arranged(b, right, batch, summed, columns))
    order = [*batch, *rows, *columns]
    return product.reshape([sizes[c] for c in order]).transpose([order.index(c) for c in out])
