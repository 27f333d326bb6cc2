"""A share of the fuzz, and the tool itself: what it is to find it finds, shrinks, and prints so that it runs."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tinygrad_lstm_c import kernel
from tinygrad_lstm_c.toolchain import find_compiler
from tinygrad_lstm_numpy.executable import CompiledProgram

import tinygrad_lstm as tl
from tests.codegen.small_programs import needs_c
from tests.fuzz import tool
from tests.fuzz.comparing import RejectedError, difference
from tests.fuzz.generator import generated
from tests.fuzz.noise import disturbed, sources, within
from tests.fuzz.program import Loop, Program, Statement, program_text, used, words
from tests.fuzz.shrinking import shrunk, size
from tests.fuzz.signature import signature
from tests.fuzz.worker import reduced
from tinygrad_lstm.codegen import fusing
from tinygrad_lstm.codegen.c_family import loop_nest

ONE = np.ones((2, 3), np.float32)
F32 = ((2, 3), "float32")


def straight(*steps: Statement, outputs: tuple[str, ...], calls: int = 1) -> Program:
    """A program of one argument, ``a``, whose values are all of one type."""
    names = ["a0", *[r for s in steps for r in s.results]]
    return Program(("a0",), (), steps, outputs, ((ONE,),) * calls, dict.fromkeys(names, F32))


def step(result: str, template: str, *args: str) -> Statement:
    return Statement((result,), template, args)


def agree(seed: int, numbers: range, backend: str) -> None:
    for number in numbers:
        program = generated(seed, number)
        try:
            found = difference(program, backend)
        except RejectedError:
            continue
        if found is not None:
            small = reduced(program, backend, found.kind)
            pytest.fail(f"{found.kind}\n{program_text(small, backend)}\n{found.detail}")


@pytest.mark.parametrize("part", range(4))
def test_random_programs(part: int) -> None:
    agree(7, range(60 * part, 60 * part + 60), "numpy")


@needs_c
@pytest.mark.parametrize("part", range(2))
def test_random_programs_in_c(part: int) -> None:
    agree(8, range(6 * part, 6 * part + 6), "c")


@needs_c
@pytest.mark.parametrize("part", range(2))
def test_random_programs_in_c_whose_workers_share_the_smallest_kernels(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "_SPREAD_FROM", 2)
    monkeypatch.setattr(kernel, "_CHUNK", 3)
    monkeypatch.setattr(kernel, "_FEWEST", 1)
    monkeypatch.setattr(loop_nest, "_SHARED_FROM", 2)
    monkeypatch.setattr(fusing, "_LARGE", 1)
    agree(11, range(15 * part, 15 * part + 15), "c")


def test_programs_are_those_of_the_seed() -> None:
    texts = [program_text(generated(3, k), "numpy") for k in range(30)]
    assert texts == [program_text(generated(3, k), "numpy") for k in range(30)]
    assert len(set(texts)) == 30
    again = "from tests.fuzz.generator import *; from tests.fuzz.program import *; "
    again += "print(program_text(generated(3, 7), 'numpy'), end='')"
    said = subprocess.run([sys.executable, "-c", again], capture_output=True, encoding="utf-8", check=True)
    assert said.stdout == texts[7]


def test_programs_are_of_all_kinds() -> None:
    every = [s for k in range(400) for s in used(generated(1, k).steps)]
    text = " ".join(s.template for s in every if isinstance(s, Statement))
    wanted = words("transpose reshape flip concatenate gradients assign take .at[ @ sum logsumexp where astype")
    for word in wanted:
        assert word in text, word
    loops = [s for s in every if isinstance(s, Loop)]
    assert {loop.style for loop in loops} == {"tuple", "list", "dict", "single"}
    assert {loop.reverse for loop in loops} == {False, True}
    assert {0, 1} < {loop.length for loop in loops}
    assert any(isinstance(s, Loop) for loop in loops for s in loop.body)
    assert any(not loop.xs for loop in loops)
    assert any(new == c for loop in loops for c, _, new, _ in loop.carries)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A compiler whose programs give a wrong last element of the second result, if there is one."""
    run = CompiledProgram.__call__

    def wrong(self: CompiledProgram, inputs: Any) -> list[Any]:
        outputs = run(self, inputs)
        for y in outputs[1:2]:
            if y.size and y.dtype == np.float32:
                y.flat[-1] += 1
        return outputs

    monkeypatch.setattr(CompiledProgram, "__call__", wrong)
    return


