"""Programs of one kernel, made by hand or at random."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from tinygrad_lstm.codegen.operations import row_major
from tinygrad_lstm.codegen.program import Buffer, Kernel, Program, Scalar, Step, Store, View
from tinygrad_lstm.errors import BackendError
from tinygrad_lstm.graph.dtypes import DTYPES, DType, as_dtype, bool_, float32, float64
from tinygrad_lstm.runtime.backend import load_backend

__all__ = ["compile_c", "elementwise", "kernels_of", "needs_c", "program_of", "whole"]


def _missing() -> str:
    try:
        load_backend("c").default_device()
    except BackendError as error:
        return str(error)
    return ""


needs_c = pytest.mark.skipif(bool(_missing()), reason=f"no C: {_missing()}")


def compile_c(program: Program) -> Callable[[Sequence[Any]], list[Any]]:
    """The program as an executable of the C backend."""
    return load_backend("c").compile(program)  # type: ignore[attr-defined, no-any-return]


def whole(buffer: int, shape: Sequence[int], offset: int = 0) -> View:
    return View(buffer, tuple(shape), row_major(tuple(shape)), offset)


def program_of(
    steps: Sequence[Step],
    inputs: Sequence[tuple[tuple[int, ...], DType]],
    outputs: Sequence[tuple[tuple[int, ...], DType]],
    temporaries: Sequence[Buffer] = (),
    arena: int = 0,
) -> Program:
    """Buffers in the order inputs, outputs, temporaries."""
    buffers = [Buffer(int(np.prod(s)), d, "input") for s, d in inputs]
    buffers += [Buffer(int(np.prod(s)), d, "output") for s, d in outputs]
    n, m = len(inputs), len(outputs)
    return Program(
        (*buffers, *temporaries),
        tuple(steps),
        tuple(range(n)),
        tuple(range(n, n + m)),
        tuple(s for s, _ in outputs),
        arena,
    )


def elementwise(op: str, arrays: Sequence[Any], dtype: DType) -> Program:
    """One op on arrays of one shape."""
    shape = arrays[0].shape
    reads = tuple(whole(k, shape) for k in range(len(arrays)))
    loads = tuple(Scalar("load", (), as_dtype(a.dtype), k) for k, a in enumerate(arrays))
    body = (*loads, Scalar(op, tuple(range(len(arrays))), dtype))
    store = Store(len(arrays), whole(len(arrays), shape))
    kernel = Kernel(shape, 0, reads, body, (store,))
    return program_of([kernel], [(shape, as_dtype(a.dtype)) for a in arrays], [(shape, dtype)])


UNARY = ["negative", "abs", "tanh", "sigmoid", "exp", "sign", "log1p", "sqrt"]
BINARY = ["add", "subtract", "multiply", "maximum", "minimum"]
SIZES = st.sampled_from([0, 1, 2, 3, 5, 8, 17, 40])


@st.composite
def kernels_of(draw: st.DrawFn) -> tuple[Program, list[Any]]:
    """A kernel with broadcasts, strides, reductions over trailing axes and combining stores, and its inputs."""
    rank = draw(st.integers(0, 3))
    shape = tuple(draw(SIZES) for _ in range(rank))
    reduced = draw(st.integers(0, rank))
    dtype = draw(st.sampled_from([float32, float64]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    inputs: list[Any] = []
    reads: list[View] = []
    body: list[Scalar] = []
    for k in range(draw(st.integers(1, 3))):
        own = tuple(n if draw(st.integers(0, 3)) else 1 for n in shape)
        order = draw(st.permutations(range(rank)))
        memory = [own[a] for a in order]
        strides = [0] * rank
        for a, s in zip(order, row_major(tuple(memory)), strict=True):
            strides[a] = 0 if own[a] == 1 and shape[a] != 1 else s
        offset = 0
        for a in range(rank):
            if strides[a] and draw(st.integers(0, 4)) == 0 and own[a]:
                offset += strides[a] * (own[a] - 1)
                strides[a] = -strides[a]
        size = int(np.prod(own))
        inputs.append(rng.normal(size=size).astype(dtype.name))
        reads.append(View(k, shape, tuple(strides), offset if size else 0))
        body.append(Scalar("load", (), dtype, k))
    if rank and draw(st.booleans()):
        body.append(Scalar("index", (), DTYPES["int64"], draw(st.integers(0, rank - 1))))
        body.append(Scalar("cast", (len(body) - 1,), dtype))
    reals = [k for k, s in enumerate(body) if s.dtype is dtype]
    for _ in range(draw(st.integers(1, 8))):
        match draw(st.integers(0, 4)):
            case 0 | 1:
                body.append(Scalar(draw(st.sampled_from(UNARY)), (draw(st.sampled_from(reals)),), dtype))
                if body[-1].op in ("exp", "log1p", "sqrt"):
                    body[-1] = Scalar("tanh", body[-1].args, dtype)
                    body.append(Scalar("exp", (len(body) - 1,), dtype))
            case 2:
                args = (draw(st.sampled_from(reals)), draw(st.sampled_from(reals)))
                body.append(Scalar("less", args, bool_))
                body.append(Scalar("where", (len(body) - 1, *args), dtype))
            case 3:
                how = draw(st.sampled_from(["add", "maximum", "minimum"]))
                body.append(Scalar("tanh", (draw(st.sampled_from(reals)),), dtype))
                body.append(Scalar("reduce", (len(body) - 1,), dtype, how))
            case _:
                args = (draw(st.sampled_from(reals)), draw(st.sampled_from(reals)))
                body.append(Scalar(draw(st.sampled_from(BINARY)), args, dtype))
        reals.append(len(body) - 1)
    # Values that grow without bounds would leave nothing to compare.
    body += [Scalar("tanh", (reals[-1],), dtype), Scalar("tanh", (reals[len(reals) // 2],), dtype)]
    last = len(body)
    stores, outputs = [], []
    for j, value in enumerate((last - 1, last - 2)):
        buffer = len(inputs) + j
        # Where a row is empty, what of it is combined is not said: no lowering combines there.
        if j == 0 or 0 in shape[rank - reduced :] or draw(st.booleans()):
            stores.append(Store(value, whole(buffer, shape)))
            outputs.append((shape, dtype))
        else:
            how = draw(st.sampled_from(["add", "maximum", "minimum"]))
            kept = tuple(n if draw(st.booleans()) else 1 for n in shape)
            strides = tuple(s if a == n else 0 for s, a, n in zip(row_major(tuple(kept)), kept, shape, strict=True))
            stores.append(Store(value, View(buffer, shape, strides), how))
            outputs.append((kept, dtype))
    kernel = Kernel(shape, reduced, tuple(reads), tuple(body), tuple(stores))
    return program_of([kernel], [((x.size,), dtype) for x in inputs], outputs), inputs
