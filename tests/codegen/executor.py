"""A program run by NumPy, slowly, and with every promise of its steps checked."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygrad_lstm.codegen.program import Call, Gather, Gemm, Kernel, Loop, Program, Scatter, Step, View
from tinygrad_lstm.kernels.table import kernels

TABLE = kernels(np)
COMBINES = {"add": np.add, "maximum": np.maximum, "minimum": np.minimum}


def run(program: Program, inputs: Sequence[Any]) -> list[Any]:
    """The outputs; each in memory of its own."""
    arena = np.full(program.arena + 64, 0xFF, dtype=np.uint8)
    arena[program.arena :] = 0xA5
    flat: list[Any] = []
    given = iter(inputs)
    for number, buffer in enumerate(program.buffers):
        dtype = np.dtype(buffer.dtype.name)
        if buffer.role == "input":
            value = np.ascontiguousarray(next(given)).reshape(-1)
            assert number in program.inputs
        elif buffer.role == "constant":
            value = np.ascontiguousarray(buffer.value).reshape(-1)
        elif buffer.role == "output":
            value = np.frombuffer(bytearray(b"\xff" * buffer.size * dtype.itemsize), dtype)
        else:
            assert buffer.offset % 64 == 0
            end = buffer.offset + buffer.size * dtype.itemsize
            assert end <= program.arena
            value = arena[buffer.offset : end].view(dtype)
        assert value.dtype == dtype
        assert value.size == buffer.size
        flat.append(value)
    kept = [x.copy() for x, b in zip(flat, program.buffers, strict=True) if b.role in ("input", "constant")]
    with np.errstate(all="ignore"):
        _Run(program, flat).steps(program.steps, {})
    after = [x for x, b in zip(flat, program.buffers, strict=True) if b.role in ("input", "constant")]
    for x, y in zip(kept, after, strict=True):
        assert x.tobytes() == y.tobytes()
    assert (arena[program.arena :] == 0xA5).all()
    return [flat[k].reshape(shape) for k, shape in zip(program.outputs, program.output_shapes, strict=True)]


class _Run:
    def __init__(self, program: Program, flat: list[Any]) -> None:
        self.program = program
        self.flat = flat

    def steps(self, steps: Sequence[Step], times: dict[int, int]) -> None:
        for step in steps:
            if isinstance(step, Loop):
                order = range(step.length)
                for t in reversed(order) if step.reverse else order:
                    if step.condition is not None and not self.array(step.condition, times):
                        break
                    self.steps(step.steps, {**times, step.number: t})
            else:
                RUNNERS[type(step)](self, step, times)

    def start(self, view: View, times: dict[int, int]) -> int:
        return view.offset + sum(times[loop] * stride for loop, stride in view.loops)

    def array(self, view: View, times: dict[int, int]) -> Any:
        buffer = self.flat[view.buffer]
        start = self.start(view, times)
        if 0 not in view.shape:
            ends = [s * (n - 1) for n, s in zip(view.shape, view.strides, strict=True)]
            assert start + sum(e for e in ends if e < 0) >= 0
            assert start + sum(e for e in ends if e > 0) < buffer.size
        assert len(view.shape) == len(view.strides)
        size = buffer.itemsize
        return as_strided(
            buffer[start:] if start < buffer.size else buffer[:0], view.shape, [s * size for s in view.strides]
        )

    def bytes(self, view: View, times: dict[int, int]) -> Any:
        """The address of each element, for the checks of overlapping."""
        buffer = self.flat[view.buffer]
        where = np.asarray(buffer.__array_interface__["data"][0] + self.start(view, times) * buffer.itemsize)
        for n, s in zip(view.shape, view.strides, strict=True):
            where = where[..., None] + np.arange(n) * s * buffer.itemsize
        return where

    def apart(self, a: View, b: View, times: dict[int, int]) -> bool:
        """Whether no byte belongs to both."""
        if 0 in a.shape or 0 in b.shape:
            return True
        first, second = self.bytes(a, times).ravel(), self.bytes(b, times).ravel()
        wide, width = self.flat[a.buffer].itemsize, self.flat[b.buffer].itemsize
        if first.max() + wide <= second.min() or second.max() + width <= first.min():
            return True
        unit = min(wide, width)
        return not np.intersect1d(
            np.add.outer(first, np.arange(0, wide, unit)), np.add.outer(second, np.arange(0, width, unit))
        ).size

    def kernel(self, kernel: Kernel, times: dict[int, int]) -> None:
        for s in kernel.stores:
            for r in kernel.reads:
                assert self.apart(s.view, r, times) or (
                    s.combine is None and np.array_equal(self.bytes(s.view, times), self.bytes(r, times))
                ), "a store writes what another point loads"
        for k, s in enumerate(kernel.stores):
            assert s.view.shape == kernel.shape
            assert all(self.apart(s.view, other.view, times) for other in kernel.stores[:k])
            if s.combine is None and 0 not in kernel.shape:
                moving = [n for n, stride in zip(kernel.shape, s.view.strides, strict=True) if stride or n == 1]
                assert len(set(self.bytes(s.view, times).ravel().tolist())) == int(np.prod(moving))
        rank = len(kernel.shape)
        reduced = tuple(range(rank - kernel.reduced, rank))
        values: list[Any] = []
        for s in kernel.body:
            args = [values[k] for k in s.args]
            dtype = s.dtype.name
            if s.op == "load":
                view = kernel.reads[s.attr]
                assert view.shape == kernel.shape
                # An axis that the value does not vary along has size 1.
                filled = self.flat[view.buffer].size > 0
                still = [1 if filled and not stride else n for n, stride in zip(view.shape, view.strides, strict=True)]
                value = self.array(View(view.buffer, tuple(still), view.strides, view.offset, view.loops), times).copy()
            elif s.op == "constant":
                value = np.full((1,) * rank, s.attr, dtype)
            elif s.op == "index":
                shape = [n if k == s.attr else 1 for k, n in enumerate(kernel.shape)]
                value = np.arange(kernel.shape[s.attr], dtype=dtype).reshape(shape)
            elif s.op == "reduce":
                assert kernel.reduced
                ufunc = COMBINES[s.attr]
                options = {"dtype": dtype} if s.attr == "add" else {"initial": identity(s.attr, dtype)}
                value = ufunc.reduce(np.broadcast_to(args[0], kernel.shape), axis=reduced, keepdims=True, **options)
            else:
                value = TABLE[s.op](*args, **({"dtype": s.dtype} if s.op == "cast" else {}))
            assert value.dtype == dtype, (s, value.dtype)
            values.append(value)
        for s in kernel.stores:
            assert values[s.value].dtype == self.flat[s.view.buffer].dtype
            target = self.array(s.view, times)
            if s.combine is None:
                value = np.broadcast_to(values[s.value], kernel.shape)
                still = tuple(k for k, stride in enumerate(s.view.strides) if stride == 0 and kernel.shape[k] != 1)
                if still:
                    # Only what does not vary there may be stored so.
                    assert set(still) <= set(reduced)
                    assert all(values[s.value].shape[k] == 1 for k in still)
                    shape = [1 if k in still else n for k, n in enumerate(kernel.shape)]
                    target = as_strided(target, shape, target.strides)
                    target[...] = np.broadcast_to(values[s.value], shape)
                else:
                    target[...] = value
            else:
                still = tuple(k for k, stride in enumerate(s.view.strides) if stride == 0)
                shape = [1 if k in still else n for k, n in enumerate(kernel.shape)]
                start = np.full(shape, identity(s.combine, s.view and target.dtype), target.dtype)
                total = COMBINES[s.combine].reduce(
                    np.broadcast_to(values[s.value], kernel.shape), axis=still, keepdims=True,
                    initial=identity(s.combine, target.dtype), dtype=target.dtype,
                )  # fmt: skip
                as_strided(target, shape, target.strides)[...] = COMBINES[s.combine](start, total)

    def gemm(self, gemm: Gemm, times: dict[int, int]) -> None:
        a, b, out = (self.array(v, times) for v in (gemm.left, gemm.right, gemm.out))
        assert a.dtype == b.dtype == out.dtype
        assert a.dtype in (np.float32, np.float64)
        assert gemm.out.strides[-1] == 1
        for view in (gemm.left, gemm.right, gemm.out):
            assert 1 in view.strides[-2:]
            rows, columns = view.shape[-2:]
            row, column = view.strides[-2:]
            assert (column == 1 and (row >= columns or rows == 1)) or (row == 1 and (column >= rows or columns == 1))
        assert gemm.left.shape[:-2] == gemm.right.shape[:-2] == gemm.out.shape[:-2]
        assert self.apart(gemm.left, gemm.out, times)
        assert self.apart(gemm.right, gemm.out, times)
        assert len(set(self.bytes(gemm.out, times).ravel().tolist())) == out.size
        result = a @ b
        out[...] = out + result if gemm.accumulate else result

    def gather(self, step: Gather, times: dict[int, int]) -> None:
        source, indices, out = (self.array(v, times) for v in (step.source, step.indices, step.out))
        out[...] = np.take(source, indices, axis=1)

    def scatter(self, step: Scatter, times: dict[int, int]) -> None:
        updates, indices, out = (self.array(v, times) for v in (step.updates, step.indices, step.out))
        out[...] = 0
        for i, j in product(range(out.shape[0]), range(len(indices))):
            out[i, indices[j]] += updates[i, j]

    def call(self, step: Call, times: dict[int, int]) -> None:
        self.array(step.out, times)[...] = TABLE[step.node.op](
            *[self.array(v, times) for v in step.reads], **step.attrs
        )


def identity(combine: str, dtype: Any) -> Any:
    dtype = np.dtype(dtype)
    if combine == "add":
        return dtype.type(0)
    low, high = (-np.inf, np.inf) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return dtype.type(low if combine == "maximum" else high)


RUNNERS: dict[Any, Any] = {
    Kernel: _Run.kernel,
    Gemm: _Run.gemm,
    Gather: _Run.gather,
    Scatter: _Run.scatter,
    Call: _Run.call,
}
