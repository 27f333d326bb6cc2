"""cuBLAS through a handle of our own, since CuPy's handle cannot be recorded in a CUDA graph."""

import ctypes
import importlib
import os
from collections.abc import Sequence
from typing import Any, Final

from tinygrad_lstm.errors import BackendError, EvaluationError
from tinygrad_lstm_cupy.cuda import Product

__all__ = ["Cublas"]

_WORKSPACE: Final = 32 << 20
"""The workspace that NVIDIA recommends for large GPUs. With it cuBLAS allocates no memory while it is recorded."""
_TF32: Final = 3
"""``CUBLAS_TF32_TENSOR_OP_MATH``"""
_ALLOC_FAILED: Final = 3
_HALF, _SUM_IN_FLOAT32, _ANY_ALGORITHM = ctypes.c_int(2), ctypes.c_int(68), ctypes.c_int(-1)
"""``CUDA_R_16F``, ``CUBLAS_COMPUTE_32F``, ``CUBLAS_GEMM_DEFAULT``"""
_POINTER, _INT, _STEP = ctypes.c_void_p, ctypes.c_int, ctypes.c_longlong


class Cublas:
    """Products of matrices on one GPU, which must be selected while this is made.

    Products of float32 are computed in float32. With ``CUPY_TF32=1`` in the environment, which CuPy's own products
    obey as well, their operands are rounded to TF32 (10 bits), which tensor cores multiply several times as fast.
    """

    def __init__(self, cupy: Any) -> None:
        self._library = _library()
        handle = _POINTER()
        self._checked(self._library.cublasCreate_v2(ctypes.byref(handle)), "cublasCreate")
        self._handle = handle
        self._workspace = cupy.empty(_WORKSPACE, dtype="uint8")
        if os.environ.get("CUPY_TF32") == "1":
            self._checked(self._library.cublasSetMathMode(handle, _INT(_TF32)), "cublasSetMathMode")
        self._scales = {
            "float16": (ctypes.c_float(1), ctypes.c_float(0)),
            "float32": (ctypes.c_float(1), ctypes.c_float(0)),
            "float64": (ctypes.c_double(1), ctypes.c_double(0)),
        }

    def use_stream(self, stream: int) -> None:
        """Compute on this stream from now on. The workspace is set again: cuBLAS forgets it with the old stream."""
        self._checked(self._library.cublasSetStream_v2(self._handle, _POINTER(stream)), "cublasSetStream")
        size = ctypes.c_size_t(_WORKSPACE)
        set_workspace = self._library.cublasSetWorkspace_v2
        self._checked(set_workspace(self._handle, _POINTER(int(self._workspace.data.ptr)), size), "cublasSetWorkspace")

    def product(self, p: Product, addresses: Sequence[int]) -> None:
        """Launch one product, or a batch of them; ``addresses`` are those of left, right and out."""
        one, zero = self._scales[p.dtype.name]
        m, n, k = map(_INT, p.size)
        left, right, out = map(_POINTER, addresses)
        left_leading, right_leading, out_leading = map(_INT, p.leading)
        left_step, right_step, out_step = [[_STEP(s)] if p.batch > 1 else [] for s in p.steps]
        batch = [_INT(p.batch)] if p.batch > 1 else []
        half = p.dtype.name == "float16"
        # A function that takes any element type gets the type after each pointer.
        type_ = [_HALF] if half else []
        status = self._function(p)(
            self._handle, _INT(p.transposed[1]), _INT(p.transposed[0]), n, m, k, ctypes.byref(one),
            right, *type_, right_leading, *right_step,
            left, *type_, left_leading, *left_step,
            ctypes.byref(one if p.accumulate else zero),
            out, *type_, out_leading, *out_step,
            *batch, *([_SUM_IN_FLOAT32, _ANY_ALGORITHM] if half else []),
        )  # fmt: skip
        self._checked(status, "a product of matrices")

    def _function(self, p: Product) -> Any:
        if p.dtype.name == "float16":
            return self._library.cublasGemmEx if p.batch == 1 else self._library.cublasGemmStridedBatchedEx
        letter = "S" if p.dtype.name == "float32" else "D"
        return getattr(self._library, f"cublas{letter}gemm_v2" if p.batch == 1 else f"cublas{letter}gemmStridedBatched")

    def _checked(self, status: int, what: str) -> None:
        if status == _ALLOC_FAILED:
            raise MemoryError(f"cuBLAS cannot allocate what {what} needs")
        if status:
            raise EvaluationError(f"cuBLAS: {what} failed with status {status}")


def _library() -> ctypes.CDLL:
    """The library that CuPy itself uses."""
    try:
        pathfinder = importlib.import_module("cuda.pathfinder")
        return ctypes.CDLL(pathfinder.load_nvidia_dynamic_lib("cublas").abs_path)
    except Exception as error:
        raise BackendError(
            f"backend 'cupy': cuBLAS cannot be loaded ({type(error).__name__}: {error}); install it beside CuPy: "
            "pip install 'tinygrad-lstm[cuda12]'"
        ) from error
