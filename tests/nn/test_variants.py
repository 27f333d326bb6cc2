"""All variants of cells and layers, values and gradients, against loops in NumPy."""

from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.small_programs import needs_c
from tests.covering import covering
from tests.nn.test_recurrent import KINDS, TOLERANCE, assert_near
from tests.reference import variants
from tinygrad_lstm.errors import ArgumentError, DTypeError, IndexingError, ShapeError, UsageError
from tinygrad_lstm.graph.function import verify
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.testing import check_gradients

STEPS, BATCH, INPUT, HIDDEN = 4, 3, 3, 4
LENGTHS = [4, 1, 0]

CELLS: list[tuple[str, dict[str, Any]]] = [
    ("rnn", {}),
    ("rnn", {"layer_norm": True}),
    ("rnn", {"bias": False}),
    ("rnn", {"nonlinearity": "relu"}),
    ("rnn", {"recurrent_dropout": 0.5, "nonlinearity": "relu", "layer_norm": True}),
    ("lstm", {}),
    ("lstm", {"peephole": True}),
    ("lstm", {"coupled": True}),
    ("lstm", {"bias": False}),
    ("lstm", {"layer_norm": True}),
    ("lstm", {"peephole": True, "coupled": True, "layer_norm": True, "forget_bias": 0.5}),
    ("lstm", {"proj_size": 2}),
    ("lstm", {"proj_size": 2, "peephole": True, "layer_norm": True, "cell_clip": 0.4, "proj_clip": 0.3}),
    ("lstm", {"cell_clip": 0.4, "coupled": True}),
    ("lstm", {"recurrent_dropout": 0.4, "candidate_dropout": 0.3, "proj_size": 3}),
    ("gru", {}),
    ("gru", {"recurrent_dropout": 0.4}),
    ("gru", {"recurrent_dropout": 0.4, "candidate_dropout": 0.3, "reset_after": True}),
    ("gru", {"reset_after": True}),
    ("gru", {"bias": False, "reset_after": True}),
    ("gru", {"layer_norm": True}),
    ("gru", {"reset_after": True, "layer_norm": True}),
]


def shown(case: tuple[str, dict[str, Any], str]) -> set[Any]:
    """For ``covering``: the element type, and each option of a kind of cell."""
    kind, options, dtype = case
    return {dtype, *[(kind, *option) for option in options.items() or [("plain", True)]]}


# How many, in which direction, and whether the sequences have lengths of their own.
LAYERS: list[tuple[int, str, bool]] = [
    (1, "forward", False),
    (1, "both", False),
    (2, "both", True),
    (2, "forward", True),
    (1, "reverse", True),
    (2, "reverse", False),
]
DIRECTIONS = {"forward": {}, "both": {"bidirectional": True}, "reverse": {"reverse": True}}


def named(value: Any) -> str:
    if isinstance(value, dict):
        return "+".join(value) or "plain"
    return str(value)


@pytest.mark.parametrize(
    ("kind", "options", "layer", "dtype"),
    covering(
        # The referee needs long for the many weights of wide layers.
        [
            (*cell, layer, dtype)
            for cell in CELLS
            for layer in LAYERS
            for dtype in ("float32", "float64")
            if not ("layer_norm" in cell[1] and dtype == "float32" and layer[0] == 2)
        ],
        lambda case: {(case[0], named(case[1])), (case[0], case[2]), (case[0], case[3]), case[2:]},
    ),
    ids=named,
)
def test_values_and_all_gradients(kind: str, options: dict[str, Any], layer: tuple[int, str, bool], dtype: str) -> None:
    layers, direction, ragged = layer
    both = direction == "both"
    random = np.random.default_rng([layers, both])
    # Dividing by the deviation of four numbers, which may be small, magnifies the rounding of float32; not so of 16.
    hidden = 16 if "layer_norm" in options and dtype == "float32" else HIDDEN

    def drawn(*shape: int) -> Any:
        return random.normal(size=shape).astype(dtype)

    model = KINDS[kind](INPUT, hidden, layers, key=tl.random.key(1), dtype=dtype, **DIRECTIONS[direction], **options)
    masks = masks_of(model, hidden)
    for p in model.parameters():
        p.assign(p + 0.3 * drawn(*p.shape))
    rows, width = layers * (2 if both else 1), options.get("proj_size", hidden)
    sizes = {"h0": width, "c0": hidden} if kind == "lstm" else {"h0": hidden}
    starts = {name: drawn(rows, BATCH, size) for name, size in sizes.items()}
    x = drawn(STEPS, BATCH, INPUT)
    lengths = LENGTHS if ragged else None
    weights = [drawn(STEPS, BATCH, width * (2 if both else 1)), *[drawn(*s.shape) for s in starts.values()]]

    tolerance = TOLERANCE[dtype]
    inputs = {"x": x, **starts}
    wide = {n: c.detach().numpy().astype(float) for n, c in model.named_parameters()}
    wide |= {n: v.astype(float) for n, v in inputs.items()}

    def run(at: variants.Weights) -> list[variants.Array]:
        bounds = {n: v for n, v in options.items() if n in ("nonlinearity", "cell_clip", "proj_clip")}
        return variants.forward(kind, at, at["x"], [at[n] for n in starts], direction, lengths, masks, **bounds)

    def loss(at: variants.Weights) -> Any:
        return sum((r * w.astype(float)).sum() for r, w in zip(run(at), weights, strict=True))

    leaves = {name: tl.tensor(v) for name, v in inputs.items()}
    state = tuple(leaves[n] for n in starts) if kind == "lstm" else leaves["h0"]
    y, last = model(leaves["x"], state, lengths=None if lengths is None else tl.tensor(lengths))
    results = [y, *flatten(last)[0]]
    for got, want in zip(results, run(wide), strict=True):
        verify(got)
        assert got.dtype == dtype
        assert_near(got, want, tolerance, "a result")

    slopes = tl.gradients(results, dict(model.named_parameters()) | leaves, cotangents=weights)
    wanted = variants.gradient(loss, wide)
    assert set(slopes) == set(wanted)
    tl.evaluate(*slopes.values())
    for name, want in wanted.items():
        assert_near(slopes[name], want, tolerance, f"the gradient by {name}")


