"""Part 4: which programs become a CUDA graph, whether its replays are right, and why the others do not."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from tinygrad_lstm_cupy.cuda import print_cuda
from tinygrad_lstm_cupy.executable import CupyExecutable

import tinygrad_lstm as tl
from benchmarks.gpu_day.part import Check, Context, FailedError
from benchmarks.gpu_day.systems import Shape, training_step
from tinygrad_lstm.codegen.program import Program
from tinygrad_lstm.runtime.backend import load_backend

__all__ = ["checks"]

_TURNS = 5


def checks(context: Context) -> Iterator[Check]:
    """Each program with the words expected in its fallback; no words for one that should be replayed."""
    wide = 8 if context.small else 256
    steps = 5 if context.small else 100
    yield Check("an LSTM step", partial(replayed, partial(lstm, Shape(steps, 8, wide)), ""))
    if not context.small:
        yield Check("an LSTM step, float16", partial(replayed, partial(lstm, Shape(steps, 8, wide, "float16")), ""))
        yield Check("an update by Adam", partial(replayed, partial(update, wide), ""))
        yield Check("a batch of products", partial(replayed, batch, ""))
    yield Check("a gather and a scatter", partial(replayed, embedding, ""))
    yield Check("a sort", partial(replayed, sort, "it calls array functions for argsort"))
    yield Check("one launch", partial(replayed, single, "one launch needs no graph"))
    if not context.small:
        yield Check("many launches", partial(replayed, partial(chain, 20_000), "launches are more than 20,000"))


def lstm(shape: Shape) -> Program:
    """The gradients of a layer."""
    training, xs = training_step(shape)
    return tl.jit(training).program(xs[0])


def update(wide: int) -> Program:
    """A whole step of training, with clipping."""
    layer = tl.nn.Linear(wide, wide, key=tl.random.key(0))
    optimizer = tl.optim.Adam(layer.parameters(), lr=1e-3)

    def step(x: Any) -> Any:
        loss = (layer(x) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        tl.optim.clip_grad_norm(layer.parameters(), 1.0)
        optimizer.step()
        return loss

    return tl.jit(step).program(tl.ones((4, wide)))


def embedding() -> Program:
    """Rows taken from a table, and the gradient by the table."""
    table = tl.ones((50, 8))

    def step(rows: Any, v: Any) -> Any:
        picked = tl.take(table, rows, 0)
        loss = (picked * v).sum()
        return loss, tl.scatter_add(v, rows, size=50)

    return tl.jit(step).program(tl.tensor(np.arange(30) % 7), tl.ones((30, 8)))


def batch() -> Program:
    """Products along a flipped axis, which are single calls."""
    f = tl.jit(lambda x, y: tl.tanh(tl.flip(x, 0) @ y))
    return f.program(tl.ones((5, 8, 16)), tl.ones((5, 16, 4)))


def sort() -> Program:
    """A program with an operation that has no generated kernel."""
    return tl.jit(lambda x: tl.tanh(tl.argsort(tl.sin(x)) * x.sum())).program(tl.ones(100))


def single() -> Program:
    """A program of one kernel."""
    return tl.jit(lambda x: tl.tanh(x) * 2).program(tl.ones(100))


def chain(length: int) -> Program:
    """A program of ``length`` launches."""
    f = tl.jit(lambda x: tl.scan(lambda c, _: (tl.tanh(c), None), x, None, length=length)[0])
    return f.program(tl.ones(3))


def replayed(make: Callable[[], Program], fallback: str) -> dict[str, Any]:
    """Check several runs on the same inputs for equal bits, while free memory holds values that must not be read.

    The first run launches; later ones replay what the second has recorded.
    """
    backend: Any = load_backend("cupy")
    with tl.use_backend("cupy"):
        program = make()
        run: CupyExecutable = backend.compile(program)
        inputs = [backend.put(x, backend.default_device()) for x in arrays(program)]
        found, held = [], []
        for _ in range(_TURNS):
            for size in (1 << 10, 1 << 16, 1 << 20):
                backend.cupy.full(size, np.nan, dtype="float32")
            held.append(backend.cupy.full(1 << 16, np.nan, dtype="float32"))
            found.append([backend.get(y) for y in run(inputs)])
    facts = {"launches": print_cuda(program).launches, "replayed": run.replayed, "fallback": run.fallback}
    for turn, outputs in enumerate(found[1:], 2):
        for k, (y, w) in enumerate(zip(outputs, found[0], strict=True)):
            if y.tobytes() != w.tobytes():
                raise FailedError(f"run {turn}: output {k} has other bits than in run 1", text=run.source, **facts)
    as_expected = fallback in run.fallback and run.replayed is not bool(fallback)
    if not as_expected or bool(run.fallback) is run.replayed:
        raise FailedError(f"expected {fallback or 'a graph'!r}, found {run.fallback or 'no reason'!r}", **facts)
    return facts


def arrays(program: Program) -> list[Any]:
    """Inputs for a program: small numbers, and indices that are in range wherever they are used."""
    random = np.random.default_rng(0)
    made = []
    for k in program.inputs:
        buffer = program.buffers[k]
        floats = buffer.dtype.kind == "f"
        made.append((random.normal(0, 0.3, buffer.size) if floats else np.zeros(buffer.size)).astype(buffer.dtype.name))
    return made
