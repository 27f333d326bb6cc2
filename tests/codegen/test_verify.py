"""The verifier of programs: what it finds when the lowering, or a program, is broken on purpose."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.executor import run
from tests.codegen.test_lowering import symbols
from tests.passes.cells import random_cell
from tinygrad_lstm.codegen import bodies, emission, lowering, placing
from tinygrad_lstm.codegen.lowering import Lowering, lower, lowered
from tinygrad_lstm.codegen.program import Gemm, Kernel, Loop, Program, Step, View
from tinygrad_lstm.codegen.references import coordinates
from tinygrad_lstm.codegen.scheduling import schedule
from tinygrad_lstm.codegen.verify_program import verify_program
from tinygrad_lstm.errors import ProgramError
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.passes import optimize


def graph(f: Callable[..., Any], *values: Any) -> Graph:
    xs = symbols(values)
    ys = f(*xs)
    return optimize(Graph(tuple(xs), tuple(ys) if isinstance(ys, tuple) else (ys,)))


def verified(forms: Lowering, program: Program | None = None) -> None:
    verify_program(forms.operations, forms.emitted if program is None else replace(forms.emitted, program=program))


def reshaped_beside_itself(x: Any) -> Any:
    _, ys = tl.scan(lambda c, v: (c + v, c + v), tl.zeros(2, dtype=tl.float64), x)
    return ys.reshape(3, 4), ys


def permuted_beside_its_reader(a: Any) -> Any:
    o = tl.transpose(tl.tanh(a)).reshape(2, 3)
    return o, o * 2


def element_beside_a_sum(e: Any, x: Any, w: Any) -> Any:
    return (x * 2 + w)[3] + (e * 3).sum()


def test_a_stack_that_is_laid_out_by_another_shape_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    at = graph(reshaped_beside_itself, np.zeros((6, 2)))
    verified(lowered(at))
    regrouped = placing.regrouped
    monkeypatch.setattr(placing, "regrouped", lambda shape, strides, target: (
        strides if (shape, target) == ((3, 4), (6, 2)) else regrouped(shape, strides, target)
    ))  # fmt: skip
    with pytest.raises(ProgramError, match=r"step \d+: b1\[2 from 4·t0\] reaches from element 0 to 21 of 12: kernel"):
        verified(lowered(at))


def test_a_reader_that_gets_the_order_of_the_source_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    at = graph(permuted_beside_its_reader, np.zeros((2, 3)))
    verified(lowered(at))
    forms = lowered(at)
    monkeypatch.setattr(lowering, "build", lambda *_: forms.operations)
    monkeypatch.setattr(lowering, "place", lambda _: forms.placed)
    seen_at = emission.seen_at

    def of_the_source(ref: Any, place: Any, lengths: Any) -> Any:
        found = seen_at(ref, place, lengths)
        # The reader takes the elements in the order in which tanh has them.
        return replace(found, strides=(1, 2)) if ref.operation in forms.placed.written_by else found

    monkeypatch.setattr(emission, "seen_at", of_the_source)
    with pytest.raises(ProgramError, match=r"step 1 reads wrong bytes: .*is not copy \[3, 2\] \(step 0 wrote it"):
        verified(lowered(at))


def test_an_operand_without_its_offset_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    at = graph(element_beside_a_sum, np.ones(2), np.arange(4.0), np.arange(4.0))
    verified(lowered(at))

    def without_offset(*args: Any) -> Any:
        axes = coordinates(*args)
        return axes and [axis._replace(offset=0) for axis in axes]

    monkeypatch.setattr(bodies, "coordinates", without_offset)
    with pytest.raises(ProgramError, match=r"step \d writes wrong bytes: .* is not add"):
        verified(lowered(at))


def test_a_carry_that_is_written_before_it_is_read_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def turned(x: Any) -> Any:
        return tl.scan(lambda c, v: (tl.transpose(c) * v, None), x, x)[0]

    at = graph(turned, np.ones((3, 3)))
    verified(lowered(at))

    def all_in_place(fused: Any) -> Any:
        scheduled = schedule(fused)
        places, over = scheduled.places, dict(scheduled.over)
        over.update({places[c.updated].storage: places[c.symbol].storage for c in scheduled.copied})
        return replace(scheduled, copied=frozenset(), over=over)

    monkeypatch.setattr(lowering, "schedule", all_in_place)
    with pytest.raises(ProgramError, match=r"is written where b2\[3,3 step 1,3\] is read at another point at t0"):
        verified(lowered(at))


def test_buffers_that_share_bytes_are_found() -> None:
    forms = lowered(graph(lambda x, w: tl.softmax(tl.tanh(x @ w) @ w) @ w, np.ones((2, 2)), np.ones((2, 2))))
    buffers = [replace(b, offset=0) if b.role == "temporary" else b for b in forms.program.buffers]
    with pytest.raises(ProgramError, match=r"buffers b\d+ and b\d+ share bytes"):
        verified(forms, replace(forms.program, buffers=tuple(buffers)))


# Random cells, broken at random: wherever the results change, the verifier says so.


def changed_views(view: View, random: Random) -> View:
    ways = [replace(view, offset=view.offset + random.choice((-1, 1)))]
    if view.loops:
        ways += [replace(view, loops=()), replace(view, loops=tuple([(n, s + 1) for n, s in view.loops]))]
    if view.strides:
        k = random.randrange(len(view.strides))
        ways.append(replace(view, strides=tuple([s + (i == k) for i, s in enumerate(view.strides)])))
    return random.choice(ways)


def changed_step(step: Step, random: Random) -> Step:
    if isinstance(step, Kernel):
        if step.reads and random.random() < 0.6:
            k = random.randrange(len(step.reads))
            reads = [changed_views(v, random) if i == k else v for i, v in enumerate(step.reads)]
            return replace(step, reads=tuple(reads))
        k = random.randrange(len(step.stores))
        stores = [replace(s, view=changed_views(s.view, random)) if i == k else s for i, s in enumerate(step.stores)]
        return replace(step, stores=tuple(stores))
    if isinstance(step, Gemm):
        side = random.choice(("left", "right", "out", "accumulate"))
        value = getattr(step, side)
        return replace(step, **{side: not value if side == "accumulate" else changed_views(value, random)})
    return step


def changed_steps(steps: tuple[Step, ...], random: Random) -> tuple[Step, ...]:
    k = random.randrange(len(steps))
    step = steps[k]
    if isinstance(step, Loop) and random.random() < 0.8:
        new: Step = replace(step, steps=changed_steps(step.steps, random))
    else:
        new = changed_step(step, random)
    return (*steps[:k], new, *steps[k + 1 :])


def results(program: Program, values: list[Any]) -> list[Any] | None:
    """None where it breaks a promise that NumPy, or the executor, sees."""
    try:
        return run(program, values)
    except (ValueError, IndexError, AssertionError):
        return None


def broken(seed: int) -> Iterator[tuple[Lowering, Program, bool]]:
    """Programs that were changed at one place, and whether that changes a result."""
    random = Random(seed)
    subject = random_cell(lambda n: random.randrange(n) if n > 1 else 0, 1)
    forms = lowered(optimize(subject.graph))
    values = [np.ascontiguousarray(subject.at[x]) for x in subject.graph.inputs]
    want = results(forms.program, values)
    assert want is not None
    for _ in range(8):
        program = replace(forms.program, steps=changed_steps(forms.program.steps, random))
        got = results(program, values)
        if got is not None:
            yield forms, program, any(not np.allclose(a, b, equal_nan=True) for a, b in zip(got, want, strict=True))


def test_what_changes_a_result_is_found() -> None:
    found = 0
    for forms, program, differs in (one for seed in range(40) for one in broken(seed)):
        if differs:
            with pytest.raises(ProgramError):
                verified(forms, program)
            found += 1
    assert found > 10


def test_the_variable_of_the_environment_turns_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    at = graph(permuted_beside_its_reader, np.zeros((2, 3)))
    monkeypatch.setattr(lowering, "verify_program", lambda *_: (_ for _ in ()).throw(ProgramError("was asked")))
    monkeypatch.setenv("TINYGRAD_LSTM_VERIFY", "0")
    lower(at)
    monkeypatch.setenv("TINYGRAD_LSTM_VERIFY", "1")
    with pytest.raises(ProgramError, match="was asked"):
        lower(at)