@pytest.mark.usefixtures("broken")
def test_a_broken_compiler_is_found_and_the_program_shrunk() -> None:
    program = next(
        p for p in (generated(5, k) for k in range(100)) if len(list(used(p.steps))) > 8 and difference(p, "numpy")
    )
    found = difference(program, "numpy")
    assert found is not None
    small = reduced(program, "numpy", found.kind)
    assert size(small) < size(program)
    assert len(list(used(small.steps))) <= 2
    assert len(small.outputs) + len(small.variables) == 2


def test_what_is_printed_runs_and_shows_the_difference(tmp_path: Path) -> None:
    program = straight(step("v", "({0} + 1)", "a0"), step("w", "({0} * 2)", "v"), outputs=("v", "w"), calls=2)
    program = replace(program, variables=(("s", "State", ONE),), types={**program.types, "s": F32})
    program = replace(program, steps=(*program.steps, Statement((), "{0}.assign({1})", ("s", "w"))))
    path = tmp_path / "program.py"
    path.write_text(program_text(program, "numpy"), encoding="utf-8")
    said = subprocess.run([sys.executable, str(path)], capture_output=True, encoding="utf-8", check=True)
    assert said.stdout.split() == ["same"] * 6
    path.write_text(
        program_text(program, "numpy").replace("jitted = tl.jit(f)", "jitted = tl.jit(lambda a0: f(-a0))"),
        encoding="utf-8",
    )
    said = subprocess.run([sys.executable, str(path)], capture_output=True, encoding="utf-8", check=True)
    assert "jit array" in said.stdout
    assert "plain array" in said.stdout


def test_shrinking_keeps_what_matters() -> None:
    steps = [step(f"v{k}", "({0} + 1)", f"v{k - 1}" if k else "a0") for k in range(9)]
    steps[4] = step("v4", "tl.tanh({0})", "v3")
    program = straight(*steps, outputs=("v8", "v1", "v8"), calls=2)
    small = shrunk(program, lambda p: any("tanh" in s.template for s in p.steps if isinstance(s, Statement)))
    assert [s.template for s in small.steps if isinstance(s, Statement)] == ["tl.tanh({0})"]
    assert len(small.outputs) == len(small.calls) == 1


def test_shrinking_loops() -> None:
    body = (step("n", "({0} + {1})", "c", "x"), step("m", "({0} * {0})", "d"))
    loop = Loop(1, (("c", "b", "n", "last"), ("d", "b", "m", "other")), (("x", "a0"),), (("n", "ys"),), body, 2, True)
    row, rows = ((3,), "float32"), ((2, 3), "float32")
    types = {
        "a0": rows,
        "b": row,
        "c": row,
        "x": row,
        "d": row,
        "n": row,
        "m": row,
        "last": row,
        "other": row,
        "ys": rows,
    }
    steps = (step("b", "{0}[0]", "a0"), loop)
    program = Program(("a0",), (), steps, ("ys", "last", "other"), ((ONE,),), types)
    assert difference(program, "numpy") is None

    def sound(candidate: Program) -> bool:
        try:
            return difference(candidate, "numpy") is None and any(isinstance(s, Loop) for s in candidate.steps)
        except RejectedError:
            return False

    small = shrunk(program, sound)
    (left,) = [s for s in small.steps if isinstance(s, Loop)]
    assert len(left.carries) + len(left.ys) == 1
    assert not left.reverse
    assert len(left.body) <= 1


def test_bits_matter_where_no_order_of_sums_differs() -> None:
    x = tl.symbol("x", (3,))
    assert sources([x * 2 + 1, x.reshape(3, 1), tl.where(x < 0, x, 1)]) == frozenset()
    assert sources([x.sum() * 0]) == {"sums"}
    assert sources([tl.exp(x)]) == {"functions"}
    assert sources([tl.max(x)]) == {"zeros"}
    assert sources([tl.scan(lambda c, v: (c + v, None), tl.zeros(()), x)[0]]) == {"sums"}
    assert sources([tl.scan(lambda c, v: (c * v, None), tl.ones(()), x)[0]]) == frozenset()
    assert sources([tl.arange(4).sum()]) == frozenset()


