"""The operators and methods that tensors and cells share. Each dispatches by name."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from tinygrad_lstm.errors import TraceError, UsageError
from tinygrad_lstm.graph.registry import FUNCTIONS, apply

if TYPE_CHECKING:
    from tinygrad_lstm.graph.dtypes import DType
    from tinygrad_lstm.graph.tensor import Tensor
    from tinygrad_lstm.graph.types import Shape

__all__ = ["Operators"]

_apply: "Final[Callable[..., Tensor]]" = apply


class Operators:
    """NumPy's operators and methods, in terms of the registered functions."""

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

    # Arithmetic

    def __add__(self, other: Any) -> "Tensor":
        return _apply("add", self, other)

    def __radd__(self, other: Any) -> "Tensor":
        return _apply("add", other, self)

    def __sub__(self, other: Any) -> "Tensor":
        return _apply("subtract", self, other)

    def __rsub__(self, other: Any) -> "Tensor":
        return _apply("subtract", other, self)

    def __mul__(self, other: Any) -> "Tensor":
        return _apply("multiply", self, other)

    def __rmul__(self, other: Any) -> "Tensor":
        return _apply("multiply", other, self)

    def __truediv__(self, other: Any) -> "Tensor":
        return _apply("divide", self, other)

    def __rtruediv__(self, other: Any) -> "Tensor":
        return _apply("divide", other, self)

    def __pow__(self, other: Any) -> "Tensor":
        return _apply("power", self, other)

    def __rpow__(self, other: Any) -> "Tensor":
        return _apply("power", other, self)

    def __matmul__(self, other: Any) -> "Tensor":
        return _apply("matmul", self, other)

    def __rmatmul__(self, other: Any) -> "Tensor":
        return _apply("matmul", other, self)

    def __neg__(self) -> "Tensor":
        return _apply("negative", self)

    def __pos__(self) -> "Tensor":
        return _apply("add", self, 0)

    def __abs__(self) -> "Tensor":
        return _apply("abs", self)

    # Comparisons are elementwise, so a tensor hashes by identity.

    def __eq__(self, other: object) -> "Tensor":  # type: ignore[override]
        return _apply("equal", self, other)

    def __ne__(self, other: object) -> "Tensor":  # type: ignore[override]
        return _apply("not_equal", self, other)

    def __lt__(self, other: Any) -> "Tensor":
        return _apply("less", self, other)

    def __le__(self, other: Any) -> "Tensor":
        return _apply("less_equal", self, other)

    def __gt__(self, other: Any) -> "Tensor":
        return _apply("greater", self, other)

    def __ge__(self, other: Any) -> "Tensor":
        return _apply("greater_equal", self, other)

    __hash__ = object.__hash__

    def __and__(self, other: Any) -> "Tensor":
        return _apply("logical_and", self, other)

    def __rand__(self, other: Any) -> "Tensor":
        return _apply("logical_and", other, self)

    def __or__(self, other: Any) -> "Tensor":
        return _apply("logical_or", self, other)

    def __ror__(self, other: Any) -> "Tensor":
        return _apply("logical_or", other, self)

    def __invert__(self) -> "Tensor":
        return _apply("logical_not", self)

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

    def tanh(self) -> "Tensor":
        """``tl.tanh`` of this array."""
        return _apply("tanh", self)

    def sigmoid(self) -> "Tensor":
        """``tl.sigmoid`` of this array."""
        return _apply("sigmoid", self)

    def astype(self, dtype: Any) -> "Tensor":
        """This array with elements of another type; see ``tl.cast``."""
        return _apply("cast", self, dtype)

    def to(self, device: str) -> "Tensor":
        """This array on another device; see ``tl.to``."""
        return _apply("to", self, device)

    # Reductions

    def sum(self, axis: Any = None, keepdims: bool = False) -> "Tensor":
        """Sum over ``axis``; see ``tl.sum``."""
        return _apply("sum", self, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> "Tensor":
        """Mean over ``axis``; see ``tl.mean``."""
        return _apply("mean", self, axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> "Tensor":
        """Largest element over ``axis``; see ``tl.max``."""
        return _apply("max", self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> "Tensor":
        """Smallest element over ``axis``; see ``tl.min``."""
        return _apply("min", self, axis, keepdims)

    def argmax(self, axis: Any = None) -> "Tensor":
        """Index of the largest element along ``axis``; see ``tl.argmax``."""
        return _apply("argmax", self, axis)

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

    def __len__(self) -> int:
        if not self.shape:
            raise UsageError("an array without axes has no length")
        return self.shape[0]

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

    def __getitem__(self, key: Any) -> "Tensor":
        return _apply("getitem", self, key)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        raise UsageError("`value in tensor` is ambiguous; write bool(tl.max(tensor == value))")

    # Graph

    def named(self, name: str) -> "Tensor":
        """This value under a name that pictures and expressions show."""
        return _apply("named", self, name)

    # Values

    def numpy(self) -> Any:
        """The value as a read-only NumPy array; evaluates the graph if that was not done."""
        return _apply("to_numpy", self)

    def item(self) -> Any:
        """The value of an array of one element as a Python scalar."""
        if self.size != 1:
            raise UsageError(f"item() wants one element, this array has shape {list(self.shape)}")
        return self.numpy().item()

    def tolist(self) -> Any:
        """The value as nested Python lists."""
        return self.numpy().tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        if self.size != 1:
            raise UsageError(
                f"the truth of an array of shape {list(self.shape)} is ambiguous; "
                "reduce it first, for example with tl.max or tl.min"
            )
        if getattr(self, "symbolic", False):
            raise TraceError(
                f"{self!r} has no value yet, so Python can not branch on it; "
                "choose between values with tl.where, repeat steps with tl.scan"
            )
        return bool(self.item())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        value = self.numpy()
        if dtype is not None and value.dtype != dtype:
            return value.astype(dtype)
        return value.copy() if copy else value

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = {"absolute": "abs"}.get(ufunc.__name__, ufunc.__name__)
        if method != "__call__" or kwargs or name not in FUNCTIONS:
            return NotImplemented
        return _apply(name, *inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = {"amax": "max", "amin": "min"}.get(func.__name__, func.__name__)
        if name not in FUNCTIONS:
            return NotImplemented
        return _apply(name, *args, **kwargs)
