"""ONE table of cases for all operations: what drives the tests of values, of gradients, and of the same in a loop.

A case is a function of tensors, its referee on NumPy arrays, and the inputs. ``ulps`` is the difference allowed in
units of the last place of the result: 0 wants the same bits (any nan is as good as another). A ``smooth`` case has
float64 inputs at which the function has two derivatives; it runs in float32 and float16 as well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_lstm as tl

__all__ = ["CASES", "Case"]

Array = np.ndarray[Any, Any]
FLOATS = (np.float16, np.float32, np.float64)
INTEGERS = (np.int32, np.int64, np.uint32)
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.5, 6e-8, 700.0, -700.0, 12.0, -12.0]


@dataclass(frozen=True)
class Case:
    name: str
    f: Callable[..., Any]
    referee: Callable[..., Any]
    inputs: tuple[Array, ...]
    ulps: float = 0
    smooth: bool = False
    absolute: float = 0.0
    """A further difference allowed, in ulps of 1 or of the largest input: for sums, whose terms can cancel."""

    def __str__(self) -> str:
        shapes = "-".join(f"{x.dtype.char}{list(x.shape)}".replace(" ", "") for x in self.inputs)
        return f"{self.name}-{shapes}"


CASES: list[Case] = []


def case(name: str, f: Callable[..., Any], referee: Callable[..., Any], *inputs: Any, **options: Any) -> None:
    CASES.append(Case(name, f, referee, tuple(np.asarray(x) for x in inputs), **options))


def smooth(name: str, f: Callable[..., Any], referee: Callable[..., Any], *inputs: Any, **options: Any) -> None:
    case(name, f, referee, *inputs, smooth=True, **options)


def rounded(f: Callable[..., Any]) -> Callable[..., Array]:
    """``f`` computed in extended precision, and rounded once to the type of the inputs."""

    def referee(*arrays: Array) -> Array:
        dtype = next(a.dtype for a in arrays if a.dtype.kind == "f")
        wide = [a.astype(np.longdouble) if a.dtype.kind == "f" else a for a in arrays]
        return np.asarray(f(*wide)).astype(dtype)

    return referee


def values(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> Array:
    """Numbers between ``low`` and ``high``, none of them near another or near 0."""
    count = int(np.prod(shape))
    grid = low + (high - low) * (np.arange(count) + 0.3 + 0.04 * seed) / max(count, 1)
    return np.random.default_rng(seed).permutation(grid).reshape(shape)


SHAPE_PAIRS = [((3,), (3,)), ((), ()), ((2, 1), (3,)), ((), (2, 2)), ((0,), (1,)), ((2, 0, 1), (4,)), ((1, 1), ())]


def elementwise() -> None:
    a, b = values(2, 3, seed=1), values(2, 3, seed=2)
    for name in ("add", "subtract", "multiply", "maximum", "minimum"):
        f, referee = getattr(tl, name), getattr(np, name)
        for left, right in SHAPE_PAIRS:
            smooth(name, f, referee, values(*left, seed=1), values(*right, seed=2))
        for dtype in FLOATS:
            x = np.array(SPECIAL).astype(dtype)
            case(name, f, referee, x[:, None], x)
        for dtype in INTEGERS:
            x = np.array([0, 1, 7, 2**31 - 1]).astype(dtype)
            case(name, f, referee, x[:, None], x)
    for left, right in SHAPE_PAIRS:
        smooth("divide", tl.divide, np.divide, values(*left, seed=1), values(*right, seed=2))
        smooth("power", tl.power, rounded(np.power), values(*left, low=0.5, seed=1), values(*right, seed=2), ulps=4)
    for dtype in FLOATS:
        x = np.array(SPECIAL).astype(dtype)
        case("divide", tl.divide, np.divide, x[:, None], x)
        case("power", tl.power, rounded(np.power), x[:, None], x[:7], ulps=4)
    smooth("power", lambda x: x**3 + x**2 + x**1 + x**0 - x**-2, lambda x: x**3 + x**2 + x + 1 - 1 / x**2, a, ulps=64)

    for name in ("negative", "abs"):
        smooth(name, getattr(tl, name), getattr(np, name), a)
        smooth(name, getattr(tl, name), getattr(np, name), values())
        for dtype in INTEGERS:
            case(name, getattr(tl, name), getattr(np, name), np.array([0, 1, 5]).astype(dtype))
        case(name, getattr(tl, name), getattr(np, name), np.array(SPECIAL, np.float32))
    reals = {
        "exp": (np.exp, a, 0.0),
        "log": (np.log, np.abs(b) + 0.2, 2.0),
        "sqrt": (np.sqrt, np.abs(b) + 0.2, 0.0),
        "sin": (np.sin, a, 0.0),
        "cos": (np.cos, a, 1.0),
        "tanh": (np.tanh, a, 0.0),
        "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), a, 0.0),
        "softplus": (lambda x: np.logaddexp(x, 0), a, 1.0),
    }
    for name, (referee, x, absolute) in reals.items():
        f = getattr(tl, name)
        for at in (x, x[0, 0], x[:, :0]):
            smooth(name, f, rounded(referee), at, ulps=6, absolute=absolute)
        for dtype in FLOATS:
            case(name, f, rounded(referee), np.array(SPECIAL[:9]).astype(dtype), ulps=6, absolute=4.0)
        case(name, f, lambda x, r=referee: r(x.astype(np.float32)), np.array([1, 2, 3]), ulps=6)

    case("sign", tl.sign, np.sign, np.array([*SPECIAL], np.float64))
    case("sign", tl.sign, np.sign, np.array([-3, 0, 4], np.int32))
    words = np.array([8, 9, 2**32 - 1], np.uint32)
    case("right_shift", tl.right_shift, np.right_shift, words, words[:1] // 8)
    case("right_shift", tl.right_shift, np.right_shift, np.array([8, -9, 0]), np.array(2))
    for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
        x = np.array([*SPECIAL])
        case(name, getattr(tl, name), getattr(np, name), x[:, None], x)
        case(name, getattr(tl, name), getattr(np, name), np.array([1, 2, 3]), np.array(2))
        case(name, getattr(tl, name), getattr(np, name), np.array([True, False]), np.array([[True], [False]]))
    for name in ("logical_and", "logical_or", "logical_not"):
        bools = [np.array([True, False, True]), np.array([[True], [False]])]
        numbers = [np.array([0.0, -0.0, np.nan, 2.0]), np.array([0, 1, 2, 3])]
        for xs in (bools, numbers):
            case(name, getattr(tl, name), getattr(np, name), *(xs[:1] if name == "logical_not" else xs))

    condition = np.array([[True, False, True], [False, True, False]])
    smooth("where", tl.where, np.where, condition, a, b)
    smooth("where", tl.where, np.where, condition[:, :1], a[0], b[0, 0])
    case("where", tl.where, np.where, condition[0], np.array(SPECIAL[:3]), np.array([-0.0, 1.0, 2.0]))
    case("where", tl.where, np.where, condition[0], np.array([1, 2, 3], np.int32), np.array([4, 5, 6], np.int32))
    smooth("cast", lambda x: x.astype(tl.float64) * 2.0, lambda x: x.astype(np.float64) * 2, a)
    for start in (np.array([0.0, 1.7, -1.7, 3e4]), np.array([0, 3, -2]), np.array([True, False])):
        for target in (np.bool_, np.int32, np.int64, np.float16, np.float32, np.float64):
            case("cast", lambda x, t=target: tl.cast(x, t), lambda x, t=target: x.astype(t), start)
    case("cast", lambda x: x.astype(tl.uint32), lambda x: x.astype(np.uint32), np.array([0, 7, 2**32 - 1]))


def reductions() -> None:
    x = values(2, 3, 4, seed=3)
    axes: list[Any] = [None, 0, -1, (0, 2), ()]
    for keep in (False, True):
        for axis in axes:
            options = {"axis": axis, "keepdims": keep}
            for name in ("sum", "mean"):
                f, referee = getattr(tl, name), rounded(lambda x, n=name, o=options: getattr(np, n)(x, **o))
                smooth(name, lambda x, f=f, o=options: f(x, **o), referee, x, ulps=4, absolute=24.0)
            for name in ("max", "min"):
                f, referee = getattr(tl, name), getattr(np, name)
                smooth(name, lambda x, f=f, o=options: f(x, **o), lambda x, r=referee, o=options: r(x, **o), x)
            smooth(
                "logsumexp",
                lambda x, o=options: tl.logsumexp(x, **o),
                rounded(lambda x, o=options: np.log(np.exp(x).sum(**o))),
                x,
                ulps=4,
                absolute=4.0,
            )
    for shape in ((0,), (2, 0), ()):
        smooth("sum", tl.sum, np.sum, values(*shape))
        case("logsumexp", tl.logsumexp, rounded(lambda x: np.log(np.sum(np.exp(x)))), values(*shape), ulps=4)
    case("sum", lambda x: tl.sum(x, 0), lambda x: x.sum(0), np.zeros((0, 2), np.float32))
    case("sum", tl.sum, lambda x: x.sum(dtype=x.dtype), np.array([2**31 - 1, 1], np.int32))
    case("sum", tl.sum, np.sum, np.array([True, False, True]))
    case("sum", tl.sum, np.sum, np.array([np.inf, -np.inf, 1.0]))
    case("mean", tl.mean, lambda x: x.mean(dtype=np.float32), np.array([1, 2, 6]))
    case("mean", tl.mean, lambda x: np.float32(np.nan), np.zeros(0, np.float32))
    for name in ("max", "min"):
        for data in ([3, 1, 2], [1.0, np.nan, 3.0], [-np.inf, np.inf], [True, False]):
            case(name, getattr(tl, name), getattr(np, name), np.array(data))
        case(name, lambda x, n=name: getattr(tl, n)(x, 1), lambda x, n=name: getattr(np, n)(x, 1), np.zeros((0, 2)))
    big = np.array([[-np.inf, -np.inf], [np.inf, 1.0], [1000.0, 1000.0], [np.nan, 0.0], [-1e4, -1e4]], np.float32)
    case("logsumexp", lambda x: tl.logsumexp(x, 1), rounded(lambda x: np.logaddexp(x[:, 0], x[:, 1])), big, ulps=2)
    for axis in (None, 0, -1):
        f, referee = (lambda x, a=axis: tl.argmax(x, a)), (lambda x, a=axis: np.argmax(x, a))
        case("argmax", f, referee, x)
        case("argmax", f, referee, np.array([[1, 3, 3], [3, 0, 3]], np.int32))
        case("argmax", f, referee, np.array([[1.0, np.nan], [np.inf, 0.0]]))


def shapes() -> None:
    x = values(2, 3, 4, seed=4)
    for shape in ((4, 6), (24,), (2, -1, 2), (1, 24, 1)):
        smooth("reshape", lambda x, s=shape: tl.reshape(x, s), lambda x, s=shape: np.reshape(x, s), x)
    smooth("reshape", lambda x: x.reshape(()), lambda x: x.reshape(()), values(1))
    case("reshape", lambda x: x.reshape(3, 0), lambda x: x.reshape(3, 0), np.zeros((0, 2)))
    smooth("ravel", tl.ravel, np.ravel, x)
    case("ravel", tl.ravel, np.ravel, np.zeros((0, 2), np.int32))
    for axes in (None, (1, 0, 2), (2, 0, 1), (-1, 1, 0)):
        smooth("transpose", lambda x, a=axes: tl.transpose(x, a), lambda x, a=axes: np.transpose(x, a), x)
    smooth("transpose", lambda x: x.T @ x, lambda x: x.T @ x, x[0], ulps=8, absolute=8.0)
    smooth("swapaxes", lambda x: tl.swapaxes(x, 0, -1), lambda x: np.swapaxes(x, 0, -1), x)
    for target in ((5, 2, 3), (2, 3)):
        f, referee = (lambda x, s=target: tl.broadcast_to(x, s)), (lambda x, s=target: np.broadcast_to(x, s))
        for start in (values(2, 1), values(3), values(1, 3), values()):
            smooth("broadcast_to", f, referee, start)
    case("broadcast_to", lambda x: tl.broadcast_to(x, (0, 3)), lambda x: np.broadcast_to(x, (0, 3)), np.arange(3))
    smooth("expand_dims", lambda x: tl.expand_dims(x, (0, -1)), lambda x: np.expand_dims(x, (0, -1)), x)
    smooth("squeeze", tl.squeeze, np.squeeze, values(1, 3, 1))
    smooth("squeeze", lambda x: tl.squeeze(x, 0), lambda x: np.squeeze(x, 0), values(1, 3, 1))
    for axis in (None, 0, (0, 2), -1):
        smooth("flip", lambda x, a=axis: tl.flip(x, a), lambda x, a=axis: np.flip(x, a), x)
    case("flip", tl.flip, np.flip, np.array([True, False]))
    for width in (1, [(0, 0), (1, 2), (0, 3)]):
        smooth("pad", lambda x, w=width: tl.pad(x, w), lambda x, w=width: np.pad(x, w), x)
    case("pad", lambda x: tl.pad(x, 2), lambda x: np.pad(x, 2), np.zeros(0, np.int64))
    for axis in (0, 1, -1):
        f, referee = (lambda *xs, a=axis: tl.concatenate(xs, a)), (lambda *xs, a=axis: np.concatenate(xs, a))
        pieces = np.split(values(4, 4, 4, seed=5), [1, 1, 3], axis)
        smooth("concatenate", f, referee, *pieces)
        f, referee = (lambda *xs, a=axis: tl.stack(xs, a)), (lambda *xs, a=axis: np.stack(xs, a))
        smooth("stack", f, referee, values(2, 3, seed=6), values(2, 3, seed=7))
    case("concatenate", lambda a, b: tl.concatenate([a, b]), lambda a, b: np.concatenate([a, b]), [1, 2], [3.5])
    keys: list[Any] = [0, -1, (slice(None), 1), (..., slice(None, None, -1)), (slice(1, None), None, slice(3, 0, -2))]
    for key in [*keys, (0, 0, 0), (slice(5, 9), ...), (1, slice(None, None, 2), slice(-3, -1))]:
        smooth("slice", lambda x, k=key: x[k], lambda x, k=key: x[k], x)


def indexing() -> None:
    x = values(3, 4, seed=8)
    for indices in ([2, 0, 2], 1, [[0, -1], [1, 1]], np.zeros((0,), int), np.array([1, 2], np.uint32)):
        i = np.asarray(indices)
        for axis in (0, 1):
            smooth("take", lambda x, i, a=axis: tl.take(x, i, a), lambda x, i, a=axis: np.take(x, i, a), x, i)
    smooth("getitem", lambda x, i: x[1:, i, None], lambda x, i: x[1:, i, None], x, np.array([3, 0, -1]))
    case("take", tl.take, lambda x, i: np.take(x, i, 0), np.zeros((0, 2)), np.zeros((0, 3), np.int32))

    def scattered(axis: int) -> Callable[[Array, Array], Array]:
        def referee(updates: Array, indices: Array) -> Array:
            out = np.zeros((*updates.shape[:axis], 5, *updates.shape[axis + indices.ndim :]), updates.dtype)
            np.add.at(out, (*(slice(None),) * axis, indices), updates)
            return out

        return referee

    for axis, u, i in [
        (0, values(4, 2), np.array([1, 4, 1, 1])),
        (1, values(2, 3), np.array([0, -1, 4])),
        (0, values(2, 2), np.array([[0, 1], [1, 0]])),
        (0, values(), np.array(3)),
        (0, values(0, 2), np.zeros(0, int)),
    ]:
        if u.ndim:
            f = lambda u, i, a=axis: tl.scatter_add(u, i, a, size=5)  # noqa: E731
            smooth("scatter_add", f, scattered(axis), u, i, ulps=2, absolute=4.0)
    for i in (np.array([0, 2, 5, -1]), np.array(1), np.zeros((2, 0), np.int32)):
        case("one_hot", lambda i: tl.one_hot(i, 3), lambda i: (i[..., None] == np.arange(3)).astype(np.float32), i)


def products() -> None:
    pairs = [((2, 3), (3, 4)), ((3,), (3, 4)), ((2, 3), (3,)), ((3,), (3,)), ((5, 2, 3), (3, 4))]
    pairs += [((5, 2, 3), (5, 3, 4)), ((2, 3), (5, 3, 4)), ((4, 1, 2, 3), (5, 3, 2))]
    pairs += [((3,), (2, 3, 4)), ((2, 5, 3), (3,))]
    pairs += [((2, 0), (0, 3)), ((0, 2), (2, 3)), ((5, 2, 0), (0, 4)), ((0, 2, 3), (3, 4))]
    for left, right in pairs:
        a, b = values(*left, seed=9), values(*right, seed=10)
        smooth("matmul", tl.matmul, rounded(np.matmul), a, b, ulps=8, absolute=16.0)
    case("matmul", tl.matmul, np.matmul, np.arange(6, dtype=np.int32).reshape(2, 3), np.ones((3, 2), np.int32))


def softened(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def compositions() -> None:
    x = values(3, 4, seed=11)
    smooth("square", tl.square, np.square, x)
    smooth("relu", tl.relu, lambda x: np.where(x > 0, x, x.dtype.type(0)), x)
    case("relu", tl.relu, lambda x: np.where(x <= 0, np.float32(0), x), np.array(SPECIAL, np.float32))
    smooth("softmax", tl.softmax, rounded(softened), x, ulps=16, absolute=2.0)
    smooth("softmax", lambda x: tl.softmax(x, 0), rounded(lambda x: softened(x.T).T), x, ulps=16, absolute=2.0)
    smooth("log_softmax", tl.log_softmax, rounded(lambda x: np.log(softened(x))), x, ulps=4, absolute=4.0)
    case("softmax", tl.softmax, lambda x: np.array([0.5, 0.5, 0], np.float32), np.array([1e4, 1e4, -1e4], np.float32))
    for shape in ((), (2, 0), (2, 3), 4):
        case("zeros", lambda s=shape: tl.zeros(s), lambda s=shape: np.zeros(s, np.float32))
        case("ones", lambda s=shape: tl.ones(s, tl.int32), lambda s=shape: np.ones(s, np.int32))
        case("full", lambda s=shape: tl.full(s, -0.0), lambda s=shape: np.full(s, -0.0, np.float32))
    smooth("zeros_like", tl.zeros_like, np.zeros_like, x)
    smooth("ones_like", lambda x: tl.ones_like(x) * x, np.copy, x)


def structural() -> None:
    """What has no kernel, or gives back its input."""
    x = values(3, 2, seed=12)
    case("leaf", lambda: tl.tensor(np.array(SPECIAL)), lambda: np.array(SPECIAL))
    case("constant", lambda: tl.tensor(2.0) * 3 - 0.0, lambda: np.float32(6))
    case("arange", lambda: tl.arange(4), lambda: np.arange(4))
    case("arange", lambda: tl.arange(0, tl.float32), lambda: np.arange(0, dtype=np.float32))
    smooth("symbol", lambda x: x, lambda x: x, x)
    smooth("named", lambda x: tl.named(x, "x"), lambda x: x, x)
    case("stop_gradient", tl.stop_gradient, lambda x: x, x)
    smooth("scan", lambda x: tl.scan(lambda c, v: (c * v, c + v), x[0], x), looped, x, ulps=2, absolute=8.0)
    smooth("item", lambda x: tl.scan(lambda c, v: (c, v), x[0], x)[1], lambda x: x, x)
    zero = np.zeros(2, np.uint32)
    drawn = np.array([0x6B200159, 0x99BA4EFE], np.uint32)
    case("threefry2x32", tl.threefry2x32, lambda key, counters: drawn, zero, zero)

    def slope(x: tl.Tensor) -> tl.Tensor:
        return tl.gradients(tl.scan(lambda c, v: (tl.sin(tl.sin(c) * v), None), x[0], x)[0], x)

    smooth("stacked", slope, slope_of_sines, x, ulps=16, absolute=8.0)


def looped(x: Array) -> tuple[Array, Array]:
    carry, ys = x[0], []
    for v in x:
        carry, y = carry * v, carry + v
        ys.append(y)
    return carry, np.array(ys)


def slope_of_sines(x: Array) -> Array:
    """The derivative of c ← sin(sin(c)·v), by hand."""
    carries = [x[0]]
    for v in x:
        carries.append(np.sin(np.sin(carries[-1]) * v))
    d, found = np.ones_like(x[0]), np.zeros_like(x)
    for t in reversed(range(len(x))):
        inner = d * np.cos(np.sin(carries[t]) * x[t])
        found[t] = inner * np.sin(carries[t])
        d = inner * x[t] * np.cos(carries[t])
    found[0] += d
    return found


for family in (elementwise, reductions, shapes, indexing, products, compositions, structural):
    family()