def masks_of(model: Any, hidden: int) -> dict[str, Any]:
    """What the next call of a layer multiplies by: its masks, drawn with keys of the same values."""
    found: dict[str, list[Any]] = {}
    for cell in model._stack:
        if (dropout := cell.recurrent_dropout) is not None:
            again = tl.nn.Dropout(dropout.p, dropout.key.detach())
            found.setdefault("recalled", []).append(again(tl.ones((BATCH, cell.output_size), tl.float64)).numpy())
        if (dropout := cell.candidate_dropout) is not None:
            again = tl.nn.Dropout(dropout.p, dropout.key.detach())
            ones = tl.ones((BATCH, hidden), tl.float64)
            found.setdefault("stored", []).append([again(ones, key).numpy() for key in again.keys(STEPS)])
    return {name: np.array(values, float) for name, values in found.items()}


@pytest.mark.parametrize(("kind", "options"), [c for c in CELLS if c[1]], ids=named)
def test_second_order(kind: str, options: dict[str, Any]) -> None:
    # The same numbers are dropped in each call.
    options = {name: 0.0 if "dropout" in name else value for name, value in options.items()}
    model = KINDS[kind](2, 3, bidirectional=True, key=tl.random.key(2), dtype=tl.float64, **options)
    random = np.random.default_rng(0)
    check_gradients(lambda x: model(x, lengths=tl.tensor([3, 1])), random.normal(size=(3, 2, 2)), rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_behind_a_sequence_is_not_read(kind: str) -> None:
    model = KINDS[kind](INPUT, HIDDEN, bidirectional=True, batch_first=True, key=tl.random.key(0))
    x = np.random.default_rng(0).normal(size=(2, 5, INPUT)).astype(np.float32)
    x[1, 2:] = np.nan
    outputs, _ = model(x, lengths=[5, 2])
    alone, _ = model(x[1:, :2])
    np.testing.assert_allclose(outputs.numpy()[1, :2], alone.numpy()[0], rtol=1e-6)
    assert not outputs.numpy()[1, 2:].any()
    outputs.sum().backward()
    assert all(np.isfinite(p.grad.numpy()).all() for p in model.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_learned_initial_states(kind: str) -> None:
    model = KINDS[kind](INPUT, HIDDEN, 2, bidirectional=True, learn_initial=True, key=tl.random.key(0))
    names = ["initial.h", "initial.c"] if kind == "lstm" else ["initial.h"]
    assert [n for n, _ in model.named_parameters() if n.startswith("initial")] == names
    x = tl.ones((3, 2, INPUT))
    for p in model.initial.values():
        assert p.shape == (4, 1, HIDDEN)
        p.assign(tl.ones(p.shape) / 2)
    given = flatten(model.zeros(2))
    half = [leaf + 0.5 for leaf in given[0]]
    learned, _ = model(x)
    explicit, _ = model(x, tuple(half) if kind == "lstm" else half[0])
    np.testing.assert_array_equal(learned.numpy(), explicit.numpy())
    learned.sum().backward()
    assert all(p.grad.shape == (4, 1, HIDDEN) and p.grad.numpy().any() for p in model.initial.values())


def test_dropout_between_layers() -> None:
    model = tl.nn.LSTM(INPUT, HIDDEN, 2, dropout=0.5, key=tl.random.key(0))
    x = tl.ones((6, 2, INPUT))
    first, second = model(x)[0].numpy(), model(x)[0].numpy()
    assert (first != second).any()
    still = tl.nn.deterministic(model)
    np.testing.assert_array_equal(still(x)[0].numpy(), still(x)[0].numpy())
    plain = tl.nn.LSTM(INPUT, HIDDEN, 2, key=tl.random.key(0))
    np.testing.assert_array_equal(still(x)[0].numpy(), plain(x)[0].numpy())
    assert still.parameters()[0] is model.parameters()[0]


def test_variational_dropout_has_one_mask_for_all_steps() -> None:
    model = tl.nn.RNN(INPUT, 50, 2, dropout=0.5, variational=True, key=tl.random.key(0))
    kept = model.dropout(tl.ones((6, 2, 50))).numpy()
    assert (kept == kept[0]).all()
    assert set(kept.ravel()) == {0.0, 2.0}
    assert (kept[0, 0] != kept[0, 1]).any()


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (UsageError, "LSTM: dropout works between layers, and there is one", lambda: tl.nn.LSTM(2, 3, dropout=0.5)),
        (UsageError, r"Dropout: p is a probability in \[0, 1\), not 1", lambda: _dropping(1.0, key=tl.random.key(0))),
        (ArgumentError, "GRU has no argument 'peephole': it takes input_size", lambda: tl.nn.GRU(2, 3, peephole=True)),
        (DTypeError, r"GRU: lengths are integers, got f32\[2\]", lambda: _ragged([1.0, 2.0])),
        (ShapeError, r"GRU: lengths have the shape \[3\], expected \[2\], the batch", lambda: _ragged([1, 2, 3])),
        (IndexingError, r"GRU: lengths are \[1, 6\], but x has 5 steps; give 0 … 5", lambda: _ragged([1, 6])),
        (IndexingError, r"GRU: lengths are \[-1, 5\]", lambda: _ragged([-1, 5])),
    ],
)
def test_mistakes(error: type[Exception], message: str, call: Any) -> None:
    with pytest.raises(error, match=message):
        call()


