"""Assignment that returns a changed copy: ``x.at[key].set(v)``.

Every kind is composed of ``take`` and ``scatter_add``: the key is turned into positions in the flattened array, and
sorting them brings the updates of one position together.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, final

from tinygrad_lstm.errors import ShapeError, UsageError
from tinygrad_lstm.functions.arrangement import ravel
from tinygrad_lstm.functions.indexing import getitem
from tinygrad_lstm.functions.predicates import not_equal
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.dtypes import bool_, int64
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import broadcast_shapes
from tinygrad_lstm.ops.elementwise import maximum, minimum, multiply
from tinygrad_lstm.ops.index import scatter_add, take
from tinygrad_lstm.ops.logic import equal, where
from tinygrad_lstm.ops.shape import broadcast_to, concatenate, reshape
from tinygrad_lstm.ops.sorting import argsort
from tinygrad_lstm.ops.source import arange_node, full_node
from tinygrad_lstm.reflexes import UPDATES, unknown

__all__ = ["At", "IndexedUpdate", "at"]


@function
def at(x: Any) -> "At":
    """The object ``x.at``: ``x.at[key]`` names a place in ``x``, and its methods return ``x`` with that place changed.

    >>> print(tl.arange(4).at[1:3].set(9), tl.arange(4).at[[0, 0]].add(5))
    [0 9 9 3] [10  1  2  3]
    """
    return At(as_tensor(x))


@final
class At:
    """``x.at``: to be indexed with any key that ``x`` itself takes."""

    __slots__ = ("_x",)

    def __init__(self, x: Tensor) -> None:
        self._x: Final = x

    def __getitem__(self, key: Any) -> "IndexedUpdate":
        return IndexedUpdate(self._x, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        raise UsageError("an array never changes; make a new one with y = x.at[key].set(value)")


@final
class IndexedUpdate:
    """``x.at[key]``. Each method gives a new array; updates broadcast to the shape of ``x[key]``.

    Where indices repeat, ``add``, ``multiply``, ``max`` and ``min`` combine all updates, in the same order every time;
    ``set`` keeps one of them, and which one is not specified. Derivatives of what was overwritten are 0.

    Raises:
        IndexingError: as ``x[key]`` does.
        ShapeError: when the updates do not broadcast to its shape.
    """

    __slots__ = ("_flat", "_key", "_places", "_x")

    def __init__(self, x: Tensor, key: Any) -> None:
        self._x: Final = x
        self._key: Final = key
        self._flat: Final = ravel(x)
        positions = reshape(arange_node(x.size, int64, x.device), x.shape)
        self._places: Final[Tensor] = getitem(positions, key)

    def get(self) -> Tensor:
        """``x[key]``."""
        return getitem(self._x, self._key)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            unknown("x.at[key]", name, UPDATES, self)

    def set(self, value: Any) -> Tensor:
        """``x`` with ``value`` at the place."""
        return self._combined(value, None, lambda old, new: new)

    def add(self, value: Any) -> Tensor:
        """``x`` with ``value`` added at the place."""
        updates = ravel(self._updates(value))
        total = scatter_add(updates, ravel(self._places), size=self._flat.size)
        return reshape(self._flat + total, self._x.shape)

    def multiply(self, value: Any) -> Tensor:
        """``x`` multiplied by ``value`` at the place."""
        return self._combined(value, multiply, multiply)

    def max(self, value: Any) -> Tensor:
        """The larger of ``x`` and ``value`` at the place; ties share the gradient in halves."""
        return self._combined(value, maximum, maximum)

    def min(self, value: Any) -> Tensor:
        """The smaller of ``x`` and ``value`` at the place; ties share the gradient in halves."""
        return self._combined(value, minimum, minimum)

    def _updates(self, value: Any) -> Tensor:
        """``value`` in the element type of ``x``, broadcast to the shape of the place."""
        updates = as_tensor(value, like=self._x).astype(self._x.dtype)
        shape = self._places.shape
        lead = updates.ndim - len(shape)
        if lead > 0 and updates.shape[:lead] == (1,) * lead:
            updates = reshape(updates, updates.shape[lead:])
        try:
            fits = broadcast_shapes(updates.shape, shape) == shape
        except ShapeError:
            fits = False
        if not fits:
            raise ShapeError(f"at[…]: updates {updates.type} do not broadcast to the shape {list(shape)} of the place")
        return broadcast_to(updates, shape)

    def _combined(
        self, value: Any, among: Callable[[Any, Any], Tensor] | None, into: Callable[[Any, Any], Tensor]
    ) -> Tensor:
        """``x`` with ``into(x, u)`` at each position that has updates, where ``among`` combines these to one ``u``.

        With ``among`` None the last update of a position, in sorted order, is taken.
        """
        updates, places = ravel(self._updates(value)), ravel(self._places)
        count, size, device = places.size, self._flat.size, self._x.device
        if count == 0:
            return self._x
        order = argsort(places)
        places, updates = take(places, order), take(updates, order)
        reach = 1
        while among is not None and reach < count:
            # Each update is combined with the 1, 2, 4, … before it that belong to the same position.
            same = concatenate([full_node((reach,), False, bool_, device), equal(places[reach:], places[:-reach])])
            earlier = concatenate([updates[:reach], updates[:-reach]])
            updates = where(same, among(updates, where(same, earlier, updates)), updates)
            reach *= 2
        last = concatenate([not_equal(places[1:], places[:-1]), full_node((1,), True, bool_, device)])
        # The number of the last update of each position, counted from 1; 0 stands for a position without updates.
        numbers = where(last, arange_node(count, int64, device) + 1, 0)
        numbers_at = scatter_add(numbers, places, size=size)
        changed = not_equal(numbers_at, 0)
        chosen = take(updates, where(changed, numbers_at - 1, 0))
        result = where(changed, into(self._flat, where(changed, chosen, self._flat)), self._flat)
        return reshape(result, self._x.shape)
