"""What programs cost: their steps in order, and the bytes of their arena. No result changes when one of these does."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.test_lowering import compared, symbols
from tests.codegen.test_lowering_programs import agrees
from tinygrad_lstm.codegen.lowering import lower
from tinygrad_lstm.codegen.program import Kernel, Loop, Program, Step
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.graph.tensor import Tensor

Build = Callable[..., Any]


def steps(found: Sequence[Step]) -> str:
    parts = []
    for step in found:
        if isinstance(step, Loop):
            parts.append(f"{step.length} times ({steps(step.steps)})")
        else:
            parts.append(type(step).__name__.lower())
    return ", ".join(parts)


def values(*shapes: tuple[int, ...]) -> list[Any]:
    return [(np.arange(float(np.prod(s))) % 7 / 4 - 0.5).astype("float32").reshape(s) for s in shapes]


def program_of(f: Build, *shapes: tuple[int, ...]) -> Program:
    given = values(*shapes)
    xs = symbols(given)
    return compared(xs, flatten(f(*xs))[0], given)


def over(make: Build) -> Build:
    """A loop over rows that ``make`` gives, which writes rows of the same size."""

    def f(*xs: Tensor) -> Tensor:
        rows = make(*xs)
        start = tl.zeros(rows.shape[1:], rows.dtype)
        _, ys = tl.scan(lambda c, r: (c + r * 2, r * 3 + c), start, rows)
        return ys.sum()

    return f


def inner_rows(read: Build) -> Build:
    """In the body of a loop an array that a loop within it reads rows of."""

    def outer(c: Tensor, x: Tensor) -> Any:
        z = tl.tanh(x * 2)
        return tl.scan(lambda d, q: (tl.sin(d + read(z, q)), d), c, z)

    return lambda x: tl.scan(outer, tl.zeros(4), x)


def picked_at_each_step(x: Tensor) -> Any:
    """A list that all steps pick by is there once; what every block needs of it, in each."""
    where = tl.full((2,), 1, dtype=tl.int64)

    def step(c: Tensor, row: Tensor) -> Any:
        return c + tl.take(row, where) * tl.take(row * 2, where), c

    return tl.take(x, where, axis=1), tl.take(tl.tanh(x), where, axis=1), tl.scan(step, tl.zeros(2), x)


def forth_and_back(x: Tensor) -> Any:
    """Two rows a step that lie over nothing, for a later loop that writes over both."""
    last, rows = tl.scan(lambda c, r: (tl.tanh(c + r), (tl.sin(r) * c, tl.cos(r) * c)), tl.zeros((4, 4)), x)
    _, (p, q) = tl.scan(lambda c, r: (c * 0.5 + r[0], (c * r[0] + r[1], c + r[1])), last, rows, reverse=True)
    return last, x.sum(), tl.concatenate([p, q], 2).sum(0)


def turned(x: Tensor) -> Tensor:
    return tl.transpose(tl.tanh(x), (1, 0, 2))


def pair(a: Tensor, b: Tensor) -> Tensor:
    return tl.concatenate([tl.tanh(a), tl.sin(b)])


def beside_its_sine(x: Tensor) -> Tensor:
    return tl.stack([x, tl.sin(x)], -1)


def numbers_forth(x: Tensor) -> Any:
    """Rows that are numbers, and lie over nothing."""
    last, (a, b) = tl.scan(lambda c, r: (tl.tanh(c + r), (tl.sin(r) * c, tl.cos(r) * c)), 0.0, x)
    return last, x.sum(), (a * 2 + b).sum()


TWICE = "5 times (kernel), kernel"
CASES: dict[str, tuple[Build, list[tuple[int, ...]], str]] = {
    # The rows that a loop writes lie over those that it reads, whatever made them.
    "over a map": (over(tl.tanh), [(5, 4)], f"kernel, kernel, {TWICE}; 192 bytes"),
    "over a product": (over(lambda x, w: x @ w), [(5, 4), (4, 4)], f"gemm, kernel, {TWICE}; 192 bytes"),
    "over a sum": (over(lambda x: tl.exp(x).sum(2)), [(5, 4, 3)], f"kernel, kernel, {TWICE}; 192 bytes"),
    "over a choice": (over(lambda x: tl.take(x, [4, 2, 0, 1, 3])), [(5, 4)], f"gather, kernel, {TWICE}; 128 bytes"),
    "over a call": (over(tl.argsort), [(5, 4)], f"call, kernel, {TWICE}; 256 bytes"),
    "over a stack": (
        over(lambda x: tl.scan(lambda c, r: (tl.tanh(c + r), tl.cos(r)), tl.zeros(4), x)[1]),
        [(5, 4)],
        f"kernel, 5 times (kernel), kernel, {TWICE}; 192 bytes",
    ),
    "two rows over two": (
        forth_and_back, [(5, 4, 4)], f"kernel, 5 times (kernel), kernel, kernel, {TWICE}; 1408 bytes",
    ),
    "numbers over nothing": (numbers_forth, [(5,)], "kernel, 5 times (kernel), kernel, kernel, kernel; 192 bytes"),
    "a row over no number": (
        lambda x: tl.scan(lambda c, r: (c + r, c * r), tl.zeros(4), tl.tanh(x))[1].sum(),
        [(5,)],
        f"kernel, kernel, {TWICE}; 256 bytes",
    ),
    # What an inner loop reads of a row at a time is computed there; what it reads as a whole, before it.
    "a row at each step": (
        inner_rows(lambda z, q: q), [(5, 3, 4)],
        "kernel, 5 times (kernel, 3 times (kernel), kernel), kernel; 128 bytes",
    ),
    "a column at each step": (
        inner_rows(lambda z, q: q + tl.transpose(z)[:, 0]),
        [(5, 3, 4)],
        "kernel, 5 times (kernel, kernel, 3 times (kernel), kernel), kernel; 192 bytes",
    ),
    "numbers that are listed": (
        picked_at_each_step,
        [(3, 4)],
        "kernel, gather, kernel, gather, kernel, 3 times (kernel, gather, kernel, gather, kernel), kernel; 320 bytes",
    ),
    # A product whose numbers would lie apart is copied there by what reads it.
    "a product in steps of two": (
        lambda a, b: beside_its_sine(a @ b), [(1, 3), (3, 2)], "gemm, kernel; 64 bytes",
    ),
    "a product of one number": (
        lambda a, b: tl.stack([a @ b, tl.tanh(b[:1])], -1), [(1, 3), (3, 1)], "gemm, kernel; 0 bytes",
    ),
    "rows that are picked, in steps of two": (
        lambda a, b: tl.stack([tl.take(a, [2, 0]), tl.take(b, [1, 1])], -1), [(3, 4), (3, 4)],
        "gather, gather; 0 bytes",
    ),
    # What has to lie in another order is copied, and its memory is free for what is computed from the copy.
    "a choice of what is turned": (
        lambda x: tl.sin(tl.take(turned(x), [2, 0, 1, 3], axis=2)), [(4, 2, 4)],
        "kernel, kernel, gather, kernel; 256 bytes",
    ),
    "a product of what is turned": (
        lambda x, w: tl.sin(tl.einsum("abc,abd->cd", turned(x), w)), [(4, 2, 4), (2, 4, 8)],
        "kernel, gemm, kernel; 256 bytes",
    ),
    "a call of what is turned": (lambda x: tl.argsort(turned(x)) + 1, [(4, 2, 4)], "kernel, call, kernel; 384 bytes"),
    # No kernel knows the largest of two truth values.
    "whether any": (lambda x: tl.max(x > 0, axis=0), [(3, 4)], "kernel, call; 64 bytes"),
    # A slice of joined arrays is one of a part of them.
    "the end of a part": (lambda a, b: pair(a, b)[2:5:2] + pair(b, a)[5:7] * 2, [(5,), (5,)], "kernel; 0 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_steps_and_memory(name: str) -> None:
    f, shapes, wanted = CASES[name]
    program = program_of(f, *shapes)
    assert f"{steps(program.steps)}; {program.arena} bytes" == wanted


def test_kernels_grow_to_a_number_of_members() -> None:
    """What is moved to those that read it counts as well."""

    def many(x: Tensor, w: Tensor) -> list[Tensor]:
        product = w @ w
        return [tl.tanh(x + float(k)) * product for k in range(200)]

    program = program_of(many, (3, 3), (3, 3))
    kernels = [step for step in program.steps if isinstance(step, Kernel)]
    members = [sum(s.op in ("tanh", "multiply") for s in kernel.body) for kernel in kernels]
    assert len(members) == 3
    assert max(members) <= 256


def test_rows_of_several_stacks_lie_side_by_side() -> None:
    _, first, *_ = program_of(forth_and_back, (5, 4, 4)).steps
    assert isinstance(first, Loop)
    (inner,) = (step for step in first.steps if isinstance(step, Kernel))
    one, other = (s.view for s in inner.stores if s.view.loops)
    assert (one.buffer, one.strides) == (other.buffer, other.strides)
    assert abs(one.offset - other.offset) == 4


PROGRAMS: dict[str, tuple[Build, list[tuple[int, ...]]]] = {
    **{
        f"a join from {k.start} by {k.step}": (lambda a, b, k=k: pair(a, b)[k] * 2, [(3,), (3,)])
        for k in (slice(0, None, 2), slice(1, None, 2), slice(2, None, 3), slice(4, 1, -1), slice(5, None, -2))
    },
    "a sum in what is padded": (
        lambda x: tl.scan(lambda c, r: (c + 1.0, tl.pad(r.sum(-1, keepdims=True), ((0, 0), (1, 4)))), 0.0, x)[1],
        [(2, 4, 6)],
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_results(name: str) -> None:
    f, shapes = PROGRAMS[name]
    given = values(*shapes)
    xs = symbols(given)
    agrees(xs, flatten(f(*xs))[0], given)


def test_halves_are_computed_in_kernels_where_the_backend_wants_them() -> None:
    x, w = tl.symbol("x", (3, 3), tl.float16), tl.symbol("w", (3, 3), tl.float16)
    graph = Graph((x, w), ((tl.tanh(x) @ w).sum(axis=1),))
    assert steps(lower(graph).steps) == "call, call, call"
    assert steps(lower(graph, halves=True).steps) == "kernel, gemm, kernel"
