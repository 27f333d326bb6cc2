"""The methods that tensors and variables share: NumPy's, each the function of the same name in ``tl``."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from tinygrad_lstm.graph.registry import apply

if TYPE_CHECKING:
    from tinygrad_lstm.graph.dtypes import DType
    from tinygrad_lstm.graph.tensor import Tensor
    from tinygrad_lstm.graph.types import Shape

__all__ = ["Methods"]

_apply: "Final[Callable[..., Tensor]]" = apply


class Methods:
    """NumPy's methods, in terms of the registered functions."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def shape(self) -> Shape:
            """The sizes of the axes."""

        @property
        def dtype(self) -> DType:
            """The type of the elements."""

        @property
        def device(self) -> str:
            """Where the elements live."""

    # Elementwise functions

    def exp(self) -> "Tensor":
        """``tl.exp`` of this array."""
        return _apply("exp", self)

    def log(self) -> "Tensor":
        """``tl.log`` of this array."""
        return _apply("log", self)

    def sqrt(self) -> "Tensor":
        """``tl.sqrt`` of this array."""
        return _apply("sqrt", self)

    def sin(self) -> "Tensor":
        """``tl.sin`` of this array."""
        return _apply("sin", self)

    def cos(self) -> "Tensor":
        """``tl.cos`` of this array."""
        return _apply("cos", self)

    def tanh(self) -> "Tensor":
        """``tl.tanh`` of this array."""
        return _apply("tanh", self)

    def sigmoid(self) -> "Tensor":
        """``tl.sigmoid`` of this array."""
        return _apply("sigmoid", self)

    def round(self, decimals: int = 0) -> "Tensor":
        """``tl.round`` of this array."""
        return _apply("round", self, decimals)

    def clip(self, min: Any = None, max: Any = None) -> "Tensor":
        """This array within bounds; see ``tl.clip``."""
        return _apply("clip", self, min, max)

    def astype(self, dtype: Any) -> "Tensor":
        """This array with elements of another type; see ``tl.cast``."""
        return _apply("cast", self, dtype)

    def to(self, device: str) -> "Tensor":
        """This array on another device; see ``tl.to``."""
        return _apply("to", self, device)

    # Reductions, running totals and order

    def sum(self, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> "Tensor":
        """Sum over ``axis``; see ``tl.sum``."""
        return _apply("sum", self, axis, keepdims, dtype=dtype)

    def mean(self, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> "Tensor":
        """Mean over ``axis``; see ``tl.mean``."""
        return _apply("mean", self, axis, keepdims, dtype=dtype)

    def max(self, axis: Any = None, keepdims: bool = False) -> "Tensor":
        """Largest element over ``axis``; see ``tl.max``."""
        return _apply("max", self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> "Tensor":
        """Smallest element over ``axis``; see ``tl.min``."""
        return _apply("min", self, axis, keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> "Tensor":
        """Product over ``axis``; see ``tl.prod``."""
        return _apply("prod", self, axis, keepdims, dtype=dtype)

    def any(self, axis: Any = None, keepdims: bool = False) -> "Tensor":
        """Whether some element is true over ``axis``; see ``tl.any``."""
        return _apply("any", self, axis, keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> "Tensor":
        """Whether every element is true over ``axis``; see ``tl.all``."""
        return _apply("all", self, axis, keepdims)

    def var(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> "Tensor":
        """Variance over ``axis``; see ``tl.var``."""
        return _apply("var", self, axis, ddof, keepdims)

    def std(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> "Tensor":
        """Standard deviation over ``axis``; see ``tl.std``."""
        return _apply("std", self, axis, ddof, keepdims)

    def argmax(self, axis: Any = None) -> "Tensor":
        """Index of the largest element along ``axis``; see ``tl.argmax``."""
        return _apply("argmax", self, axis)

    def argmin(self, axis: Any = None) -> "Tensor":
        """Index of the smallest element along ``axis``; see ``tl.argmin``."""
        return _apply("argmin", self, axis)

    def cumsum(self, axis: int | None = None, *, dtype: Any = None) -> "Tensor":
        """Sums so far along ``axis``; see ``tl.cumsum``."""
        return _apply("cumsum", self, axis, dtype=dtype)

    def cumprod(self, axis: int | None = None, *, dtype: Any = None) -> "Tensor":
        """Products so far along ``axis``; see ``tl.cumprod``."""
        return _apply("cumprod", self, axis, dtype=dtype)

    def argsort(self, axis: int | None = -1) -> "Tensor":
        """Indices that sort along ``axis``; see ``tl.argsort``."""
        return _apply("argsort", self, axis)

    def sort(self, axis: int | None = -1) -> "Tensor":
        """A sorted copy; see ``tl.sort``."""
        return _apply("sort", self, axis)

    # Shapes

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        result = 1
        for n in self.shape:
            result *= n
        return result

    def reshape(self, *shape: Any) -> "Tensor":
        """The same elements in another shape; see ``tl.reshape``."""
        return _apply("reshape", self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> "Tensor":
        """The axes in another order, reversed by default; see ``tl.transpose``."""
        order = (axes[0] if len(axes) == 1 and not hasattr(axes[0], "__index__") else axes) or None
        return _apply("transpose", self, order)

    @property
    def T(self) -> "Tensor":
        """The axes in reversed order."""
        return _apply("transpose", self)

    def swapaxes(self, axis1: int, axis2: int) -> "Tensor":
        """Two axes exchanged; see ``tl.swapaxes``."""
        return _apply("swapaxes", self, axis1, axis2)

    def squeeze(self, axis: Any = None) -> "Tensor":
        """Without axes of size 1; see ``tl.squeeze``."""
        return _apply("squeeze", self, axis)

    def ravel(self) -> "Tensor":
        """All elements in one axis; see ``tl.ravel``."""
        return _apply("ravel", self)

    def flatten(self) -> "Tensor":
        """All elements in one axis; see ``tl.ravel``."""
        return _apply("ravel", self)

    def repeat(self, repeats: Any, axis: int | None = None) -> "Tensor":
        """Each element repeated; see ``tl.repeat``."""
        return _apply("repeat", self, repeats, axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> "Tensor":
        """A diagonal; see ``tl.diagonal``."""
        return _apply("diagonal", self, offset, axis1, axis2)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> "Tensor":
        """Sum of a diagonal; see ``tl.trace``."""
        return _apply("trace", self, offset, axis1, axis2)

    # Choice and products

    def take(self, indices: Any, axis: int | None = None) -> "Tensor":
        """The slices at ``indices``; see ``tl.take``."""
        return _apply("take", self, indices, axis)

    def dot(self, other: Any) -> "Tensor":
        """Sum of products; see ``tl.dot``."""
        return _apply("dot", self, other)

    @property
    def at(self) -> Any:
        """Functional assignment, ``x.at[key].set(v)``; see ``tl.ops.assignment``."""
        return _apply("at", self)
