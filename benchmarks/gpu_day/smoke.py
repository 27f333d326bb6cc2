"""Part 2: each op once by the interpreter, an LSTM step compiled, then each op compiled: against the CPU."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import numpy as np
from tinygrad_lstm_cupy.cuda import print_cuda
from tinygrad_lstm_cupy.executable import CupyExecutable

import tinygrad_lstm as tl
from benchmarks.gpu_day.part import Check, Context, FailedError
from benchmarks.gpu_day.systems import Shape, training_step
from tinygrad_lstm.graph.tensor import make
from tinygrad_lstm.testing.samples import Sample, samples

__all__ = ["checks"]

_SMALL: Final = ("exp", "matmul", "sum", "take")
_ALLOWED: Final = {"float16": 1e-2, "float32": 2e-5, "float64": 1e-11}


def checks(context: Context) -> Iterator[Check]:
    """The checks, first those of kernels of the array library, which have no generated text that could be wrong."""
    ops = list(one_each().values())
    if context.small:
        ops = [sample for sample in ops if sample.op in _SMALL]
    for sample in ops:
        yield Check(f"{sample.op}, interpreter", partial(interpreted, sample))
    yield Check("an LSTM step, compiled", partial(lstm, "float32"))
    if not context.small:
        yield Check("an LSTM step, compiled, float16", partial(lstm, "float16"))
    for sample in ops:
        yield Check(f"{sample.op}, compiled", partial(compiled, sample))


def one_each() -> dict[str, Sample]:
    """A sample for each op: that of float32 where there is one, with as many elements as there are.

    >>> one_each()["tanh"].inputs[0].dtype
    dtype('float32')
    """
    found: dict[str, Sample] = {}
    for sample in samples():
        known = found.get(sample.op)
        if known is None or _rank(sample) > _rank(known):
            found[sample.op] = sample
    return found


def _rank(sample: Sample) -> tuple[bool, bool, int]:
    """The order in which samples are preferred: those of one type first, since functions convert their operands."""
    types = {x.dtype for x in sample.inputs}
    return types == {np.dtype(np.float32)}, np.dtype(np.float32) in types, sum(x.size for x in sample.inputs)


def _built(sample: Sample) -> Callable[..., Any]:
    return lambda *xs: make(sample.op, *xs, **sample.attrs)


def _expected(sample: Sample) -> Any:
    with tl.use_backend("numpy"):
        return _built(sample)(*[tl.tensor(x) for x in sample.inputs]).numpy()


def interpreted(sample: Sample) -> dict[str, Any]:
    """Check the array library's kernel."""
    with tl.use_backend("cupy"):
        got = _built(sample)(*[tl.tensor(x) for x in sample.inputs]).numpy()
    _same(got, _expected(sample), str(sample), "")
    return {}


def compiled(sample: Sample) -> dict[str, Any]:
    """Check the generated kernel; if it is wrong or does not compile, the error has its text."""
    f = tl.jit(_built(sample))
    with tl.use_backend("cupy"):
        xs = [tl.tensor(x) for x in sample.inputs]
        program = f.program(*xs)
        try:
            got = [f(*xs).numpy() for _ in range(3)]
        except Exception as error:
            raise FailedError(f"{sample}: {type(error).__name__}: {error}", text=print_cuda(program).source) from error
    for turn, y in enumerate(got):
        _same(y, _expected(sample), f"{sample}, run {turn + 1} of 3", print_cuda(program).source)
    return {}


def _same(got: Any, want: Any, what: str, text: str) -> None:
    found = {"text": text} if text else {}
    if got.shape != want.shape or got.dtype != want.dtype:
        raise FailedError(f"{what}: {got.dtype}{list(got.shape)} instead of {want.dtype}{list(want.shape)}", **found)
    if want.dtype.kind != "f":
        if not np.array_equal(got, want):
            raise FailedError(f"{what}: {_shown(got)} instead of {_shown(want)}", **found)
        return
    allowed = _ALLOWED[want.dtype.name]
    try:
        np.testing.assert_allclose(got, want, rtol=allowed, atol=allowed)
    except AssertionError as error:
        raise FailedError(f"{what}: {error}", **found) from None


def _shown(array: Any) -> str:
    return np.array2string(array, threshold=12, edgeitems=3)


def lstm(dtype: str) -> dict[str, Any]:
    """The loss and all gradients of a layer, launched, recorded and replayed, against the interpreter on the CPU."""
    shape = Shape(5, 3, 4, dtype)
    with tl.use_backend("numpy"):
        training, xs = training_step(shape)
        loss, gradients = training(xs[0])
        want = [y.numpy() for y in tl.evaluate(loss, *gradients)]
    with tl.use_backend("cupy") as backend:
        training, xs = training_step(shape)
        f = tl.jit(training)
        program = f.program(xs[0])
        runs = []
        for _ in range(3):
            loss, gradients = f(xs[0])
            runs.append([y.numpy() for y in (loss, *gradients)])
        executable: CupyExecutable = backend.compile(program)  # type: ignore[attr-defined]
    allowed = 1e-4 if dtype == "float32" else 3e-2
    for turn, got in enumerate(runs):
        for k, (y, w) in enumerate(zip(got, want, strict=True)):
            worst = float(np.abs(y.astype(float) - w).max() / max(1.0, float(np.abs(w).max())))
            if not worst <= allowed:
                raise FailedError(f"output {k} is wrong by {worst:.2g} in run {turn + 1} of 3", text=executable.source)
    return {"launches": print_cuda(program).launches}
