"""``check_backend``: whether a backend agrees with the reference."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.errors import ConformanceError, DeviceError, IndexingError
from tinygrad_lstm.functions import random
from tinygrad_lstm.graph.dtypes import DTYPES, float16, float32, float64, uint32
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.kernels.table import kernels
from tinygrad_lstm.ops.branch import cond
from tinygrad_lstm.ops.elementwise import sigmoid, sin, tanh
from tinygrad_lstm.ops.index import scatter_add, take
from tinygrad_lstm.ops.logic import equal, less
from tinygrad_lstm.ops.loop import scan
from tinygrad_lstm.ops.reduce import logsumexp
from tinygrad_lstm.ops.repeating import while_loop
from tinygrad_lstm.runtime.backend import Backend, load_backend, use_backend
from tinygrad_lstm.runtime.creation import tensor
from tinygrad_lstm.runtime.evaluation import evaluate
from tinygrad_lstm.testing.samples import Sample, samples

__all__ = ["Conformance", "check_backend"]

Array = NDArray[Any]
Build = Callable[[], Sequence[Tensor]]
Check = tuple[str, str, Callable[[], None]]
_REFERENCE: Final = "numpy"


@dataclass(frozen=True)
class Conformance:
    """The number of checks that passed, by group.

    >>> print(Conformance("numpy", {"devices": 3, "kernels": 4}))
    backend 'numpy': 7 checks passed (devices 3, kernels 4)
    """

    backend: str
    checks: Mapping[str, int]

    def __str__(self) -> str:
        groups = ", ".join(f"{group} {count}" for group, count in self.checks.items())
        return f"backend {self.backend!r}: {sum(self.checks.values())} checks passed ({groups})"


def check_backend(name: str) -> Conformance:
    """Assert that the backend ``name`` agrees with the NumPy backend: for authors of backends, as a test of theirs.

    Every kernel runs on every element type that its op accepts, on arrays with no axes, of no elements, broadcast, and
    with nans and infinities; then come devices, the way there and back, random bits, gradients, scans (nested,
    reversed, of length 0, to second order), and errors. A warning is a failure, as nothing may print from a kernel.

    Raises:
        ConformanceError: an AssertionError that lists every check that failed.
        BackendError: when the backend is not installed or cannot work here.

    >>> print(check_backend("numpy"))
    backend 'numpy': ... checks passed (...)
    """
    with use_backend(name) as backend:
        backend.describe()
    counts: Counter[str] = Counter()
    failures: dict[str, list[str]] = {}
    for group, what, check in _checks(name):
        counts[group] += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                check()
        except Exception as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
            message = f"{group}: {what}: {kind}{lines[0][:300]}"
            failures.setdefault(f"{group}: {what.partition('(')[0]}", []).append(message)
    if failures:
        failed = sum(map(len, failures.values()))
        message = f"backend {name!r}: {failed} of {sum(counts.values())} checks failed"
        raise ConformanceError("\n".join([message, *map(_summary, failures.values())]))
    return Conformance(name, dict(counts))


def _summary(alike: list[str]) -> str:
    """The first failure of an op, and the number of further ones."""
    more = len(alike) - 1
    return f"  {alike[0]}" + (f" (and {more} more like it)" if more else "")


def _checks(name: str) -> Iterator[Check]:
    backend = load_backend(name)
    yield from _devices(name, backend)
    for op in sorted(kernels(np)):
        yield "kernels", op, partial(_has_kernel, backend, op)
    for sample in samples():
        yield "values", str(sample), partial(_same_value, name, sample)
    for what, build in _RANDOM.items():
        yield "random", what, partial(_same, name, build, 0.0 if what != "normal" else 8.0)
    for what, build in _GRAPHS.items():
        yield "graphs", what, partial(_same, name, build, 4096.0)
    yield "errors", "an index out of range", partial(_index_out_of_range, name)
    yield "errors", "no warnings from infinities", partial(_same, name, _infinities, 0.0)
    yield "graphs", "sums of one index in one order", partial(_deterministic, name)


def _expect(condition: Any, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _has_kernel(backend: Backend, op: str) -> None:
    try:
        backend.kernels[op]
    except KeyError:
        raise AssertionError(f"there is no kernel for {OPS[op].name!r}") from None


# --- devices ---------------------------------------------------------------------------------------------------------


def _devices(name: str, backend: Backend) -> Iterator[Check]:
    """The checks of devices, and of arrays that go to a device and back."""
    device = backend.default_device()

    def named() -> None:
        _expect(backend.name == name, f"it is registered as {name!r} but calls itself {backend.name!r}")
        _expect(device.partition(":")[0] == backend.device_kind, f"{device} is no device of {backend.device_kind}")
        _expect(device in backend.devices(), f"the default device {device} is not among {backend.devices()}")
        _expect(isinstance(backend.describe(), str), "describe() gives no text")

    def foreign() -> None:
        with use_backend(name):
            try:
                backend.put(np.zeros(2), "moon:7")
            except DeviceError:
                return
        raise AssertionError("put() on a device that it does not have raises no DeviceError")

    def copied() -> None:
        source = np.zeros(3)
        array = backend.put(source, device)
        source[0] = 1.0
        _expect(not backend.get(array).any(), "put() borrows the array instead of copying it")

    def made(shape: tuple[int, ...]) -> None:
        for dtype in DTYPES.values():
            values = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype.name)
            for source in (values, values.T):
                back = backend.get(backend.put(source, device))
                _expect(isinstance(back, np.ndarray), f"get() gives {type(back).__name__}, not a NumPy array")
                _compare(back, source, 0.0, ())
            empty = backend.empty(shape, dtype, device)
            _expect(tuple(empty.shape) == shape, f"empty() of {shape} has shape {tuple(empty.shape)}")
            _compare(backend.get(backend.finished(empty)), backend.get(empty), 0.0, ())
        _compare(backend.get(backend.arange(4, float32, device)), np.arange(4, dtype=np.float32), 0.0, ())

    yield "devices", "names", named
    yield "devices", "a device of others", foreign
    yield "devices", "copies", copied
    for shape in ((), (0, 2), (2, 3)):
        yield "devices", f"there and back {list(shape)}", partial(made, shape)


# --- values ----------------------------------------------------------------------------------------------------------


def _same_value(name: str, sample: Sample) -> None:
    def build() -> list[Tensor]:
        return [make(sample.op, *[tensor(x) for x in sample.inputs], **sample.attrs)]

    _same(name, build, 0.0 if sample.exact else 16.0, sample.inputs)


def _values(name: str, build: Build) -> list[tuple[Array, str]]:
    with use_backend(name):
        results = list(build())
        evaluate(*results)
        return [(np.asarray(y.numpy()), y.device) for y in results]


def _same(name: str, build: Build, ulps: float, inputs: Iterable[Array] = ()) -> None:
    want = _values(_REFERENCE, build)
    got = _values(name, build)
    with use_backend(name) as backend:
        device = backend.default_device()
    for (y, where), (w, _) in zip(got, want, strict=True):
        _expect(where == device, f"the result is on {where} instead of {device}")
        _compare(y, w, ulps, inputs)


def _compare(got: Array, want: Array, ulps: float, inputs: Iterable[Array]) -> None:
    """Assert that a result agrees with that of the reference within ``ulps`` units of the last place."""
    _expect(got.dtype == want.dtype, f"the result is {got.dtype}, the reference {want.dtype}")
    _expect(got.shape == want.shape, f"the result has shape {list(got.shape)}, the reference {list(want.shape)}")
    if want.dtype.kind != "f" or not ulps:
        if not np.array_equal(got, want, equal_nan=want.dtype.kind == "f"):
            raise AssertionError(_difference(got, want, ~((got == want) | ((got != got) & (want != want)))))
        return
    with np.errstate(all="ignore"):
        finite = np.isfinite(want) & np.isfinite(got)
        # Where the terms of a sum cancel, the error is relative to the terms and not to the sum.
        sizes = [1.0, *[float(np.abs(x[np.isfinite(x)]).max(initial=0.0)) for x in inputs if x.dtype.kind == "f"]]
        eps = float(np.finfo(want.dtype).eps)
        allowed = ulps * eps * (np.abs(want.astype(float)) + min(max(sizes), 8.0))
        near = np.abs(got.astype(float) - want.astype(float)) <= allowed
        largest = float(np.finfo(want.dtype).max)
        # At the edge of the range one backend may round to infinity where the other does not.
        edge = (np.sign(got) == np.sign(want)) & (np.fmin(np.abs(got), np.abs(want)).astype(float) > 0.99 * largest)
        same = (got == want) | (np.isnan(got) & np.isnan(want)) | (finite & near) | edge
    if not same.all():
        raise AssertionError(_difference(got, want, ~same))


def _difference(got: Array, want: Array, wrong: Array) -> str:
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    at = f"at {list(place)} " if place else ""
    return f"{at}it gives {got[place]}, the reference {want[place]} ({int(wrong.sum())} of {wrong.size} differ)"


# --- graphs ----------------------------------------------------------------------------------------------------------


def _data(*shape: int, seed: int = 0) -> Tensor:
    return tensor(np.random.default_rng(seed).uniform(-1.0, 1.0, shape))


def _step(weight: Tensor) -> Callable[[Any, Any], tuple[Any, Any]]:
    def f(h: Any, x: Any) -> tuple[Any, Any]:
        new = tanh(h @ weight + x) * sigmoid(h)
        return new, sin(new)

    return f


def _scanned(reverse: bool, length: int = 5) -> list[Tensor]:
    w, h, xs = _data(3, 3), _data(2, 3, seed=1), _data(length, 2, 3, seed=2)
    last, ys = scan(_step(w), h, xs, reverse=reverse)
    first = gradients((last * last).sum() + ys.sum(), [w, h, xs])
    second = gradients(sum(((g * g).sum() for g in first[1:]), (first[0] ** 2).sum()), [w, h, xs])
    return [last, ys, *first, *second]


def _nested() -> list[Tensor]:
    w, h, xs = _data(3, 3), _data(3, seed=1), _data(4, 2, 3, seed=2)

    def outer(carry: Any, rows: Any) -> tuple[Any, Any]:
        return scan(_step(w), carry, rows)

    last, ys = scan(outer, h, xs)
    return [last, ys, *gradients(ys.sum() + (last**2).sum(), [w, h, xs])]


def _learned() -> list[Tensor]:
    w, v, x = _data(4, 6), _data(6, 3, seed=1), _data(8, 4, seed=2)
    index = tensor([0, 2, 1, 1, 0, 2, 2, 1])
    scores = tanh(x @ w) @ v
    loss = logsumexp(scores, -1).mean() - take(scores.reshape(-1), index).mean()
    return [loss, *gradients(loss, [w, v, x])]


def _counts() -> list[Tensor]:
    count, ys = scan(lambda c, x: (c + 1, (c, x > 0.0)), tensor(0), _data(4))
    return [count, *ys]


def _conditions() -> list[Tensor]:
    x = _data(4)

    def step(value: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        count, y = value
        return count + 1, cond(equal(count, 1), lambda: sin(y) * x, lambda: tanh(y) + x)

    count, y = while_loop(lambda value: less(value[0], 3), step, (tensor(0), x))
    _, bounded = while_loop(lambda value: less(value[0], 3), step, (tensor(0), x), bound=5)
    return [count, y, bounded, *gradients(bounded, [x])]


def _infinities() -> list[Tensor]:
    x = tensor(np.array([0.0, -1.0, 1e30, np.inf], np.float32))
    return [x / 0.0, x * 1e30, x - x, 1.0 / x]


_GRAPHS: Final[dict[str, Build]] = {
    "scan": partial(_scanned, False),
    "scan in reverse": partial(_scanned, True),
    "scan of no steps": partial(_scanned, False, 0),
    "scan in a scan": _nested,
    "scan of integers and bools": _counts,
    "gradient of a network": _learned,
    "conditions": _conditions,
}


def _key() -> Tensor:
    return random.key(2**40 + 17)


_RANDOM: Final[dict[str, Build]] = {
    "bits": lambda: [random.bits(_key(), (3, 5)), random.bits(random.fold_in(_key(), 3), ()), *random.split(_key())],
    "known answer": lambda: [make("threefry2x32", tensor(np.zeros(2, np.uint32)), tensor([0, 0], dtype=uint32))],
    "uniform": lambda: [random.uniform(_key(), 64, dtype=t) for t in (float16, float32, float64)],
    "normal": lambda: [random.normal(_key(), 64, dtype=t) for t in (float32, float64)],
}


def _index_out_of_range(name: str) -> None:
    with use_backend(name):
        for wrong in (3, -4):
            index = tensor([0, wrong])
            for what, y in (("take", take(_data(3), index)), ("scatter_add", scatter_add(_data(2), index, size=3))):
                try:
                    y.numpy()
                except IndexingError:
                    continue
                raise AssertionError(f"{what} with index {wrong} into 3 elements raises no IndexError in its kernel")


def _deterministic(name: str) -> None:
    with use_backend(name):
        index = tensor(np.arange(4000) % 7 % 3)
        updates = _data(4000, 2).astype(float32)
        first, second = (scatter_add(updates, index, size=3).numpy() for _ in range(2))
    _expect(np.array_equal(first, second), "two runs of scatter_add differ; add in a fixed order")
