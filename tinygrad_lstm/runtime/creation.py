"""Python and NumPy values as leaves, and values of tensors as NumPy arrays."""

from decimal import Decimal
from numbers import Real
from typing import Any, Literal, overload

import numpy as np

from tinygrad_lstm.errors import DeviceError, DTypeError, ShapeError, UsageError
from tinygrad_lstm.graph.convert import as_tensor, holds_tensors
from tinygrad_lstm.graph.device import as_device
from tinygrad_lstm.graph.dtypes import ALL_DTYPES, DTYPES, REAL_ALONE, as_dtype
from tinygrad_lstm.graph.number import Number
from tinygrad_lstm.graph.registry import apply, function
from tinygrad_lstm.graph.tensor import Tensor, make_leaf
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.graph.variables import Parameter, Variable, tracer
from tinygrad_lstm.graph.widths import remember_list
from tinygrad_lstm.kernels import casts
from tinygrad_lstm.reflexes import is_function
from tinygrad_lstm.runtime.backend import backend_for

__all__ = ["asarray", "native", "tensor", "to", "to_numpy"]


@overload
def tensor(
    value: Any, dtype: Any = None, requires_grad: Literal[False] = False, device: str | None = None
) -> Tensor: ...
@overload
def tensor(value: Any, dtype: Any = None, *, requires_grad: Literal[True], device: str | None = None) -> Parameter: ...
def tensor(value: Any, dtype: Any = None, requires_grad: bool = False, device: str | None = None) -> Any:
    """A leaf with a copy of ``value``: a number, nested lists, a NumPy array, or another tensor.

    Python floats become float32; integers int64, bools bool; NumPy's arrays and scalars keep their type, in lists too.

    Args:
        dtype: the element type, instead of what the value suggests.
        requires_grad: whether to return a Parameter, which ``backward()`` gives a ``.grad``.
        device: where it lives; that of the backend in use by default.

    Raises:
        ShapeError: for nested lists of uneven lengths.
        DTypeError: for values that are no numbers.

    >>> tensor([[1, 2], [3, 4]], dtype="float32")
    tensor([[1., 2.],
            [3., 4.]])
    """
    if isinstance(value, Number):
        number = value.typed(value.dtype if dtype is None else as_dtype(dtype), as_device(device))
        return Parameter(number) if requires_grad else number
    if isinstance(value, Tensor | Variable):
        array = to_numpy(value)
        where = value.device if device is None else as_device(device)
    else:
        array = _as_array(value)
        if dtype is None and not hasattr(value, "dtype") and _too_wide(array):
            raise DTypeError("tensor: an integer does not fit into int64; give dtype=tl.float32")
        where = as_device(device)
    if dtype is not None:
        _check_numbers(array)
        array = _converted(array, as_dtype(dtype).name)
    listed = dtype is None and array.dtype == np.float64 and not hasattr(value, "dtype") and not _holds_numpy(value)
    if listed:
        array = _converted(array, "float32")
    type_ = TensorType(array.shape, _dtype_of(array), where)
    leaf = make_leaf(backend_for(where).put(array, where), type_)
    if listed:
        remember_list(leaf)
    return Parameter(leaf) if requires_grad else leaf


function(tensor)


@function
def asarray(value: Any, dtype: Any = None, *, device: str | None = None, copy: bool | None = None) -> Tensor:
    """``value`` as a tensor, and a tensor as it is, with its history; of the array API standard.

    Args:
        dtype: the element type, instead of what the value suggests.
        device: where it lives; by default where it is, or on that of the backend in use.
        copy: False refuses what has to be copied: all but tensors. See :func:`from_dlpack`.

    Raises:
        UsageError: with ``copy=False``, for what is no tensor of this type on this device.

    >>> x = tl.symbol("x")
    >>> tl.asarray(x) is x, tl.asarray([1.0, 2.0])
    (True, tensor([1., 2.]))
    """
    given = isinstance(value, Tensor | Variable | Number) or holds_tensors(value)
    node = as_tensor(value) if given else tensor(value, dtype, device=device)
    result = node if dtype is None else apply("cast", node, dtype)
    result = result if device is None else to(result, device)
    if copy is False and (not isinstance(value, Tensor | Variable) or result is not node):
        raise UsageError("asarray: copy=False, and a copy is needed; memory is shared by tl.from_dlpack(x)")
    return result


def _as_array(value: Any) -> np.ndarray[Any, Any]:
    if holds_tensors(value):
        # NumPy would take the values of tensors and so cut their gradients without a word.
        raise UsageError("tensor takes plain values; join tensors with tl.stack or tl.concatenate")
    if isinstance(value, np.ma.MaskedArray):
        raise UsageError("tensor: there are no masks here; fill the masked array first, with .filled(0.0) for example")
    try:
        array = np.asarray(value)
    except ValueError as error:
        if "inhomogeneous" in str(error):
            raise ShapeError("tensor: nested lists must all have the same lengths; pad the shorter ones") from None
        raise UsageError(f"tensor: {error}") from None
    except TypeError as error:
        # What another library's array says, such as PyTorch of its bfloat16.
        if not hasattr(value, "__array__"):
            raise
        said = str(error).partition("\n")[0]
        given = getattr(value, "dtype", type(value).__name__)
        raise DTypeError(
            f"tensor: NumPy takes no array of {given} ({said}); give value.float(), and write .astype behind tl.tensor"
        ) from None
    return native(array)