def samples(f: Any, *reasons: str) -> tuple[Any, list[Any]]:
    """A result, and disturbed ones."""
    found = []
    for n in range(8):
        with disturbed(frozenset(reasons), n, 1.0):
            found.append(f().numpy().copy())
    return f().numpy(), found


def test_rounding_is_allowed_for_and_nothing_else() -> None:
    x = np.random.default_rng(0).normal(size=50).astype(np.float32)
    want, found = samples(lambda: tl.tensor(x).sum(), "sums")
    backwards = np.float32(0)
    for v in x[::-1]:
        backwards += v
    assert within(backwards.reshape(()), want, found)
    assert not within(want + np.float32(1e-4), want, found)
    assert not within(want * np.float32(np.nan), want, found)


def test_what_cancels_may_differ_by_the_rounding_of_its_terms() -> None:
    big = np.array([1e6, 1, -1e6, 1e-3], np.float32)
    want, found = samples(lambda: tl.tensor(big).sum() * 1000, "sums")
    assert within(want + np.float32(100), want, found)
    assert not within(want + np.float32(2000), want, found)


def test_the_logarithm_of_a_sum_near_1_has_the_rounding_of_the_sum() -> None:
    x = np.array([0, -10.0], np.float32)
    want, found = samples(lambda: tl.logsumexp(tl.tensor(x)), "sums", "functions")
    assert within(want + np.float32(2e-7), want, found)
    assert not within(want + np.float32(1e-5), want, found)


def test_what_is_exact_stays_so_under_noise() -> None:
    want, found = samples(lambda: tl.where(tl.tensor([0.5, -0.0, np.inf]).sum() > 1, 1, 0), "sums")
    assert within(want, want, found)
    assert not within(want + 1, want, found)
    want, found = samples(lambda: tl.tensor([-0.0, 2.0]) * 1, "functions")
    assert within(want, want, found)
    assert not within(want + np.float32(0), want, found)


def test_a_partial_sum_that_overflows_asks_for_nothing() -> None:
    x = np.array([3e38, 3e38, -3e38, -3e38], np.float32)
    want, found = samples(lambda: tl.tensor(x).sum(), "sums")
    assert within(np.zeros_like(want), want, found)


def test_programs_that_fail_plainly_are_rejected() -> None:
    with pytest.raises(RejectedError, match="ShapeError"):
        difference(straight(step("v", "tl.reshape({0}, (5,))", "a0"), outputs=("v",)), "numpy")


def test_signatures() -> None:
    program = straight(step("v", "tl.tanh({0}).T", "a0"), step("w", "({0} * 2)", "v"), outputs=("v", "w"))
    assert signature("differs", program) == "differs: elementwise function view"


def test_the_tool_keeps_what_it_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--seconds", "60", "--seed", "6", "--count", "20", "--out", str(tmp_path / "found")]
    assert tool.main(arguments) == 0
    assert "20 programs" in capsys.readouterr().err
    assert not (tmp_path / "found").exists()


@pytest.mark.usefixtures("broken")
def test_one_program_in_this_process(capsys: pytest.CaptureFixture[str]) -> None:
    number = next(k for k in range(100) if difference(generated(5, k), "numpy"))
    assert tool.main(["--seed", "5", "--only", str(number)]) == 1
    assert "# shrunk; differs" in capsys.readouterr().out


@needs_c
@pytest.mark.slow
def test_a_program_that_kills_its_process_is_told_and_the_next_one_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a compiler whose shared objects cannot be loaded without an illegal instruction."""
    (tmp_path / "trap.h").write_text(
        "__attribute__((constructor)) static void die(void) { __builtin_trap(); }\n", encoding="utf-8"
    )
    compiler = find_compiler()
    monkeypatch.setenv("CC", shlex.join([*compiler.command, "-include", str(tmp_path / "trap.h")]))
    monkeypatch.setattr(tool, "TRIES", 2)
    arguments = ["--seconds", "60", "--backend", "c", "--count", "2", "--out", str(tmp_path / "found")]
    assert tool.main(arguments) == 1
    said = capsys.readouterr().out
    assert "c: dies: SIG" in said
    assert "--seed 0 --only 0 --backend c" in said
    assert len(list((tmp_path / "found").iterdir())) == 2
