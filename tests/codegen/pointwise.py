"""Programs executed plainly with NumPy over whole spaces: what the printers are held to."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lstm.codegen.program import Gather, Gemm, Kernel, Loop, Program, Scatter, Step, View
from tinygrad_lstm.kernels.table import kernels

__all__ = ["assert_executed", "execute"]

KERNELS = kernels(np)
UFUNCS = {"add": np.add, "maximum": np.maximum, "minimum": np.minimum}


def execute(program: Program, inputs: Sequence[Any]) -> list[Any]:
    """The outputs of a program."""
    return _Run(program, inputs).outputs()


class _Run:
    def __init__(self, program: Program, inputs: Sequence[Any]) -> None:
        self.program = program
        self.arena = np.zeros(program.arena, np.uint8)
        self.arrays: list[Any] = []
        for b in program.buffers:
            if b.role == "temporary":
                self.arrays.append(self.arena[b.offset : b.offset + b.size * b.dtype.itemsize].view(b.dtype.name))
            elif b.role == "constant":
                self.arrays.append(np.array(b.value, b.dtype.name).reshape(-1))
            else:
                self.arrays.append(np.zeros(b.size, b.dtype.name))
        for k, x in zip(program.inputs, inputs, strict=True):
            self.arrays[k][...] = np.asarray(x).reshape(-1)
        self.times: dict[int, int] = {}

    def outputs(self) -> list[Any]:
        with np.errstate(all="ignore"):
            self.steps(self.program.steps)
        program = self.program
        return [self.arrays[k].reshape(s).copy() for k, s in zip(program.outputs, program.output_shapes, strict=True)]

    def view(self, v: View) -> Any:
        base = self.arrays[v.buffer]
        if 0 in v.shape:
            return np.empty(v.shape, base.dtype)
        offset = v.offset + sum(stride * self.times[n] for n, stride in v.loops)
        size = base.itemsize
        return np.ndarray(v.shape, base.dtype, base, offset * size, [s * size for s in v.strides])

    def steps(self, steps: Sequence[Step]) -> None:
        for step in steps:
            match step:
                case Loop():
                    times = range(step.length)
                    for t in reversed(times) if step.reverse else times:
                        self.times[step.number] = t
                        self.steps(step.steps)
                case Kernel():
                    self.kernel(step)
                case Gemm():
                    out, product = self.view(step.out), self.view(step.left) @ self.view(step.right)
                    out[...] = out + product if step.accumulate else product
                case Gather():
                    self.view(step.out)[...] = np.take(self.view(step.source), self.view(step.indices), axis=1)
                case Scatter():
                    out = self.view(step.out)
                    out[...] = 0
                    np.add.at(out, (slice(None), self.view(step.indices)), self.view(step.updates))
                case _:
                    raise TypeError(step)

    def kernel(self, kernel: Kernel) -> None:
        values: list[Any] = []
        rests: list[bool] = []
        axes = tuple(range(len(kernel.shape) - kernel.reduced, len(kernel.shape)))
        for s in kernel.body:
            args = [values[a] for a in s.args]
            rests.append(s.op == "reduce" or any(rests[a] for a in s.args))
            if s.op == "load":
                value = self.view(kernel.reads[s.attr]).copy()
            elif s.op == "constant":
                value = np.full((1,) * len(kernel.shape), s.attr, s.dtype.name)
            elif s.op == "index":
                value = np.indices(kernel.shape)[s.attr]
            elif s.op == "reduce":
                value = _reduced(s.attr, np.broadcast_to(args[0], kernel.shape), axes)
            else:
                attrs: Mapping[str, Any] = {"dtype": s.dtype} if s.op == "cast" else {}
                value = KERNELS[s.op](*args, **attrs)
            values.append(np.asarray(value).astype(s.dtype.name))
        row_like = self.row_like(kernel, rests)
        for store in kernel.stores:
            self.store(kernel, store, values[store.value], axes if row_like[store.value] else ())

    def row_like(self, kernel: Kernel, rests: list[bool]) -> list[bool]:
        """Which values rest on a reduction and are the same along the reduced axes."""
        inner = range(len(kernel.shape) - kernel.reduced, len(kernel.shape))
        varies: list[bool] = []
        for s in kernel.body:
            own = (s.op == "index" and s.attr in inner and kernel.shape[s.attr] > 1) or (
                s.op == "load" and any(kernel.reads[s.attr].strides[k] and kernel.shape[k] > 1 for k in inner)
            )
            varies.append(s.op != "reduce" and (own or any(varies[a] for a in s.args)))
        return [r and not v for r, v in zip(rests, varies, strict=True)]

    def store(self, kernel: Kernel, store: Any, value: Any, row: tuple[int, ...]) -> None:
        strides = store.view.strides
        row = row if all(strides[k] == 0 or kernel.shape[k] == 1 for k in row) else ()
        if row:
            # Loads that are the same along a row may stand beside the reductions.
            value = value[tuple(slice(0, 1) if k in row and n != 1 else slice(None) for k, n in enumerate(value.shape))]
        value = np.broadcast_to(value, [1 if k in row else n for k, n in enumerate(kernel.shape)])
        kept = [0 if s == 0 else slice(None) for s in strides]
        shape = [1 if k == 0 else n for k, n in zip(kept, kernel.shape, strict=True)]
        target = self.view(View(store.view.buffer, tuple(shape), strides, store.view.offset, store.view.loops))
        if store.combine is None:
            if math.prod(kernel.shape):
                target[...] = value[tuple(slice(0, 1) if k == 0 else slice(None) for k in kept)]
            return
        summed = tuple(k for k, s in enumerate(strides) if s == 0)
        target[...] = _reduced(store.combine, value, summed)


def assert_executed(outputs: Sequence[Any], program: Program, inputs: Sequence[Any]) -> None:
    """What a printer's program gave is what the steps say, point by point."""
    for y, w in zip(outputs, execute(program, inputs), strict=True):
        assert y.dtype == w.dtype
        assert y.shape == w.shape
        allowed = 2e-5 if w.dtype == np.float32 else 1e-13
        scale = max(1.0, float(np.abs(w[np.isfinite(w)]).max(initial=0)))
        np.testing.assert_allclose(y, w, rtol=allowed, atol=allowed * scale)


def _reduced(combine: str, x: Any, axes: tuple[int, ...]) -> Any:
    if combine == "add":
        return x.sum(axis=axes, keepdims=True, dtype=x.dtype)
    if x.dtype == bool:
        start: Any = combine == "minimum"
    elif x.dtype.kind == "f":
        start = -np.inf if combine == "maximum" else np.inf
    else:
        start = np.iinfo(x.dtype).min if combine == "maximum" else np.iinfo(x.dtype).max
    return UFUNCS[combine].reduce(x, axis=axes, keepdims=True, initial=start) if axes else x