def _too_wide(array: np.ndarray[Any, Any]) -> bool:
    """Whether the array holds Python integers that int64 cannot hold: NumPy keeps them as objects or as uint64."""
    return array.dtype == np.uint64 or (
        array.dtype == object and bool(array.size) and all(isinstance(v, int) for v in array.flat)
    )


def native(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array in this machine's byte order; files of other machines may have the other one."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _check_numbers(array: np.ndarray[Any, Any]) -> None:
    """Refuse what NumPy would convert to floats with a loss, such as None, dates and complex numbers.

    Raises:
        DTypeError: for what is no real number.
    """
    if array.dtype.kind == "c":
        raise DTypeError(f"tensor: the values are {array.dtype}, whose imaginary part would be lost; give their .real")
    objects = array.flat if array.dtype == object else ()
    if (array.dtype.kind not in "biufO" and array.dtype.name != "bfloat16") or not all(
        isinstance(v, Real | Decimal | np.bool_) for v in objects
    ):
        raise _no_numbers(array)


def _no_numbers(array: np.ndarray[Any, Any]) -> DTypeError:
    """The error for values that are no numbers, or of an element type that is not supported."""
    if array.dtype.kind in "OUSV":
        got = next((v for v in array.flat if not isinstance(v, Real)), array)
        if got is None:
            return DTypeError(
                "tensor: the values are no numbers, got NoneType None, as a function gives that ends without return; "
                "give numbers, nested lists of them, or a NumPy array"
            )
        if callable(getattr(got, "named_parameters", None)):
            return DTypeError(
                f"tensor: {type(got).__name__} is a module and no value; gradients by its Parameters are "
                "tl.gradients(loss, model.parameters()), and its weights are an argument in "
                "tl.nn.functional_call(model, weights, x)"
            )
        if is_function(got):
            return DTypeError(f"tensor: {got!r:.60} is a function; call it, or differentiate it by tl.grad")
        return DTypeError(
            f"tensor: the values are no numbers, got {type(got).__name__} {got!r:.60}; "
            "give numbers, nested lists of them, or a NumPy array"
        )
    return DTypeError(
        f"tensor: the values are of dtype {array.dtype}; supported are {', '.join(DTYPES)}"
        + (f": convert them with .astype({nearest!r})" if (nearest := _nearest(array.dtype)) else "")
    )


def _converted(array: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    try:
        with np.errstate(all="ignore"):
            converted: np.ndarray[Any, Any] = casts.cast(np, array, name)
    except (TypeError, ValueError, OverflowError) as error:
        raise DTypeError(f"tensor: the values do not convert to {name}: {error}") from None
    if array.dtype.kind in "iu" and converted.dtype.kind in "iu" and (converted != array).any():
        raise DTypeError(f"tensor: an integer does not fit into {name}; give a wider dtype")
    return converted


def _holds_numpy(value: Any) -> bool:
    """Whether a list holds an array or scalar of NumPy's, whose width counts; Python's numbers have none."""
    if isinstance(value, list | tuple):
        return any(map(_holds_numpy, value))
    return isinstance(value, np.generic | np.ndarray) and value.dtype == np.float64


def _dtype_of(array: np.ndarray[Any, Any]) -> Any:
    """The element type of an array; raises where it is not supported."""
    if array.dtype.name not in ALL_DTYPES:
        if array.dtype == object and array.size and all(isinstance(v, Real) for v in array.flat):
            raise DTypeError(
                f"tensor: the array holds numbers as Python objects, such as {array.flat[0]!r:.60}; "
                "give a dtype, such as dtype=tl.float32"
            )
        raise DTypeError(f"tensor: {REAL_ALONE}") if array.dtype.kind == "c" else _no_numbers(array)
    return ALL_DTYPES[array.dtype.name]


def _nearest(dtype: np.dtype[Any]) -> str | None:
    """The supported type to which an error suggests to convert ``dtype``; None for what is no number."""
    return "float64" if dtype.kind == "f" else None


@function
def to_numpy(x: Any) -> np.ndarray[Any, Any]:
    """The value as a read-only NumPy array; evaluates the graph if necessary.

    >>> to_numpy(tl.tensor([1.0, 2.0]) * 2)
    array([2., 4.], dtype=float32)
    """
    node = as_tensor(x)
    value = apply("evaluated", (node,))[0].value
    array: np.ndarray[Any, Any] = backend_for(node.device).get(value).view()
    array.flags.writeable = False
    return array


@function
def to(x: Any, device: str) -> Tensor:
    """An evaluated leaf with the value of ``x`` on another device; if it lives there already, ``x`` itself.

    It is a copy of the value alone: no gradient flows back through it. Move data before a step, and a whole model with
    ``model.to``, rather than results in the middle of a computation.

    Raises:
        BackendError: when no backend serves the device.
        DeviceError: where a function is traced: a compiled function works on one device.

    >>> tl.tensor([1.0]).to("cpu").device
    'cpu'
    """
    node, device = as_tensor(x), as_device(device)
    tracing = tracer.get()
    if tracing is not None and node.symbolic and node.device != device:
        raise DeviceError(
            f"to({device!r}): {node!r} is traced in {tracing.owner}, which works on one device; move what you pass to "
            "it or what it returns"
        )
    if node.device == device:
        return node
    value = backend_for(node.device).get(apply("evaluated", (node,))[0].value)
    return make_leaf(backend_for(device).put(value, device), TensorType(node.shape, node.dtype, device))