def _dropping(p: float, **options: Any) -> Any:
    return tl.nn.LSTM(2, 3, 2, dropout=p, **options)


def _ragged(lengths: list[Any]) -> Any:
    return tl.nn.GRU(2, 3, key=tl.random.key(0))(tl.ones((5, 2, 2)), lengths=lengths)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint32"])
def test_lengths_out_of_range_are_refused_whether_they_are_known_or_not(dtype: str) -> None:
    layer = tl.nn.GRU(2, 3, bidirectional=True, key=tl.random.key(0))
    x = tl.random.normal(tl.random.key(1), (5, 2, 2))
    f = tl.jit(lambda n: layer(x, lengths=n)[0])
    n = tl.symbol("n", (2,), dtype)
    graph = layer(x, lengths=n)[0]
    for good in ([0, 5], [3, 1]):
        given = tl.tensor(np.array(good, dtype))
        plain = layer(x, lengths=given)[0].numpy()
        np.testing.assert_allclose(f(given).numpy(), plain, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(graph.evaluate({n: given}).numpy(), plain, rtol=1e-5, atol=1e-6)
    for wrong in ([1, 6], [2**31 - 1, 0], *([] if dtype == "uint32" else [[-1, 5], [-6, 5]])):
        given = tl.tensor(np.array(wrong, dtype))
        for call in (lambda given=given: layer(x, lengths=given), lambda given=given: f(given)):
            with pytest.raises(IndexingError, match=r"lengths"):
                call()
        with pytest.raises(IndexingError, match=r"lengths, each 0 … 5.*out of bounds"):
            graph.evaluate({n: given})


@pytest.mark.parametrize("backend", ["numpy", pytest.param("c", marks=needs_c)])
@pytest.mark.parametrize(
    ("kind", "options", "lengths"),
    [
        (
            "lstm",
            {"proj_size": 2, "cell_clip": 0.3, "proj_clip": 0.2, "bidirectional": True, "learn_initial": True},
            None,
        ),
        ("lstm", {"recurrent_dropout": 0.4, "candidate_dropout": 0.3, "num_layers": 2, "reverse": True}, [4, 2, 0]),
        ("rnn", {"nonlinearity": "relu", "recurrent_dropout": 0.4, "batch_first": True}, [4, 2, 0]),
    ],
    ids=named,
)
def test_compiled_layers_give_what_plain_ones_give(
    kind: str, options: dict[str, Any], lengths: Any, backend: str
) -> None:
    x = tl.random.normal(tl.random.key(2), (BATCH, 4, 3) if options.get("batch_first") else (4, BATCH, 3))
    plain, compiled = (KINDS[kind](3, 4, key=tl.random.key(1), **options) for _ in range(2))

    def loss(model: Any, x: Any) -> Any:
        total = (model(x, lengths=lengths)[0] ** 2).sum()
        total.backward()
        return total

    with tl.use_backend(backend):
        step = tl.jit(lambda x: loss(compiled, x))
        for _ in range(2):  # each call has its own masks
            assert_near(step(x), loss(plain, x).numpy(), 1e-5, "the loss")
            for p, q in zip(plain.parameters(), compiled.parameters(), strict=True):
                assert_near(q.grad, p.grad.numpy(), 1e-4, f"the gradient by {p.name}")
                p.grad = q.grad = None
