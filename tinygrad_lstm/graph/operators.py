"""The operators and protocols that tensors and variables share. Each dispatches by name."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

import numpy as np

from tinygrad_lstm.errors import ArgumentError, TraceError, UsageError
from tinygrad_lstm.graph.methods import Methods
from tinygrad_lstm.graph.numpy_calls import OTHER_NAMES, checked_options, reduced, translated
from tinygrad_lstm.graph.registry import FUNCTIONS, apply
from tinygrad_lstm.reflexes import ARRAYS, answering, unknown_of_array

__all__ = ["Operators"]

R = TypeVar("R")


@answering
class Operators(Methods[R]):
    """NumPy's operators and protocols, in terms of the registered functions; ``R`` is what they give."""

    __slots__ = ()
    _elsewhere: ClassVar[Mapping[str, str]] = ARRAYS
    """Attributes of other libraries, and what to write here."""

    if TYPE_CHECKING:

        def _operate(self, name: str, /, *values: Any) -> R:
            """How an operator is carried out; a number that is traced does it otherwise."""

    else:
        _operate = staticmethod(apply)

    # Arithmetic

    def __add__(self, other: Any) -> R:
        return self._operate("add", self, other)

    def __radd__(self, other: Any) -> R:
        return self._operate("add", other, self)

    def __sub__(self, other: Any) -> R:
        return self._operate("subtract", self, other)

    def __rsub__(self, other: Any) -> R:
        return self._operate("subtract", other, self)

    def __mul__(self, other: Any) -> R:
        return self._operate("multiply", self, other)

    def __rmul__(self, other: Any) -> R:
        return self._operate("multiply", other, self)

    def __truediv__(self, other: Any) -> R:
        return self._operate("divide", self, other)

    def __rtruediv__(self, other: Any) -> R:
        return self._operate("divide", other, self)

    def __floordiv__(self, other: Any) -> R:
        return self._operate("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> R:
        return self._operate("floor_divide", other, self)

    def __mod__(self, other: Any) -> R:
        return self._operate("remainder", self, other)

    def __rmod__(self, other: Any) -> R:
        return self._operate("remainder", other, self)

    def __divmod__(self, other: Any) -> tuple[R, R]:
        return self // other, self % other

    def __pow__(self, other: Any) -> R:
        return self._operate("power", self, other)

    def __rpow__(self, other: Any) -> R:
        return self._operate("power", other, self)

    def __matmul__(self, other: Any) -> R:
        return self._operate("matmul", self, other)

    def __rmatmul__(self, other: Any) -> R:
        return self._operate("matmul", other, self)

    def __neg__(self) -> R:
        return self._operate("negative", self)

    def __pos__(self) -> R:
        return self._operate("positive", self)

    def __abs__(self) -> R:
        return self._operate("abs", self)

    def __round__(self, ndigits: int | None = None) -> R:
        return self._apply("round", self, ndigits or 0)

    # Comparisons are elementwise, so a tensor hashes by identity.

    # An array is never None: Python then answers False and True itself, as PyTorch does.

    def __eq__(self, other: object) -> R:  # type: ignore[override]
        return NotImplemented if other is None else self._operate("equal", self, other)

    def __ne__(self, other: object) -> R:  # type: ignore[override]
        return NotImplemented if other is None else self._operate("not_equal", self, other)

    def __lt__(self, other: Any) -> R:
        return self._operate("less", self, other)

    def __le__(self, other: Any) -> R:
        return self._operate("less_equal", self, other)

    def __gt__(self, other: Any) -> R:
        return self._operate("greater", self, other)

    def __ge__(self, other: Any) -> R:
        return self._operate("greater_equal", self, other)

    __hash__ = object.__hash__

    # Of bits, and of the truth of bools.

    def __and__(self, other: Any) -> R:
        return self._operate("bitwise_and", self, other)

    def __rand__(self, other: Any) -> R:
        return self._operate("bitwise_and", other, self)

    def __or__(self, other: Any) -> R:
        return self._operate("bitwise_or", self, other)

    def __ror__(self, other: Any) -> R:
        return self._operate("bitwise_or", other, self)

    def __xor__(self, other: Any) -> R:
        return self._operate("bitwise_xor", self, other)

    def __rxor__(self, other: Any) -> R:
        return self._operate("bitwise_xor", other, self)

    def __lshift__(self, other: Any) -> R:
        return self._operate("left_shift", self, other)

    def __rlshift__(self, other: Any) -> R:
        return self._operate("left_shift", other, self)

    def __rshift__(self, other: Any) -> R:
        return self._operate("right_shift", self, other)

    def __rrshift__(self, other: Any) -> R:
        return self._operate("right_shift", other, self)

    def __invert__(self) -> R:
        return self._operate("invert", self)

    # What others have as a method, or as a function

    answers_calls: ClassVar[bool] = True

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise UsageError(
            f"a {type(self).__name__} is a value and no function: its symbols get values by y.evaluate({{x: 1.0}}), "
            "and properties such as x.T stand without brackets"
        )

    # Indexing

    def __len__(self) -> int:
        if not self.shape:
            raise UsageError("an array without axes has no length; x.reshape(1) has one, x.item() is its number")
        return self.shape[0]

    def __getitem__(self, key: Any) -> R:
        return self._apply("getitem", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        raise UsageError("an array never changes; make a new one with x.at[key].set(value)")

    def __delitem__(self, key: Any) -> None:
        raise UsageError("an array never changes; take what is to stay by x[key], or join parts with tl.concatenate")

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        raise UsageError("`value in tensor` is ambiguous; write bool(tl.any(tensor == value))")

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            unknown_of_array(f"a {type(self).__name__}", name, self._elsewhere, self)

    # Graph

    def named(self, name: str) -> R:
        """This value under a name that pictures and expressions show."""
        return self._apply("named", self, name)

    # Values

    def numpy(self) -> Any:
        """The value as a read-only NumPy array; evaluates the graph if that was not done."""
        return apply("to_numpy", self)

    def item(self) -> Any:
        """The value of an array of one element as a Python scalar."""
        if self.size != 1:
            raise UsageError(
                f"item() wants one element, this array has shape {list(self.shape)}; all of them are x.numpy(), one is "
                f"x[{', '.join('0' * len(self.shape))}].item()"
            )
        return self.numpy().item()

    def tolist(self) -> Any:
        """The value as nested Python lists."""
        return self.numpy().tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.size != 1 or self.dtype.kind not in "iu":
            raise ArgumentError(
                f"an array of shape {list(self.shape)} and type {self.dtype} is no index or count of Python's, as "
                "one whole number is; the length of an array is len(x)"
            )
        if getattr(self, "symbolic", False):
            raise TraceError(
                f"{self!r} has no value yet, so Python cannot use it as an index or a count; elements are picked by "
                "tl.take(x, indices), and shapes are known when a function is traced"
            )
        return int(self.item())

    def __bool__(self) -> bool:
        if self.size != 1:
            raise UsageError(
                f"the truth of an array of shape {list(self.shape)} is ambiguous; "
                "reduce it first, for example with tl.max or tl.min"
            )
        if getattr(self, "symbolic", False):
            raise TraceError(
                f"{self!r} has no value yet, so Python cannot branch on it; "
                "choose with tl.where or tl.cond, repeat with tl.scan or tl.while_loop"
            )
        return bool(self.item())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        value = self.numpy()
        if dtype is not None and value.dtype != dtype:
            return value.astype(dtype)
        return value.copy() if copy else value

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = OTHER_NAMES.get(ufunc.__name__, ufunc.__name__)
        if method != "__call__":
            return reduced(name, method, inputs, kwargs)
        if name not in FUNCTIONS:
            return unsupported(f"np.{ufunc.__name__}", map(type, inputs))
        dtype = checked_options(ufunc.__name__, kwargs)
        if dtype is not None:
            inputs = tuple(apply("cast", x, dtype) for x in inputs)
        return self._operate(name, *inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func.__name__ in ("shape", "ndim", "size") and len(args) == 1:
            return getattr(self, func.__name__)
        name = OTHER_NAMES.get(func.__name__, func.__name__)
        if name not in FUNCTIONS:
            return unsupported(f"{func.__module__}.{func.__name__}".replace("numpy", "np"), types)
        positional, named = translated(func, FUNCTIONS[name], args, kwargs)
        return apply(name, *positional, **named)

    def __dlpack__(self, **options: Any) -> Any:
        return apply("to_dlpack", self, **options)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """The module of the functions for this array, ``tl``, by the array API standard."""
        return apply("array_namespace", self, api_version)

    def __dlpack_device__(self) -> tuple[int, int]:
        device: tuple[int, int] = apply("dlpack_device", self)
        return device


def unsupported(name: str, types: Iterable[type]) -> Any:
    """What NumPy gets for a function that is not here; another library's arrays may have it.

    Raises:
        ArgumentError: when there are none of another library.
    """
    if any(hasattr(kind, "__array_function__") and not issubclass(kind, Operators | np.ndarray) for kind in types):
        return NotImplemented
    raise ArgumentError(f"{name} has no counterpart for tensors; give it the value, {name}(x.numpy())")
