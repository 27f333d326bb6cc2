"""Arrays as what a page shows of them: a grid of numbers, and for large ones a summary."""

import math
from typing import Any, Final

import numpy as np

from tinygrad_lstm.draw.pages.running import Array

__all__ = ["GRIDS", "shown"]

GRIDS: Final = (256, 144, 64, 36, 25, 16, 9)
"""The sizes of grid that a page chooses from, so that all of its values have room."""


def shown(array: Array, most: int) -> dict[str, Any]:
    """Shape, numbers and statistics of ``array``, as JSON can hold them.

    An array of more than ``most`` elements becomes a grid of the means of its blocks. Leading axes are joined: a
    grid has rows and columns.

    >>> shown(np.array([1.0, 2.0]), 4)
    {'shape': [2], 'grid': [[1.0, 2.0]]}
    >>> shown(np.arange(8.0), 4)
    {'shape': [8], 'grid': [[0.5, 2.5, 4.5, 6.5]], 'range': [0.0, 7.0, 3.5], 'blocks': True}
    """
    array = np.asarray(array)
    table = array.reshape(math.prod(array.shape[:-1]), array.shape[-1]) if array.ndim else array.reshape(1, 1)
    found: dict[str, Any] = {"shape": list(array.shape)}
    if array.size <= most:
        return found | {"grid": [[_number(v) for v in row] for row in table.tolist()]}
    rows, columns = _divisions(table.shape, most)
    numbers = table.astype(np.float64)
    with np.errstate(all="ignore"):
        blocks = [[part.mean() for part in np.array_split(band, columns, axis=1)] for band in _bands(numbers, rows)]
        about = [numbers.min(), numbers.max(), numbers.mean()]
    grid = [[_number(float(v), 4) for v in row] for row in blocks]
    return found | {"grid": grid, "range": [_number(float(v)) for v in about], "blocks": True}


def _bands(table: Array, rows: int) -> list[Array]:
    return np.array_split(table, rows, axis=0)


def _divisions(shape: tuple[int, ...], most: int) -> tuple[int, int]:
    """How many rows and columns a grid of at most ``most`` cells has, as near to square blocks as may be."""
    rows, columns = shape
    side = math.isqrt(most)
    if rows < side:
        return rows, min(columns, most // rows)
    if columns < side:
        return min(rows, most // columns), columns
    return side, side


def _number(value: Any, digits: int = 6) -> Any:
    """Six digits are more than a reader takes in; JSON has no word for the values that are no numbers."""
    if not isinstance(value, float):
        return int(value)
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "∞" if value > 0 else "−∞"
    return float(f"{value:.{digits}g}")
