"""The methods that tensors and variables share: NumPy's, each the function of the same name in ``tl``."""

from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from tinygrad_lstm.errors import ArgumentError, UsageError
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.registry import apply
from tinygrad_lstm.graph.types import Shape
from tinygrad_lstm.reflexes import answering

__all__ = ["Methods"]

R = TypeVar("R")
"""What an operation gives: the tensor, which stands above this file."""


class Count(int):
    """An integer that other libraries have as a method, and that answers when it is called."""

    __slots__ = ()

    def __call__(self, *args: Any) -> NoReturn:
        raise UsageError(
            "x.size and x.ndim are numbers and stand without brackets; the sizes of the axes are x.shape, that of one "
            "x.shape[axis]"
        )


@answering
class Methods(Generic[R]):
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

        def _apply(self, name: str, /, *args: Any, **kwargs: Any) -> R:
            """The registered function ``name`` of these arguments."""

    else:
        _apply = staticmethod(apply)

    # Elementwise functions

    def exp(self) -> R:
        """``tl.exp`` of this array."""
        return self._apply("exp", self)

    def log(self) -> R:
        """``tl.log`` of this array."""
        return self._apply("log", self)

    def sqrt(self) -> R:
        """``tl.sqrt`` of this array."""
        return self._apply("sqrt", self)

    def sin(self) -> R:
        """``tl.sin`` of this array."""
        return self._apply("sin", self)

    def cos(self) -> R:
        """``tl.cos`` of this array."""
        return self._apply("cos", self)

    def tanh(self) -> R:
        """``tl.tanh`` of this array."""
        return self._apply("tanh", self)

    def sigmoid(self) -> R:
        """``tl.sigmoid`` of this array."""
        return self._apply("sigmoid", self)

    def round(self, decimals: int = 0) -> R:
        """``tl.round`` of this array."""
        return self._apply("round", self, decimals)

    def clip(self, min: Any = None, max: Any = None) -> R:
        """This array within bounds; see ``tl.clip``."""
        return self._apply("clip", self, min, max)

    def astype(self, dtype: Any) -> R:
        """This array with elements of another type; see ``tl.cast``."""
        return self._apply("cast", self, dtype)

    def to(self, device: str) -> R:
        """This array on another device; see ``tl.to``."""
        return self._apply("to", self, device)

    def to_device(self, device: str, *, stream: None = None) -> R:
        """As ``x.to(device)``: the array API standard's name, which other libraries call."""
        return self._apply("to", self, device)

    # Reductions, running totals and order

    def sum(self, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> R:
        """Sum over ``axis``; see ``tl.sum``."""
        return self._apply("sum", self, axis, keepdims, dtype=dtype)

    def mean(self, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> R:
        """Mean over ``axis``; see ``tl.mean``."""
        return self._apply("mean", self, axis, keepdims, dtype=dtype)

    def max(self, axis: Any = None, keepdims: bool = False) -> R:
        """Largest element over ``axis``; see ``tl.max``."""
        return self._apply("max", self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> R:
        """Smallest element over ``axis``; see ``tl.min``."""
        return self._apply("min", self, axis, keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> R:
        """Product over ``axis``; see ``tl.prod``."""
        return self._apply("prod", self, axis, keepdims, dtype=dtype)

    def any(self, axis: Any = None, keepdims: bool = False) -> R:
        """Whether some element is true over ``axis``; see ``tl.any``."""
        return self._apply("any", self, axis, keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> R:
        """Whether every element is true over ``axis``; see ``tl.all``."""
        return self._apply("all", self, axis, keepdims)

    def var(self, axis: Any = None, ddof: float = 0, keepdims: bool = False, *, correction: Any = None) -> R:
        """Variance over ``axis``; see ``tl.var``."""
        return self._apply("var", self, axis, ddof, keepdims, correction=correction)

    def std(self, axis: Any = None, ddof: float = 0, keepdims: bool = False, *, correction: Any = None) -> R:
        """Standard deviation over ``axis``; see ``tl.std``."""
        return self._apply("std", self, axis, ddof, keepdims, correction=correction)

    def argmax(self, axis: Any = None, keepdims: bool = False) -> R:
        """Index of the largest element along ``axis``; see ``tl.argmax``."""
        return self._apply("argmax", self, axis, keepdims)

    def argmin(self, axis: Any = None, keepdims: bool = False) -> R:
        """Index of the smallest element along ``axis``; see ``tl.argmin``."""
        return self._apply("argmin", self, axis, keepdims)

    def cumsum(self, axis: int | None = None, **options: Any) -> R:
        """Sums so far along ``axis``; see ``tl.cumsum``, also for the options."""
        return self._apply("cumsum", self, axis, **options)

    def cumprod(self, axis: int | None = None, **options: Any) -> R:
        """Products so far along ``axis``; see ``tl.cumprod``, also for the options."""
        return self._apply("cumprod", self, axis, **options)

    def argsort(self, axis: int | None = -1, *, descending: bool = False, stable: bool = True) -> R:
        """Indices that sort along ``axis``; see ``tl.argsort``."""
        return self._apply("argsort", self, axis, descending=descending, stable=stable)

    def sort(self, axis: int | None = -1, *, descending: bool = False, stable: bool = True) -> R:
        """A sorted copy; see ``tl.sort``."""
        return self._apply("sort", self, axis, descending=descending, stable=stable)

    # Shapes

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return Count(len(self.shape))

    @property
    def size(self) -> int:
        """The number of elements."""
        result = 1
        for n in self.shape:
            result *= n
        return Count(result)

    def reshape(self, *shape: Any) -> R:
        """The same elements in another shape; see ``tl.reshape``."""
        return self._apply("reshape", self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> R:
        """The axes in another order, reversed by default; see ``tl.transpose``."""
        order = (axes[0] if len(axes) == 1 and not hasattr(axes[0], "__index__") else axes) or None
        if len(self.shape) == 2 and axes in ((0, 1), (-2, -1), (0, -1), (-2, 1)):
            raise ArgumentError(
                f"x.transpose({axes[0]}, {axes[1]}) orders all axes, and leaves them as they are; to exchange two, "
                f"write x.swapaxes({axes[0]}, {axes[1]}), or x.T"
            )
        return self._apply("transpose", self, order)

    @property
    def T(self) -> R:
        """The axes in reversed order."""
        return self._apply("transpose", self)

    @property
    def mT(self) -> R:
        """Each matrix transposed; see ``tl.matrix_transpose``."""
        return self._apply("matrix_transpose", self)

    def swapaxes(self, axis1: int, axis2: int) -> R:
        """Two axes exchanged; see ``tl.swapaxes``."""
        return self._apply("swapaxes", self, axis1, axis2)

    def squeeze(self, axis: Any = None) -> R:
        """Without axes of size 1; see ``tl.squeeze``."""
        return self._apply("squeeze", self, axis)

    def ravel(self) -> R:
        """All elements in one axis; see ``tl.ravel``."""
        return self._apply("ravel", self)

    def flatten(self) -> R:
        """All elements in one axis; see ``tl.ravel``."""
        return self._apply("ravel", self)

    def repeat(self, repeats: Any, *, axis: int | None = None) -> R:
        """Each element repeated; see ``tl.repeat``."""
        return self._apply("repeat", self, repeats, axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> R:
        """A diagonal; see ``tl.diagonal``."""
        return self._apply("diagonal", self, offset, axis1, axis2)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> R:
        """Sum of a diagonal; see ``tl.trace``."""
        return self._apply("trace", self, offset, axis1, axis2)

    # Choice and products

    def take(self, indices: Any, axis: int | None = None) -> R:
        """The slices at ``indices``; see ``tl.take``."""
        return self._apply("take", self, indices, axis)

    def dot(self, other: Any) -> R:
        """Sum of products; see ``tl.dot``."""
        return self._apply("dot", self, other)

    @property
    def at(self) -> Any:
        """A place to change in a copy: ``x.at[key].set(v)`` is a new array."""
        return apply("at", self)
