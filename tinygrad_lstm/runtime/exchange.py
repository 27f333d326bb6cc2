"""Arrays to and from other libraries without a copy, by the DLPack protocol."""

from typing import Any

import numpy as np

from tinygrad_lstm.errors import DeviceError, DTypeError, Error, UsageError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.device import as_device
from tinygrad_lstm.graph.dtypes import ALL_DTYPES, DTYPES, REAL_ALONE, bfloat16
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor, make_leaf
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.runtime.backend import Borrower, backend_for
from tinygrad_lstm.runtime.creation import tensor, to, to_numpy
from tinygrad_lstm.runtime.evaluation import evaluated

__all__ = ["dlpack_device", "from_dlpack", "to_dlpack"]

_CPU, _CUDA = 1, 2
"""DLPack's numbers for host memory and for the memory of an NVIDIA GPU."""


def from_dlpack(x: Any, *, device: str | None = None, copy: bool | None = None) -> Tensor:
    """A leaf on the memory of another library's array ``x``: nothing is copied.

    The memory is **borrowed**: it stays alive with the leaf, and whoever writes to it changes the leaf and all that is
    computed from it later. Take ``tl.tensor(x)`` for a copy.

    Args:
        device: where the leaf lives, if elsewhere than ``x``: then it is a copy.
        copy: True for a copy, False to refuse one.

    Raises:
        UsageError: when ``x`` does not speak DLPack, or for ``copy=False`` and another device.
        DeviceError: when it is neither in host memory nor on an NVIDIA GPU.
        BackendError: when it is on a GPU that no backend works on here.
        DTypeError: when its element type is not supported.

    >>> array = np.array([1.0, 2.0])
    >>> borrowed = tl.from_dlpack(array)
    >>> array[0] = 5.0
    >>> print(borrowed)
    [5. 2.]
    """
    if not hasattr(x, "__dlpack__") or not hasattr(x, "__dlpack_device__"):
        raise UsageError(f"from_dlpack: {type(x).__name__} does not speak DLPack; use tl.tensor")
    kind, number = (int(n) for n in x.__dlpack_device__())
    if kind not in (_CPU, _CUDA):
        raise DeviceError(
            "from_dlpack: the array is neither in host memory nor on an NVIDIA GPU; copy it with tl.tensor"
        )
    home = "cpu" if kind == _CPU else f"cuda:{number}"
    backend = None if kind == _CPU else backend_for(home)
    if backend is not None and not isinstance(backend, Borrower):
        raise DeviceError(f"from_dlpack: the backend {backend.name!r} borrows no arrays; copy it with tl.tensor")
    try:
        array = np.from_dlpack(x) if backend is None else backend.borrow(x)
    except Error:
        raise
    except (BufferError, RuntimeError) as error:
        raise DTypeError(f"from_dlpack: {error}") from None
    if array.dtype.name not in ALL_DTYPES:
        if array.dtype.kind == "c":
            raise DTypeError(f"from_dlpack: {REAL_ALONE}")
        raise DTypeError(f"from_dlpack: dtype {array.dtype} is not supported; use one of {', '.join(DTYPES)}")
    leaf = make_leaf(array, TensorType(array.shape, ALL_DTYPES[array.dtype.name], home))
    if device is not None and as_device(device) != home:
        if copy is False:
            raise UsageError(f"from_dlpack: copy=False, and from {home} to {as_device(device)} a copy is needed")
        return to(leaf, device)
    return tensor(leaf) if copy else leaf


@function
def to_dlpack(x: Any, **options: Any) -> Any:
    """The DLPack capsule of the value of ``x``, which is evaluated if necessary: the result of ``x.__dlpack__``.

    The memory is shared and must not be written to. For consumers of DLPack 1.0 the capsule says so; those of an older
    DLPack get a copy of a view such as a broadcast, which NumPy lets nobody write to.

    >>> print(np.from_dlpack(tl.tensor([1.0, 2.0])))
    [1. 2.]
    """
    node = as_tensor(x)
    if node.dtype is bfloat16:
        raise DTypeError("NumPy exchanges no bfloat16 by DLPack; give x.astype(tl.float32)")
    value = evaluated((node,))[0].value
    version = options.get("max_version")
    if node.device == "cpu" and version is not None and version[0] >= 1:
        return to_numpy(node).__dlpack__(**options)
    try:
        return value.__dlpack__(**options)
    except BufferError:
        if node.device != "cpu" or options.get("copy") is False:
            raise
        return to_numpy(node).copy().__dlpack__(**options)


@function
def dlpack_device(x: Any) -> tuple[int, int]:
    """Kind and number of the device of ``x`` in DLPack: the result of ``x.__dlpack_device__``.

    >>> dlpack_device(tl.ones(2))
    (1, 0)
    """
    node = as_tensor(x)
    kind, number = evaluated((node,))[0].value.__dlpack_device__()
    return int(kind), int(number)
