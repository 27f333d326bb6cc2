"""Mistakes that a user can make, and what each must say: what went wrong, what was got, and how to mend it."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import errors
from tinygrad_lstm.errors import (
    AnomalyError,
    BackendError,
    DeviceError,
    DTypeError,
    Error,
    EvaluationError,
    GradientError,
    IndexingError,
    NameConflictError,
    ShapeError,
    StateDictError,
    StructureError,
    TraceError,
    UnboundSymbolError,
    UsageError,
)
from tinygrad_lstm.testing import check_backend, check_gradients

X = tl.symbol("x", (2, 3))
N = tl.tensor([1, 2, 3])
KEY = tl.random.key(0)
CELL = tl.nn.LSTMCell(3, 4, key=KEY)


def kernel(xp: Any, x: Any) -> Any:
    return x


def narrow(x: Any) -> tl.Tensor:
    return tl.define_op("f", None, lambda xp, x: x[:1])(x)


def watched(x: tl.Tensor) -> None:
    with tl.detect_anomaly():
        x.numpy()


# Mistake, exception, the words that the message must hold.
MISTAKES: list[tuple[str, Callable[[], Any], type[Error], tuple[str, ...]]] = [
    # shapes
    ("add shapes", lambda: X + tl.zeros(4), ShapeError, ("add(f32[2,3], f32[4])", "[2, 3] and [4]", "equal or 1")),
    ("where shapes", lambda: tl.where(X > 0, X, tl.zeros((2, 4))), ShapeError, ("where(", "do not broadcast")),
    ("matmul inner", lambda: X @ tl.zeros((2, 4)), ShapeError, ("f32[2,3], f32[2,4]", "3 and 2 differ", "last axis")),
    ("matmul vector", lambda: X @ tl.zeros(2), ShapeError, ("f32[2,3], f32[2]", "3 and 2 differ")),
    ("matmul 3-d", lambda: tl.zeros((5, 2, 3)) @ tl.zeros((4, 1)), ShapeError, ("f32[5,2,3]", "3 and 4 differ")),
    ("matmul scalar", lambda: tl.matmul(X, 2.0), ShapeError, ("without axes is a scalar", "use *")),
    ("matmul batch", lambda: tl.zeros((2, 1, 1)) @ tl.zeros((3, 1, 1)), ShapeError, ("[2] and [3]", "broadcast")),
    ("reshape size", lambda: X.reshape(4, 2), ShapeError, ("6 elements", "[4, 2] of 8")),
    ("reshape unknown", lambda: X.reshape(4, -1), ShapeError, ("6 elements", "(4, -1)")),
    ("reshape two unknown", lambda: X.reshape(-1, -1), ShapeError, ("only one size", "-1")),
    ("reshape words", lambda: X.reshape("a"), UsageError, ("integer or a tuple of integers", "'a'")),
    ("reshape negative", lambda: X.reshape(-2, 3), ShapeError, ("no negative sizes", "(-2, 3)")),
    ("transpose", lambda: X.transpose(0, 0), ShapeError, ("f32[2,3]", "no permutation of its 2 axes")),
    ("transpose number", lambda: tl.transpose(X, 0), UsageError, ("each of the 2 axes once, not 0", "swapaxes(x,")),
    ("shape of a vector", lambda: tl.zeros(np.array([2.0])), UsageError, ("a tuple of integers, not [2.0]",)),
    ("shape of rows", lambda: tl.zeros(np.array([[2]])), UsageError, ("a tuple of integers, not [[2]]",)),
    ("axis of floats", lambda: X.sum(np.array([0.0])), UsageError, ("axis is an integer, not 0.0",)),
    ("cuts", lambda: tl.split(X, 0.5), UsageError, ("split: how many parts is an integer", "0.5")),
    ("classes", lambda: tl.one_hot(N, -1), UsageError, ("num_classes is an integer ≥ 0, not -1",)),
    ("scatter size", lambda: tl.scatter_add(X, N[:2], size=1.5), UsageError, ("size is an integer ≥ 0, not 1.5",)),
    ("round", lambda: X.round(0.5), UsageError, ("decimals is an integer, not 0.5",)),
    ("transpose few", lambda: X.transpose(0), ShapeError, ("no permutation",)),
    ("swapaxes", lambda: tl.swapaxes(X, 0, 2), ShapeError, ("axis 2 is out of range", "2 axes")),
    ("broadcast_to", lambda: tl.broadcast_to(X, (2, 4)), ShapeError, ("broadcast_to(f32[2,3])", "[2, 3]", "[2, 4]")),
    ("broadcast_to smaller", lambda: tl.broadcast_to(X, (3,)), ShapeError, ("does not broadcast to [3]",)),
    ("squeeze", lambda: tl.squeeze(X, 0), ShapeError, ("squeeze(f32[2,3])", "axis 0 has size 2, not 1")),
    ("expand_dims", lambda: tl.expand_dims(X, 4), ShapeError, ("axis 4 is out of range",)),
    ("expand_dims twice", lambda: tl.expand_dims(X, (0, 0)), ShapeError, ("names an axis twice",)),
    ("concatenate", lambda: tl.concatenate([X, tl.zeros((2, 2))]), ShapeError, ("[2, 3] and [2, 2]", "axis 0")),
    ("concatenate ranks", lambda: tl.concatenate([X, tl.zeros(2)]), ShapeError, ("[2, 3] and [2]",)),
    ("concatenate none", lambda: tl.concatenate([]), UsageError, ("at least one array",)),
    ("concatenate scalars", lambda: tl.concatenate([tl.tensor(1.0)]), ShapeError, ("use stack",)),
    ("concatenate tensor", lambda: tl.concatenate(X), UsageError, ("tuple or list of arrays, not Tensor",)),
    ("stack", lambda: tl.stack([X, tl.zeros(3)]), ShapeError, ("one shape", "f32[2,3] and f32[3]")),
    ("pad pairs", lambda: tl.pad(X, [(1, 1)] * 3), ShapeError, ("pad(f32[2,3])", "one pair for each axis", "(1, 1)]")),
    ("pad negative", lambda: tl.pad(X, -1), ShapeError, ("at least 0", "-1")),
    ("pad words", lambda: tl.pad(X, "a"), UsageError, ("pad_width is a number", "or a pair for each axis", "'a'")),
    # axes
    ("sum axis", lambda: X.sum(2), ShapeError, ("axis 2 is out of range", "2 axes")),
    ("sum axis twice", lambda: X.sum((0, -2)), ShapeError, ("names an axis twice",)),
    ("sum axis float", lambda: X.sum(1.0), UsageError, ("axis is an integer, not 1.0",)),
    ("max of nothing", lambda: tl.max(tl.zeros((0, 2)), 0), ShapeError, ("axis 0 has size 0", "empty")),
    ("argmax of nothing", lambda: tl.argmax(tl.zeros(0)), ShapeError, ("axis 0 has size 0",)),
    ("softmax axis", lambda: tl.softmax(X, 3), ShapeError, ("axis 3 is out of range",)),
    ("flip axis", lambda: tl.flip(X, 5), ShapeError, ("axis 5 is out of range",)),
    # dtypes
    ("two floats", lambda: X + tl.zeros(3, tl.float64), DTypeError, ("float32 and float64 do not mix", ".astype(tl.f")),
    ("bools as numbers", lambda: (X > 0) * (X > 0), DTypeError, ("multiply(bool", "bools are no numbers", ".astype")),
    ("minus a bool", lambda: -(X > 0), DTypeError, ("negative(bool", "logical")),
    ("where of numbers", lambda: tl.where(X, 1.0, 2.0), DTypeError, ("condition is of bools, not float32", "x != 0")),
    ("take floats", lambda: tl.take(X, tl.tensor([0.0])), DTypeError, ("indices are integers, not float32", ".astype")),
    ("one_hot floats", lambda: tl.one_hot(tl.tensor([0.0]), 3), DTypeError, ("one_hot(f32[1])", ".astype")),
    ("shift floats", lambda: tl.right_shift(X, 1), DTypeError, ("right_shift(f32[2,3]", "integers are wanted")),
    (
        "unknown dtype",
        lambda: tl.zeros(2, "complex64"),
        DTypeError,
        ("there are no complex numbers here", "two arrays"),
    ),
    ("words", lambda: tl.tensor(["a"]), DTypeError, ("no numbers",)),
    ("sizes apart", lambda: tl.zeros(2, 3), DTypeError, ("dtype 3 is not supported", "one tuple, such as (2, 3)")),
    ("wide", lambda: X + np.zeros(3, np.longdouble), DTypeError, ("dtype float128", "with .astype('float64')")),
    ("complex", lambda: tl.tensor(1j), DTypeError, ("there are no complex numbers here", "as two arrays")),
    ("objects", lambda: tl.tensor(object()), DTypeError, ("no numbers",)),
    ("None", lambda: X + None, DTypeError, ("no numbers",)),
    (
        "numbers as objects",
        lambda: tl.tensor(np.array([1.0, 2], object)),
        DTypeError,
        ("numbers as Python objects, such as 1.0", "dtype=tl.float32"),
    ),
    ("None among numbers", lambda: tl.tensor([1.0, None]), DTypeError, ("no numbers, got NoneType None",)),
    ("too large for int64", lambda: tl.tensor(2**63), DTypeError, ("does not fit into int64", "dtype=tl.float32")),
    ("too large for an op", lambda: tl.exp(2**63), DTypeError, (f"{2**63} does not fit into int64", "or a float")),
    ("nan as an integer", lambda: tl.full(2, float("nan"), tl.int32), DTypeError, ("nan does not fit into int32",)),
    ("plus a bool", lambda: +(X > 0), DTypeError, ("positive(bool[2,3])", "bools are no numbers", ".astype")),
    ("too large", lambda: tl.tensor(2**70), DTypeError, ("does not fit into int64",)),
    ("convert words", lambda: tl.tensor("a", dtype=tl.float32), DTypeError, ("no numbers, got str_", "'a'")),
    ("convert objects", lambda: tl.tensor(object(), dtype=tl.int32), DTypeError, ("no numbers, got object",)),
    ("convert large", lambda: tl.tensor(2**70, dtype=tl.int64), DTypeError, ("do not convert to int64",)),
    ("integer parameter", lambda: tl.Parameter(N), DTypeError, ("holds floats, not int64", "dtype=tl.float32")),
    # values and symbols
    ("ragged", lambda: tl.tensor([[1.0], [1.0, 2.0]]), ShapeError, ("same lengths", "pad")),
    ("tensors in a list", lambda: tl.tensor([X, X]), UsageError, ("tl.stack or tl.concatenate",)),
    ("tensors of values in a list", lambda: tl.tensor([tl.ones(2), tl.ones(2)]), UsageError, ("tl.stack",)),
    ("unbound", lambda: X.numpy(), UnboundSymbolError, ("symbol 'x' (f32[2,3]) has no value", "evaluate({x: …})")),
    ("unbound in float", lambda: float(X.sum()), UnboundSymbolError, ("symbol 'x'", "bind it")),
    ("branch", lambda: 1 if X.sum() > 0 else 2, TraceError, ("tl.where", "tl.scan")),
    ("bind a word", lambda: X.evaluate({"x": 1.0}), UsageError, ("binds symbols", "'x'", "tl.symbol")),
    ("bind a shape", lambda: X.evaluate({X: 1.0}), ShapeError, ("symbol 'x' is f32[2,3]", "shape []")),
    ("empty name", lambda: tl.symbol(""), UsageError, ("non-empty string",)),
    ("name", lambda: X.named(3), UsageError, ("non-empty string, not 3",)),
    ("item of many", lambda: tl.ones(2).item(), UsageError, ("one element", "[2]")),
    ("truth of many", lambda: bool(tl.ones(2)), UsageError, ("ambiguous", "tl.max")),
    ("length of a scalar", lambda: len(tl.tensor(1.0)), UsageError, ("no length",)),
    ("iterate a scalar", lambda: list(tl.tensor(1.0)), UsageError, ("no length",)),
    ("in", lambda: 1.0 in tl.ones(2), UsageError, ("ambiguous", "tl.any(tensor == value)")),
    ("arange", lambda: tl.arange(X), UsageError, ("takes numbers", "before any value")),
    ("arange of no step", lambda: tl.arange(0, 3, 0), UsageError, ("the step is not 0",)),
    ("linspace", lambda: tl.linspace(0, 1, -1), UsageError, ("num is an integer ≥ 0, not -1",)),
    ("diff", lambda: tl.diff(X, -1), UsageError, ("n is an integer ≥ 0, not -1",)),
    ("shape of floats", lambda: tl.zeros(2.5), UsageError, ("integer or a tuple of integers", "2.5")),
    # indices
    ("index range", lambda: X[2], IndexingError, ("getitem(f32[2,3])", "index 2 is out of range", "axis 0 of size 2")),
    ("too many indices", lambda: X[0, 0, 0], IndexingError, ("3 indices for 2 axes",)),
    ("mask", lambda: X[X > 0], IndexingError, ("mask of bools", "tl.where")),
    ("float index", lambda: X[1.5], IndexingError, ("1.5 is no index", "integers, slices")),
    ("index a scalar", lambda: tl.tensor(1.0)[0], IndexingError, ("1 indices for 0 axes",)),
    ("take of a number", lambda: tl.take(tl.tensor(1.0), 0, 1), ShapeError, ("axis 1 is out of range",)),
    ("take range", lambda: tl.take(tl.ones(2), N).numpy(), IndexingError, ("take(f32[2], i64[3])", "out of bounds")),
    ("scatter shape", lambda: tl.scatter_add(X, N, size=3), ShapeError, ("updates f32[2,3]", "indices' shape [3]")),
    ("scatter rank", lambda: tl.scatter_add(1.0, N, size=3), ShapeError, ("more axes of indices",)),
    # gradients
    ("backward of many", lambda: (tl.Parameter(1.0) * tl.ones(2)).backward(), GradientError, ("f32[2]", ".mean()")),
    ("backward of nothing", lambda: tl.tensor(1.0).backward(), GradientError, ("no Parameter", "tl.Parameter(value)")),
    ("gradient of integers", lambda: tl.gradients(N, X), GradientError, ("i64[3]", "only floats")),
    ("gradient by a number", lambda: tl.gradients(X, 1.0), UsageError, ("symbol or Parameter, not float",)),
    # cells and modules
    ("parameter +=", lambda: exec("p += 1", {"p": tl.Parameter(1.0)}), UsageError, ("Parameter", "p.assign(p + …)")),
    ("assign shape", lambda: tl.State(1.0, "s").assign([1.0]), ShapeError, ("assign to 's'", "f32[]", "f32[1]")),
    ("set a node", lambda: setattr(X, "value", 1), UsageError, ("never changes", "build a new one")),
    ("linear", lambda: tl.nn.Linear(2, 2)(X), ShapeError, ("[2, 3]", "last size must be 2")),
    ("linear size", lambda: tl.nn.Linear(0, 2), UsageError, ("in_features is an integer of at least 1, not 0",)),
    ("load", lambda: tl.nn.Linear(2, 2).load_state_dict({}), StateDictError, ("missing are weight, bias",)),
    ("scope", lambda: tl.scope("a", role="b").__enter__(), UsageError, ("role 'b'", "cell, layer, gate")),
    # loops and backends
    ("scan result", lambda: tl.scan(lambda c, x: c, 0.0, X), StructureError, ("(carry, y)", "Tensor")),
    ("scan order", lambda: tl.scan(0.0, lambda c, x: (c, x), X), UsageError, ("the body f comes first", "not float")),
    (
        "scan one argument",
        lambda: tl.scan(lambda c: (c, c), 0.0, X),
        UsageError,
        ("f takes (carry, x)", "1 positional"),
    ),
    ("scan a cell", lambda: tl.scan(CELL, CELL.zeros(2), tl.ones((4, 2, 3))), StructureError, ("is a pair (h, c)",)),
    ("scan carry", lambda: tl.scan(lambda c, x: (x, x), 0.0, X), ShapeError, ("enters as f32[]", "leaves as f32[3]")),
    ("scan length", lambda: tl.scan(lambda c, x: (c, x), 0.0), UsageError, ("give length=",)),
    ("scan lengths", lambda: tl.scan(lambda c, x: (c, x), 0.0, (X, N)), ShapeError, ("xs[1] has 3 steps", "says 2")),
    ("scan scalar", lambda: tl.scan(lambda c, x: (c, x), 0.0, 1.0), ShapeError, ("f32[]", "no axis to step along")),
    ("scan negative", lambda: tl.scan(lambda c, x: (c, x), 0.0, length=-1), UsageError, ("integer ≥ 0", "-1")),
    (
        "scan from a tensor of another width",
        lambda: tl.scan(lambda c, x: (x, c), tl.tensor(0.0), np.zeros(3)),
        DTypeError,
        ("leaves as f64[]", "convert with .astype(tl.float32)"),
    ),
    (
        "scan from an integer",
        lambda: tl.scan(lambda c, x: (c + x, c), tl.tensor(0), np.zeros(3)),
        DTypeError,
        ("enters as i64[] but leaves as f64[]", "start with tl.tensor(…, dtype=tl.float64)"),
    ),
    (
        "scan bool",
        lambda: tl.scan(lambda c, x: (x, c), tl.tensor(True), N),
        DTypeError,
        ("leaves as i64[]", ".astype(tl.bool_)"),
    ),
    ("scan word", lambda: tl.scan(lambda c, x: (c, x), 0.0, length="a"), UsageError, ("length is an integer", "'a'")),
    ("scan dtype", lambda: tl.scan(lambda c, x: (c > 0, x), 0.0, X), DTypeError, ("leaves as bool[]", ".astype(tl.f")),
    (
        "scan nest",
        lambda: tl.scan(lambda c, x: ((c,), x), 0.0, X),
        StructureError,
        ("leaves as (*)", "entry st"),
    ),
    ("backend", lambda: tl.use_backend("abacus"), BackendError, ("'abacus'", "installed are")),
    ("backend number", lambda: tl.use_backend("numpy:1"), DeviceError, ("'numpy:1'", "the backend 'numpy' are cpu")),
    ("backend class", lambda: tl.use_backend(np), UsageError, ("by its name", "'cupy:1'")),
    ("device", lambda: tl.ones(2).to("moon").numpy(), Error, ("moon",)),
    ("device words", lambda: tl.zeros(2, device="my gpu"), DeviceError, ("cpu, cuda or cuda:1", "'my gpu'")),
    ("device number", lambda: tl.tensor(1.0, device=0), DeviceError, ("cpu, cuda or cuda:1, not 0",)),
    ("device of the CPU", lambda: tl.symbol("s", device="cpu:1"), DeviceError, ("the CPU has no number", "'cpu:1'")),
    (
        "two devices",
        lambda: X + tl.symbol("y", device="cuda"),
        DeviceError,
        ("cpu and cuda:0", ".to('cuda:0')"),
    ),
    ("threads", lambda: tl.blas_threads(0).__enter__(), UsageError, ("integer of at least 1, not 0",)),
    # random numbers
    ("seed", lambda: tl.random.key(-1), UsageError, ("2**64 - 1", "-1")),
    ("key", lambda: tl.random.bits(tl.zeros(2), 3), DTypeError, ("uint32", "tl.random.key")),
    ("a seed as key", lambda: tl.nn.Linear(2, 2, key=0), DTypeError, ("not the number 0", "with tl.random.key(0)")),
    ("key shape", lambda: tl.random.bits(tl.zeros(3, tl.uint32), 3), ShapeError, ("a key has shape [2]",)),
    ("uniform integers", lambda: tl.random.uniform(KEY, 3, dtype=tl.int32), DTypeError, ("gives floats, not int32",)),
    ("randint floats", lambda: tl.random.randint(KEY, 3, 0, 2, tl.float32), DTypeError, ("integers, not float32",)),
    ("randint bounds", lambda: tl.random.randint(KEY, 3, 2, 2), UsageError, ("low is less than high", "2 and 2")),
    ("randint half", lambda: tl.random.randint(KEY, 3, 0, 1.5), UsageError, ("the bounds are integers, not 1.5",)),
    ("truncated", lambda: tl.random.truncated_normal(KEY, 3, 2, -2), UsageError, ("low is less than high", "2 and -2")),
    ("far out", lambda: tl.random.truncated_normal(KEY, 3, 40, 41), UsageError, ("bounds nearer to 0",)),
    ("permutation", lambda: tl.random.permutation(KEY, tl.tensor(3)), ShapeError, ("no axis", "a plain integer")),
    ("permutation count", lambda: tl.random.permutation(KEY, -1), UsageError, ("at least 0, not -1",)),
    ("categorical", lambda: tl.random.categorical(KEY, 1.0), ShapeError, ("f32[]", "the last axis holds the choices")),
    # ops of the user, transforms, checks
    ("op name", lambda: tl.define_op("add", None, kernel), NameConflictError, ("'add' is defined already", "another")),
    ("op words", lambda: tl.define_op("my op", None, kernel), UsageError, ("an identifier such as 'cube'", "'my op'")),
    ("op kernel", lambda: tl.define_op("f", None, 1), UsageError, ("kernel is a function (xp, *arrays", "not 1")),
    ("op shape", lambda: tl.define_op("f", (2,), kernel), UsageError, ("a function of the inputs' types", "(2,)")),
    ("op gradient", lambda: tl.define_op("f", None, kernel, 1), UsageError, ("gradient is a function (g, y", "1 is")),
    ("op inputs", lambda: tl.define_op("f", None, kernel, kernel)(X, X), UsageError, ("2 inputs", "gradient for 1")),
    ("op of nothing", lambda: tl.define_op("f", None, kernel)(), UsageError, ("f: an op takes at least one input",)),
    (
        "op kernel shape",
        lambda: narrow(tl.ones(2)).numpy(),
        EvaluationError,
        ("gives float32[1]", "op gives float32[2]"),
    ),
    ("op no gradient", lambda: tl.gradients(narrow(X), X), GradientError, ("'f' has no gradient", "tl.stop_gradient")),
    ("argnums", lambda: tl.grad(tl.sin, 1)(1.0), UsageError, ("argument 1 is asked for, but 1 were given",)),
    ("argnums float", lambda: tl.grad(tl.sum, argnums=1.0), UsageError, ("a tuple of such numbers, not 1.0",)),
    ("argnums words", lambda: tl.grad(tl.sum, argnums="ab"), UsageError, ("a tuple of such numbers, not 'ab'",)),
    ("np out", lambda: np.sum(X, out=np.zeros(())), UsageError, ("np.sum: out= is not", "tl.sum takes x, axis")),
    ("np where", lambda: np.add(X, 1, where=[True]), UsageError, ("np.add: where= is not", "tl.where")),
    ("np dtype", lambda: np.var(X, dtype="float64"), UsageError, ("np.var: dtype= is not", "tl.var takes x, axis")),
    ("np order", lambda: np.sort(X, order="f0"), UsageError, ("np.sort: order= is not", "tl.sort takes x, axis")),
    (
        "target below 0",
        lambda: tl.nn.cross_entropy(X, tl.tensor([1, -1])),
        IndexingError,
        ("cross_entropy: the target -1 is none of the classes 0 … 2", "ignore_index=-1"),
    ),
    (
        "target beyond",
        lambda: tl.nn.nll(X, tl.tensor([3, -1]), ignore_index=-1),
        IndexingError,
        ("nll: the target 3 is none of the classes 0 … 2",),
    ),
    (
        "target below 0 under jit",
        lambda: tl.jit(tl.nn.cross_entropy)(tl.zeros((2, 3)), tl.tensor([1, -1])),
        IndexingError,
        ("cross entropy/targets in 0 … 2, where one below 0 counts as 3", "index 3 is out of bounds"),
    ),
    ("grad of many", lambda: tl.grad(tl.sin)(tl.ones(2)), GradientError, ("gives f32[2]", "with .sum()")),
    ("cotangents", lambda: tl.gradients(X, X, (X, X)), UsageError, ("cotangents are (*, *), but ys are *",)),
    ("cotangent shape", lambda: tl.gradients(X, X, N * 1.0), ShapeError, ("cotangent is f32[3], but y is f32[2,3]",)),
    ("nan", lambda: watched(tl.log(tl.tensor(-1.0))), AnomalyError, ("log(f32[]) gives nan", "is finite, between")),
    ("order", lambda: check_gradients(tl.sin, 1.0, order=0), UsageError, ("order is an integer of at least 1, not 0",)),
    ("check integers", lambda: check_gradients(tl.sin, 1), DTypeError, ("xs[0] holds int64", "close over it")),
    ("check a backend", lambda: check_backend("abacus"), BackendError, ("'abacus'", "installed are")),
]


@pytest.mark.parametrize(("call", "error", "words"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_mistake(call: Callable[[], Any], error: type[Error], words: tuple[str, ...]) -> None:
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
    assert type(caught.value) is error or error is Error


def test_the_words_of_the_table_are_no_patterns() -> None:
    assert len(MISTAKES) >= 100
    assert len({m[0] for m in MISTAKES}) == len(MISTAKES)
    assert all(re.escape(w) for m in MISTAKES for w in m[3])


@pytest.mark.parametrize("name", [n for n in errors.__all__ if not n.endswith("Warning")])
def test_every_error_is_ours_and_a_builtin_one(name: str) -> None:
    error = getattr(errors, name)
    assert issubclass(error, Error)
    assert error.__doc__
    if error is not Error:
        builtin = {ValueError, TypeError, IndexError, KeyError, RuntimeError, AssertionError, AttributeError}
        assert builtin & set(error.__mro__), name


def test_a_sentence_in_a_key_error_reads_as_one() -> None:
    assert str(StateDictError("the state does not fit")) == "the state does not fit"
    assert str(StateDictError()) == ""


def test_numpy_arrays_on_the_left_do_not_swallow_tensors() -> None:
    y = np.ones(2, np.float32) + tl.ones(2)
    assert isinstance(y, tl.Tensor)
    with pytest.raises(DTypeError, match="do not mix"):
        np.ones(2) + tl.ones(2)
    with pytest.raises(ShapeError, match="do not broadcast"):
        np.ones(3, np.float32) * tl.ones(2)
