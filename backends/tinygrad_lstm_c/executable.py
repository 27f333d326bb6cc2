"""The C backend's executor, and a compiled program: its shared object, its memory, and the run."""

import ctypes
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lstm.codegen.program import Call, Gather, Program, View
from tinygrad_lstm.errors import Error
from tinygrad_lstm.kernels.table import ArrayFunction, kernels
from tinygrad_lstm.runtime.failures import failure, out_of_bounds
from tinygrad_lstm.runtime.host import HostArrays, Turns
from tinygrad_lstm.runtime.interpreter import bound
from tinygrad_lstm_c.blas import find_blas
from tinygrad_lstm_c.printing import Driven, RunItem, Segment, print_c
from tinygrad_lstm_c.team import BUSY, MOST, processors, team_of
from tinygrad_lstm_c.toolchain import find_compiler, shared_object

__all__ = ["CBackend", "CExecutable", "backend"]


class _Context(ctypes.Structure):
    """The ``context`` of the C text, as ctypes see it."""

    _fields_ = (
        ("worker", ctypes.c_int64),
        ("workers", ctypes.c_int64),
        ("scratch", ctypes.c_void_p),
        ("packed", ctypes.c_void_p),
        ("wait", ctypes.c_void_p),
        ("team", ctypes.c_void_p),
        ("gemm_f32", ctypes.c_void_p),
        ("gemm_f64", ctypes.c_void_p),
        ("gemv_f32", ctypes.c_void_p),
        ("gemv_f64", ctypes.c_void_p),
        ("fault", ctypes.c_int64),
        ("index", ctypes.c_int64),
    )


