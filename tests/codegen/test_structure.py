"""What programs consist of: how many steps, where they write, and that nothing grows with the number of steps."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.executor import run
from tinygrad_lstm.codegen.lowering import lower
from tinygrad_lstm.codegen.program import Call, Gemm, Kernel, Loop, Program
from tinygrad_lstm.codegen.program_text import Counts, counts, printed_program
from tinygrad_lstm.errors import GraphError
from tinygrad_lstm.graph.function import Graph, substitute
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.passes import optimize
from tinygrad_lstm.passes.contraction import contract


def program_of(f: Callable[..., Any], *shapes: tuple[int, ...], dtype: Any = tl.float32) -> Program:
    xs = [tl.symbol(f"x{k}", shape, dtype) for k, shape in enumerate(shapes)]
    ys = f(*xs)
    return lower(Graph(tuple(xs), tuple(ys) if isinstance(ys, tuple | list) else (ys,)))


def training(length: int, layer: Any = tl.nn.LSTM, inputs: int = 3) -> tuple[Graph, list[Tensor]]:
    """A layer forwards and backwards, its weights as inputs."""
    model = layer(inputs, 4, key=tl.random.key(0))
    x, w = tl.symbol("x", (length, 2, inputs)), tl.symbol("w", (length, 2, 4))
    y, _ = model(x)
    leaves = [p.leaf for p in model.parameters()]
    symbols = [tl.symbol(f"p{k}", p.shape) for k, p in enumerate(leaves)]
    outputs = [y, *tl.gradients(y, [x, *leaves], cotangents=w)]
    return Graph((x, w, *symbols), tuple(substitute(outputs, dict(zip(leaves, symbols, strict=True))))), symbols


def test_an_lstm_takes_one_product_and_one_kernel_a_step_and_direction() -> None:
    found = counts(lower(optimize(training(5)[0])))
    assert found.gemms == 3
    assert [(c.gemms, c.kernels, c.calls) for c in found.loops] == [(1, 1, 0), (1, 1, 0)]


def test_the_program_and_its_plan_do_not_grow_with_the_number_of_steps() -> None:
    texts = []
    for length in (10, 10_000):
        text = printed_program(lower(optimize(training(length)[0])))
        texts.append(re.sub(r"\d+", "", text))
    assert texts[0] == texts[1]


def test_a_chain_of_elementwise_ops_is_one_kernel() -> None:
    program = program_of(lambda x, b: tl.where(x > 0, tl.tanh(x) * 2 + b, tl.exp(x)), (3, 4), (4,))
    assert printed_program(program) == (
        "arena 0 bytes\n"
        "b0: input f32[12]\n"
        "b1: input f32[4]\n"
        "b2: output f32[12]\n"
        "kernel [3,4]\n"
        "  v0 = f32 0.0\n"
        "  v1 = b0[3,4]\n"
        "  v2 = less(v0, v1)\n"
        "  v3 = tanh(v1)\n"
        "  v4 = f32 2.0\n"
        "  v5 = multiply(v3, v4)\n"
        "  v6 = b1[3,4 step 0,1]\n"
        "  v7 = add(v5, v6)\n"
        "  v8 = exp(v1)\n"
        "  v9 = where(v2, v7, v8)\n"
        "  b2[3,4] = v9\n"
        "return b2 as [3,4]"
    )


@pytest.mark.parametrize(
    "f",
    [
        tl.softmax,
        tl.log_softmax,
        lambda x: (x - x.mean(-1, keepdims=True)) / tl.sqrt(tl.var(x, -1, keepdims=True) + 1e-5),
        lambda x: tl.logsumexp(x, axis=-1),
        lambda x: tl.mean(x * x),
        lambda x: (x.sum(axis=0), x * 2),
        lambda x: tl.concatenate([x[:, :3] * 2, tl.tanh(x[:, 3:])], axis=1),
        lambda x: tl.stack([x[:, :3] * 2, tl.tanh(x[:, 3:])]),
        lambda x: tl.flip(tl.transpose(x)) + 1,
        lambda x: (x + tl.arange(6)).reshape((2, 12))[:, 6:],
        lambda x: tl.sin(x[:, :3] + 1) * tl.cos(x[:, 3:] + 1),
    ],
)
def test_one_kernel(f: Callable[..., Any]) -> None:
    program = program_of(f, (4, 6))
    assert [type(step) for step in program.steps] == [Kernel]
    assert program.arena == 0


def test_slices_of_one_sum_are_computed_where_they_are_read() -> None:
    program = program_of(
        lambda a, w, b: (lambda z: tl.sigmoid(z[:, :3]) * tl.tanh(z[:, 3:]))(a @ w + b), (2, 5), (5, 6), (6,)
    )
    assert [type(step) for step in program.steps] == [Gemm, Kernel]


def test_a_sum_over_two_letters_is_one_product() -> None:
    a, b = tl.symbol("a", (5, 2, 3)), tl.symbol("b", (5, 2, 4))
    program = lower(Graph((a, b), (contract(a, a, b, "tbh", "tbz", "hz"),)))
    (gemm,) = program.steps
    assert isinstance(gemm, Gemm)
    assert (gemm.left.shape, gemm.right.shape, gemm.out.shape) == ((3, 10), (10, 4), (3, 4))
    assert program.buffers[gemm.out.buffer].role == "output"


LETTERS = [
    ("ab", "bc", "ac"), ("ab", "bc", "ca"), ("ba", "cb", "ac"), ("abc", "bcd", "ad"), ("abc", "cbd", "ad"),
    ("abc", "abd", "acd"), ("abc", "abd", "cd"), ("abc", "abd", "dc"), ("abc", "bad", "cd"), ("abc", "dca", "bd"),
    ("abc", "cd", "dab"), ("abc", "cd", "adb"), ("a", "a", ""), ("a", "b", "ab"), ("ab", "ab", "ab"), ("ab", "b", "a"),
    ("abcd", "cbe", "aebd"), ("acb", "bcd", "dca"), ("abcd", "dbca", ""), ("", "", ""), ("", "ab", "ba"),
]  # fmt: skip


@pytest.mark.parametrize("sizes", [(3, 4, 5, 2, 6), (1, 1, 1, 1, 1), (1, 4, 1, 3, 2), (3, 0, 2, 2, 1), (2, 3, 0, 1, 2)])
@pytest.mark.parametrize("letters", LETTERS, ids=",".join)
@pytest.mark.parametrize("views", [False, True])
def test_contractions(letters: tuple[str, str, str], sizes: Sequence[int], views: bool) -> None:
    """Of whole arrays, and of slices, reversals and broadcasts."""
    of = dict(zip("abcde", sizes, strict=True))
    random = np.random.default_rng(0)
    shapes = [tuple(of[x] for x in side) for side in letters[:2]]
    given = [tuple(2 * n + 1 for n in shape) for shape in shapes] if views else shapes
    xs = [tl.symbol(f"x{k}", shape, tl.float64) for k, shape in enumerate(given)]
    if views:
        steps: list[Any] = [slice(1, None, 2), slice(None, None, -2)]
        operands = [x[tuple(steps[k % 2] for k in range(x.ndim))] for x in xs]
        operands = [x[tuple(slice(0, n) for n in shape)] for x, shape in zip(operands, shapes, strict=True)]
    else:
        operands = list(xs)
    y = contract(operands[0], operands[0], operands[1], *letters)
    program = lower(Graph(tuple(xs), (y, tl.sin(y))))
    values = [random.normal(size=shape) for shape in given]
    arrays = [x.evaluate(dict(zip(xs, values, strict=True))).numpy() for x in operands]
    want = np.einsum(f"{letters[0]},{letters[1]}->{letters[2]}", *arrays)
    got, sine = run(program, values)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(sine, np.sin(want), rtol=1e-12, atol=1e-12)


def test_other_numbers_are_multiplied_by_the_backend() -> None:
    program = program_of(lambda a, b: a @ b, (2, 3), (3, 2), dtype=tl.int64)
    assert [type(step) for step in program.steps] == [Call]


def test_outputs_share_memory_with_nothing() -> None:
    x = tl.symbol("x", (3,))
    y = tl.tanh(x)
    program = lower(Graph((x,), (x, y, y, x[::-1], tl.ones(3), x)))
    assert len(set(program.outputs)) == 6
    assert all(program.buffers[k].role == "output" for k in program.outputs)
    values = np.array([0.1, 0.2, 0.3], np.float32)
    np.testing.assert_array_equal(run(program, [values])[3], values[::-1])


def test_the_values_before_each_step_lie_in_one_buffer_with_those_after() -> None:
    """The stack of a carry, and the same shifted by one, are one buffer of a row more than steps."""
    text = printed_program(lower(optimize(training(5)[0])))
    rows = 5 * 2 * 4 + 2 * 4
    assert len(re.findall(rf"temporary f32\[{rows}\]", text)) == 2


def test_a_loop_writes_over_what_it_has_read() -> None:
    """The gates lie where the hoisted sums lay, and the gradients of the sums where the gates did."""
    program = lower(optimize(training(5)[0]))
    forward, backward = (step for step in program.steps if isinstance(step, Loop))
    rows = []
    for loop in (forward, backward):
        (kernel,) = (step for step in loop.steps if isinstance(step, Kernel))
        both = {view for view in kernel.reads if view.loops} & {s.view for s in kernel.stores}
        rows.append({(view.buffer, view.strides, view.offset) for view in both})
    assert rows[0] == rows[1]
    assert len(rows[0]) == 4


def test_a_loop_does_not_write_over_what_is_read_again() -> None:
    x, w = tl.symbol("x", (5, 2, 3)), tl.symbol("w", (3, 3))
    sums = x @ w
    total, rows = tl.scan(lambda c, z: (c + z, tl.sigmoid(z)), tl.zeros((2, 3)), sums)
    values = [np.random.default_rng(0).normal(size=s.shape).astype(np.float32) for s in (x, w)]
    y = tl.tanh(rows) * 2
    for outputs in ((total, y), (total, y, tl.sin(sums)), (y, rows[::-1] + sums)):
        want = [y.evaluate(dict(zip((x, w), values, strict=True))).numpy() for y in outputs]
        for got, wanted in zip(run(lower(Graph((x, w), outputs)), values), want, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_memory_is_used_again() -> None:
    def chain(x: Tensor) -> Tensor:
        for _ in range(50):
            x = tl.tanh(x @ x)
        return x

    assert program_of(chain, (16, 16)).arena == 2 * 16 * 16 * 4


def test_a_graph_of_many_nodes() -> None:
    x = tl.symbol("x", (2,))
    y: Any = x
    for _ in range(10_000):
        y = tl.tanh(y) + x
    program = lower(Graph((x,), (y,)))
    assert all(isinstance(step, Kernel) and len(step.body) < 1000 for step in program.steps)


def test_counts_of_a_loop_are_those_of_one_step() -> None:
    found = counts(
        program_of(
            lambda x, w: tl.scan(lambda h, x: (tl.tanh(h @ w + x),) * 2, tl.zeros((2, 3)), x)[1], (7, 2, 3), (3, 3)
        )
    )
    assert isinstance(found, Counts)
    (loop,) = found.loops
    assert (loop.gemms, loop.kernels, loop.calls, loop.loops) == (1, 1, 0, ())
    assert found.bytes_moved > 7 * loop.bytes_moved


def test_every_kind_of_step_is_printed() -> None:
    x = tl.symbol("x", (3, 3))
    picked = tl.take(x, [2, 0], axis=0)
    last, rows = tl.scan(lambda h, x: (h @ h, x), x, x, reverse=True)
    program = lower(Graph((x,), (picked, tl.gradients(picked, x), tl.argsort(x), last, rows)))
    text = printed_program(program)
    for part in ("kernel [", " @ ", "take ", "scatter ", "argsort(", "for t0 = 2 … 0", "constant i64[2]"):
        assert part in text
    assert any(isinstance(step, Loop) for step in program.steps)
    assert counts(program).calls == 3


def test_a_symbol_that_is_no_input_is_named() -> None:
    x, y = tl.symbol("x"), tl.symbol("y")
    with pytest.raises(GraphError, match=r"symbol 'y' is no input of the graph"):
        lower(Graph((x,), (x + y,)))


@pytest.mark.parametrize(
    ("f", "steps"),
    [
        (lambda a, b: a @ b + b @ a, [Gemm, Gemm]),
        (lambda a, b: tl.tanh(a) + b @ a, [Kernel, Gemm]),
        (lambda a, b: tl.transpose(a @ b) + b @ a, [Gemm, Gemm, Kernel]),
        (lambda a, b: (a @ b + b, tl.sin(b)), [Gemm, Kernel]),
        (lambda a, b: tl.tanh(a @ b + b @ a), [Gemm, Gemm, Kernel]),
        (lambda a, b: (a @ b + b @ a) @ a, [Gemm, Gemm, Gemm]),
    ],
)
def test_a_stored_sum_with_a_product_is_accumulated(f: Callable[..., Any], steps: list[Any]) -> None:
    program = program_of(f, (3, 3), (3, 3))
    assert [type(step) for step in program.steps] == steps
    values = [np.random.default_rng(k).normal(size=(3, 3)).astype(np.float32) for k in range(2)]
    want = f(*map(tl.tensor, values))
    for got, y in zip(run(program, values), want if isinstance(want, tuple) else (want,), strict=True):
        np.testing.assert_allclose(got, y.numpy(), rtol=1e-5, atol=1e-5)


def test_a_carry_is_rewritten_by_a_product_that_adds_to_what_its_kernel_wrote() -> None:
    x, w = tl.symbol("x", (4, 2, 3)), tl.symbol("w", (3, 3))

    def step(h: Tensor, x: Tensor) -> Any:
        z = tl.tanh(h + x)
        return h * 0.5 + z @ w, z

    last, rows = tl.scan(step, tl.zeros((2, 3)), x)
    program = lower(Graph((x, w), (last, rows)))
    (loop,) = counts(program).loops
    assert (loop.gemms, loop.kernels) == (1, 1)
    values = [np.random.default_rng(k).normal(size=s.shape).astype(np.float32) for k, s in enumerate((x, w))]
    want = [y.evaluate(dict(zip((x, w), values, strict=True))).numpy() for y in (last, rows)]
    for got, y in zip(run(program, values), want, strict=True):
        np.testing.assert_allclose(got, y, rtol=1e-5, atol=1e-6)
