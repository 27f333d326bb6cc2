"""What each pass makes of a small graph, as text. ``UPDATE_GOLDEN=1 pytest tests/passes`` writes the texts anew."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.passes.contraction import contractions
from tinygrad_lstm.passes.dead_code import dead_code, lift
from tinygrad_lstm.passes.hoist import hoist
from tinygrad_lstm.passes.inline_views import inline_views
from tinygrad_lstm.passes.merge import merge
from tinygrad_lstm.passes.normal_form import normal_form
from tinygrad_lstm.passes.rewriting import everywhere
from tinygrad_lstm.passes.simplify import cse, simplify
from tinygrad_lstm.passes.sink import sink
from tinygrad_lstm.passes.split_concat import split_concat
from tinygrad_lstm.passes.split_slice import split_slice
from tinygrad_lstm.passes.stack_matmuls import stack_matmuls

Rewriting = Callable[[Iterable[Tensor]], list[Tensor]]
Build = Callable[[], list[Tensor]]
X = tl.symbol("x", (5, 2, 3))
A, B = tl.symbol("a", (2, 3)), tl.symbol("b", (2, 3))
V, W = tl.symbol("v", (3, 3)), tl.symbol("w", (3, 3))
TALL = tl.symbol("tall", (6, 3))
H = tl.symbol("h", (2, 3))
GOLDEN = Path(__file__).parent.parent / "golden" / "passes"
CASES: dict[str, tuple[Build, Rewriting]] = {}


def prepared(outputs: Iterable[Any]) -> list[Tensor]:
    """With products as contractions, and no expression twice."""
    return everywhere(everywhere(list(outputs), contractions), cse)


def case(rewriting: Rewriting) -> Callable[[Build], Build]:
    def add(build: Build) -> Build:
        CASES[build.__name__] = (build, rewriting)
        return build

    return add


def scan(f: Callable[[Any, Any], Any], init: Any = H, xs: Any = X, reverse: bool = False) -> Any:
    return tl.scan(f, init, xs, reverse=reverse)


@case(contractions)
def a_transposed_product_has_no_transposes() -> list[Tensor]:
    return [tl.transpose(tl.transpose(W) @ tl.transpose(A))]


@case(contractions)
def a_batch_of_one_is_no_axis_of_a_product() -> list[Tensor]:
    return [X @ tl.reshape(W, (1, 3, 3))]


@case(contractions)
def what_is_broadcast_over_a_batch_is_no_axis_of_a_product() -> list[Tensor]:
    wide, inner = tl.broadcast_to(W, (5, 3, 3)), tl.broadcast_to(W[:1], (3, 3))
    return [
        X @ wide,
        tl.transpose(wide, (2, 1, 0)).reshape(3, 15) @ tl.ones((15, 2)),
        A @ inner,
        tl.transpose(inner) @ V,
    ]


@case(simplify)
def views_of_views_are_one_view() -> list[Tensor]:
    wide = tl.broadcast_to(tl.broadcast_to(A, (1, 2, 3)), (4, 2, 3))
    return [A.reshape(3, 2).reshape(6), A.reshape(6).reshape(2, 3), wide, tl.broadcast_to(A, (2, 3)), X[1:][:, ::2][:2]]


@case(cse)
def equal_expressions_become_one() -> list[Tensor]:
    return [tl.tanh(A) * tl.tanh(A), tl.full((), 0.0) + A, tl.full((), -0.0) + A]


@case(dead_code)
def what_nothing_reads_leaves_the_loop() -> list[Tensor]:
    (last, _, _), _ = scan(lambda c, x: ((c[0] + c[2], c[1] * x, c[2]), x), (A, B, H))
    return [last]


@case(dead_code)
def stacks_that_nothing_reads_leave_the_loop() -> list[Tensor]:
    _, (ys, _, again) = scan(lambda c, x: (tl.tanh(c + x), (tl.sin(c), c * x @ W, tl.sin(c))))
    return [ys, again]


@case(dead_code)
def a_stack_of_slices_is_the_sequence() -> list[Tensor]:
    _, (ys, twice) = scan(lambda c, x: (c, (x, x)))
    return [ys, twice]


@case(lift)
def what_is_the_same_at_each_step_is_computed_once() -> list[Tensor]:
    last, _ = scan(lambda c, x: (c + x @ tl.tanh(V), None))
    return [last]


@case(lift)
def arrays_that_a_step_makes_are_made_once() -> list[Tensor]:
    last, _ = scan(lambda c, x: (c * tl.sin(tl.arange(3).astype(tl.float32)) + tl.zeros(3) * x + 2.0, None))
    return [last]


@case(inline_views)
def a_transposed_operand_is_transposed_inside() -> list[Tensor]:
    return [scan(lambda c, x: (c @ tl.transpose(W) + x, None))[0]]


@case(normal_form)
def the_history_of_a_carry_is_what_it_becomes_a_step_before() -> list[Tensor]:
    last, _ = scan(lambda c, x: (tl.tanh(c * x), None))
    return [tl.gradients(last.sum(), X)]


@case(stack_matmuls)
def products_with_one_operand_become_one() -> list[Tensor]:
    return prepared([tl.sin(X @ V), tl.cos(X @ W)])


@case(stack_matmuls)
def a_sum_of_products_becomes_one() -> list[Tensor]:
    return prepared([tl.sin(X) @ V + tl.cos(X) @ W])


@case(stack_matmuls)
def products_that_need_each_other_stay() -> list[Tensor]:
    return prepared([tl.sin(A @ V) @ V])


@case(stack_matmuls)
def products_of_unlike_depth_become_one() -> list[Tensor]:
    """Unless one of them is needed for the other."""
    rows = X.reshape(10, 3)
    deep = rows @ tl.tanh(V @ W)
    return prepared([tl.sin(rows @ V), tl.cos(deep), rows @ tl.tanh(tl.transpose(rows) @ deep)])


def flat(name: str, rows: int, inner: int, columns: int) -> Tensor:
    """A sum of two products of arrays that joining would copy."""
    pairs = [(tl.symbol(f"{name}{k}", (rows, inner)), tl.symbol(f"{name}{k}'", (inner, columns))) for k in range(2)]
    return pairs[0][0] @ pairs[0][1] + pairs[1][0] @ pairs[1][1]


@case(stack_matmuls)
def joining_copies_no_more_than_it_saves() -> list[Tensor]:
    """As many bytes as two results of a product, or as the shared operand: not one more."""
    x, y = tl.symbol("x4", (4, 3)), tl.symbol("y4", (4, 3))
    shared = [(x, 2), (x, 2), (y, 2), (y, 3)]
    products = [s @ tl.symbol(f"u{k}", (3, n)) for k, (s, n) in enumerate(shared)]
    return prepared([flat("a", 4, 2, 4), flat("b", 4, 2, 3), *products])


@case(stack_matmuls)
def a_sum_of_products_within_a_body_becomes_one() -> list[Tensor]:
    """Those that stay the same, and those of one carry; the rest of the sum is added."""

    def step(h: Tensor, x: Tensor) -> Any:
        return tl.tanh(A @ V + x + h @ V + B @ W + tl.sin(h) @ W), None

    return prepared([scan(step)[0]])


@case(split_concat)
def joined_arrays_are_multiplied_apart() -> list[Tensor]:
    return prepared([scan(lambda h, x: (tl.tanh(tl.concatenate([h, x], 1) @ TALL), None))[0]])


@case(split_concat)
def arrays_of_one_class_stay_joined() -> list[Tensor]:
    return prepared([scan(lambda h, x: (tl.tanh(tl.concatenate([h, tl.sin(h)], 1) @ TALL) + x, None))[0]])


@case(split_concat)
def neighbours_of_one_class_stay_joined() -> list[Tensor]:
    long = tl.concatenate([TALL, V])

    def step(h: Tensor, x: Tensor) -> Any:
        a, b = tl.concatenate([h, x, tl.sin(x)], 1), tl.concatenate([h, x, tl.sin(h)], 1)
        return tl.tanh(a @ long) + tl.sin(b @ long), None

    return prepared([scan(step)[0]])


@case(split_concat)
def joined_rows_that_no_carry_waits_for_are_multiplied_apart() -> list[Tensor]:
    """Where they are products themselves, and are joined outside the loop again."""

    def step(h: Tensor, x: Tensor) -> Any:
        heavy, light = [x @ V, x @ W], [tl.sin(x), x]
        return tl.tanh(h + x), [
            tl.concatenate(heavy, 0) @ V,
            W @ tl.concatenate(heavy, 0).reshape(3, 4),
            tl.concatenate(light, 0) @ V,
        ]

    return prepared(scan(step)[1])


@case(split_slice)
def parts_of_a_sum_are_sums_of_parts() -> list[Tensor]:
    """What is used of it for one purpose alone is computed for that one, and the rest of it not at all."""

    def step(h: Tensor, x: Tensor) -> Any:
        y = tl.tanh(h + x) @ tl.transpose(TALL) + h @ tl.transpose(tl.sin(TALL))
        z = tl.sin(h) @ tl.transpose(TALL)
        return y[:, :3], (y[:, 3:], z[1:, 1:3], z[1:, 2:5])

    return prepared([y for part in scan(step) for y in (part if isinstance(part, tuple) else (part,))])


@case(split_slice)
def parts_for_different_uses_are_computed_apart() -> list[Tensor]:
    def step(h: Tensor, x: Tensor) -> Any:
        y = tl.tanh(h + x) @ tl.transpose(TALL)
        return y[:, :3], y[:, 3:]

    return prepared(scan(step))


@case(hoist)
def what_needs_no_carry_is_done_before_the_loop() -> list[Tensor]:
    return prepared([scan(lambda h, x: (tl.tanh(h + tl.sin(x) @ W), None))[0]])


@case(hoist)
def a_loop_without_carries_is_none() -> list[Tensor]:
    return prepared([tl.scan(lambda c, x: (c, tl.sin(x)[:, ::2] + tl.reshape(B, (3, 2))[0]), (), X)[1]])


@case(sink)
def a_sum_of_products_over_time_is_one_product() -> list[Tensor]:
    step = lambda c, x: ((tl.tanh(c[0] + x), c[1] + tl.transpose(x) @ c[0]), None)  # noqa: E731
    return prepared([scan(step, (H, W))[0][1]])


@case(sink)
def sums_of_products_that_are_moved_about_are_products() -> list[Tensor]:
    """Over steps too: no product of one step is stacked."""

    def step(c: Any, x: Tensor) -> Any:
        h, first, second = c
        p, q = tl.transpose(x) @ h, tl.transpose(h) @ x
        turned = tl.transpose(-p).reshape(9)[1:7]
        joined = tl.concatenate([(p + q)[:1], (p - tl.transpose(q))[1:, :].named("difference")], 0)
        return (tl.tanh(h + x), first + turned, joined + second), None

    (_, *sums), _ = scan(step, (H, tl.zeros(6), tl.zeros((3, 3))))
    return prepared(sums)


@case(sink)
def a_sum_of_products_with_what_stays_is_a_product_and_a_sum() -> list[Tensor]:
    def step(c: Any, x: Tensor) -> Any:
        return (tl.tanh(c[0] + x), c[1] + c[0] @ W, c[2] + (V @ tl.transpose(c[0]) - tl.transpose(x @ V))), None

    (_, *sums), _ = scan(step, (H, A, tl.zeros((3, 2))))
    return prepared(sums)


@case(sink)
def a_sum_with_a_product_that_is_stacked_is_one_sum() -> list[Tensor]:
    def step(c: Any, x: Tensor) -> Any:
        y = c[0] @ tl.transpose(c[0])
        h = tl.tanh(y @ c[0] + x)
        return (h, c[1] + (y - x @ tl.transpose(A))), (y, h)

    (_, total), ys = scan(step, (H, tl.zeros((2, 2))))
    return prepared([total, *ys])


@case(sink)
def what_no_carry_waits_for_is_done_after_the_loop() -> list[Tensor]:
    return prepared([scan(lambda h, x: ((n := tl.tanh(h + x)), n @ W))[1]])


@case(sink)
def sums_of_several_terms_are_added_to_what_they_start_from() -> list[Tensor]:
    def step(c: Any, x: Tensor) -> Any:
        p, q = tl.transpose(x) @ c[0], tl.transpose(x) @ x
        return (tl.tanh(c[0] + x), p + (c[1] + V + q), c[2] + q), None

    return prepared(scan(step, (H, W, tl.ones((3, 3))))[0][1:])


@case(sink)
def a_sum_that_the_loop_reads_stays() -> list[Tensor]:
    step = lambda c, x: ((tl.tanh(c[0] @ c[1]), c[1] + tl.transpose(x) @ c[0]), None)  # noqa: E731
    return prepared([scan(step, (H, W))[0][1]])


@case(merge)
def loops_that_only_start_alike_stay_apart() -> list[Tensor]:
    return cse([scan(lambda h, x: (tl.tanh(h + x), h))[1], scan(lambda h, x: (tl.sin(h + x), h))[1]])


@case(merge)
def loops_that_share_a_carry_run_as_one() -> list[Tensor]:
    one = scan(lambda h, x: (tl.tanh(h + x), h))[1]
    other = scan(lambda c, x: ((tl.tanh(c[0] + x), c[1] + c[0]), None), (H, A))[0][1]
    return cse([one, other])


ALONE: dict[str, Callable[[Tensor], Tensor]] = {
    "contract": lambda x: x @ W, "concatenate": lambda x: tl.concatenate([x, A]), "pad": lambda x: tl.pad(x, 1),
    "broadcast_to": lambda x: tl.broadcast_to(x, (4, 2, 3)), "slice": lambda x: x[1:, ::2], "flip": tl.flip,
    "reshape": lambda x: x.reshape(3, 2), "transpose": tl.transpose, "sum": lambda x: x.sum(axis=0),
    "max": lambda x: tl.max(x, axis=1), "min": lambda x: tl.min(x, axis=1), "argmax": lambda x: tl.argmax(x, axis=1),
    "logsumexp": lambda x: tl.logsumexp(x, axis=1), "argsort": lambda x: tl.argsort(x, axis=1),
    "take": lambda x: tl.take(x, [1, 0], axis=1), "elementwise": lambda x: tl.tanh(x) * x,
    "pinv": tl.pinv, "eigh": lambda x: tl.eigh(x @ x.T)[0], "svd": lambda x: tl.svdvals(x),
    "identity": lambda x: tl.stop_gradient(x).named("n"),
}  # fmt: skip


@pytest.mark.parametrize("name", ALONE)
def test_what_can_be_done_for_all_steps_at_once_needs_no_loop(name: str) -> None:
    _, ys = tl.scan(lambda c, x: (c, ALONE[name](x)), (), X)
    (all_at_once,) = hoist(prepared([ys]))
    assert "scan" not in tl.printed(all_at_once)
    x = np.random.default_rng(0).normal(size=X.shape)
    at = {X: x, A: x[0] + 1, W: np.eye(3)}
    np.testing.assert_allclose(all_at_once.evaluate(at).numpy(), ys.evaluate(at).numpy(), rtol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_rewriting(name: str) -> None:
    build, rewriting = CASES[name]
    text = tl.printed(*rewriting(build())) + "\n"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