def _aligned(size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """An array of bytes that begins at an address that is a multiple of 64."""
    block = np.empty(size + 64, dtype=np.uint8)
    start = -block.ctypes.data % 64
    return block[start : start + size]


class CExecutable:
    """A program as machine code.

    Attributes:
        source: the C text, without the functions that every text begins with.
    """

    def __init__(self, program: Program, kernels: Mapping[str, ArrayFunction]) -> None:
        self._program, self._kernels = program, kernels
        printed = print_c(program)
        self.source, self._items, self._checked = printed.source, printed.items, printed.checked
        blas = find_blas()
        library = shared_object(f"{printed.prelude}\n{printed.source}", f"-DBLAS_INT={blas.integer}")
        self._functions: dict[str, Any] = {}
        self._collect(printed.items, library)
        self._arena = _aligned(program.arena)
        self._blas = blas
        row = -(-printed.scratch // 64) * 64 + 64
        self._scratch = _aligned(row * MOST)
        self._arrays: list[Any] = [None] * len(program.buffers)
        self._pointers = (ctypes.c_void_p * max(len(program.buffers), 1))()
        self._times = (ctypes.c_int64 * max(len(printed.loops), 1))()
        self._place = {number: k for k, number in enumerate(printed.loops)}
        for k, buffer in enumerate(program.buffers):
            if buffer.role == "constant":
                self._bind(k, np.ascontiguousarray(buffer.value, dtype=buffer.dtype.name).reshape(-1))
            elif buffer.role == "temporary":
                size = buffer.size * buffer.dtype.itemsize
                self._bind(k, self._arena[buffer.offset : buffer.offset + size].view(buffer.dtype.name))
        self._packed = _aligned(printed.packed)
        start, packed = self._scratch.ctypes.data, self._packed.ctypes.data
        self._contexts = (_Context * MOST)(
            *[_Context(k, 1, start + k * row, packed, None, None, *blas.routines, 0, 0) for k in range(MOST)]
        )
        self._turns = Turns()

    def _collect(self, items: Sequence[RunItem], library: ctypes.CDLL) -> None:
        for item in items:
            if isinstance(item, Segment):
                function = getattr(library, item.name)
                function.restype = ctypes.c_int64
                self._functions[item.name] = function
            elif isinstance(item, Driven):
                self._collect(item.items, library)

    def _bind(self, k: int, array: Any) -> None:
        self._arrays[k] = array
        self._pointers[k] = array.__array_interface__["data"][0]

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        """The outputs, each an array of its own.

        Raises:
            IndexingError: when an index is out of range.
            EvaluationError: when a kernel of the array library fails.
        """
        program = self._program
        outputs = [
            np.empty(shape, dtype=program.buffers[k].dtype.name)
            for k, shape in zip(program.outputs, program.output_shapes, strict=True)
        ]
        with self._turns:
            held = []
            for k, given in zip(program.inputs, inputs, strict=True):
                array = np.ascontiguousarray(given, dtype=program.buffers[k].dtype.name)
                held.append(array)
                self._bind(k, array.reshape(-1))
            for k, array in zip(program.outputs, outputs, strict=True):
                self._bind(k, array.reshape(-1))
            try:
                self._run(self._items)
            finally:
                for k in (*program.inputs, *program.outputs):
                    self._arrays[k] = None
        return outputs

    def _run(self, items: Sequence[RunItem]) -> None:
        for item in items:
            if isinstance(item, Segment):
                self._run_segment(item)
            elif isinstance(item, Driven):
                times = range(item.length)
                for t in reversed(times) if item.reverse else times:
                    if item.condition is not None and not self._view(item.condition)[()]:
                        break
                    self._times[item.place] = t
                    self._run(item.items)
            else:
                self._call(item)

    def _run_segment(self, segment: Segment) -> None:
        """Run a segment, in a team of threads if it is worth sharing; raise for an index out of range."""
        function, contexts = self._functions[segment.name], self._contexts
        workers = min(self._blas.threads(), processors(), MOST) if segment.shared else 1
        team = team_of(workers) if workers > 1 else None
        # While another program of this process has the threads, this one runs in one thread rather than wait.
        if team and not (team.handle and BUSY.acquire(blocking=False)):
            team = None
        try:
            for context in contexts[:workers]:
                context.workers = workers if team else 1
                context.wait, context.team = (team.wait, team.handle) if team else (None, None)
            if team:
                team.run(function, self._pointers, self._times, contexts, self._blas.set_threads)
            else:
                function(self._pointers, self._times, contexts)
        finally:
            if team:
                BUSY.release()
        for context in contexts[:workers]:
            if context.fault:
                raise self._fault(context)

    def _fault(self, context: _Context) -> Exception:
        index, step = context.index, self._checked[context.fault - 1]
        for each in self._contexts:
            each.fault = 0
        size = (step.source if isinstance(step, Gather) else step.out).shape[1]
        return out_of_bounds(step.node, index, size)

    def _call(self, call: Call) -> None:
        arrays = [self._view(v) for v in call.reads]
        try:
            with np.errstate(all="ignore"):
                result = bound(self._kernels[call.node.op], call.node)(*arrays)
        except Error:
            raise
        except Exception as error:
            raise failure(error, call.node) from error
        self._view(call.out)[...] = result

    def _view(self, view: View) -> Any:
        offset = view.offset + sum(stride * self._times[self._place[number]] for number, stride in view.loops)
        base = self._arrays[view.buffer]
        if 0 in view.shape:
            return np.empty(view.shape, dtype=base.dtype)
        size = base.itemsize
        return np.ndarray(view.shape, base.dtype, base, offset * size, [s * size for s in view.strides])


class CBackend(HostArrays):
    """Compiles programs to C; graphs outside ``jit`` run op by op with NumPy's kernels."""

    name = "c"

    def __init__(self) -> None:
        self.kernels: Mapping[str, ArrayFunction] = kernels(np)

    def default_device(self) -> str:
        """``cpu``.

        Raises:
            BackendError: when there is no C compiler or no BLAS.
        """
        find_compiler()
        find_blas()
        return "cpu"

    def devices(self) -> list[str]:
        """``cpu`` alone."""
        return [self.default_device()]

    def describe(self) -> str:
        """The compiler, the BLAS and the number of processors; raises BackendError when one of the two is missing."""
        compiler, blas = find_compiler(), find_blas()
        version = compiler.identity.split(maxsplit=2)[2].splitlines()[0]
        return f"{version}, {os.path.basename(blas.path)}, on {os.cpu_count()} CPU cores"

    def compile(self, program: Program) -> CExecutable:
        """The program as an executable, from the disk cache if it was compiled before.

        Raises:
            BackendError: when there is no C compiler, or it fails.
        """
        return CExecutable(program, self.kernels)


def backend() -> CBackend:
    """The entry point by which the package finds this backend."""
    return CBackend()
