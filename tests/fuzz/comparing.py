"""One program, plain and compiled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_lstm as tl
from tests.fuzz.noise import disturbed, sources, within
from tests.fuzz.program import Array, Program, function_text
from tinygrad_lstm.errors import Error

__all__ = ["Difference", "RejectedError", "difference"]

ROUNDS = ((8, 0.5), (32, 1.0))
"""How many disturbed runs are made, and how strong the noise is, before a difference is one."""


class RejectedError(Exception):
    """The program fails also where it is run plainly, so it says nothing."""


@dataclass(frozen=True)
class Difference:
    """What was wrong: ``kind`` is what stays the same while the program is shrunk."""

    kind: str
    detail: str


def _made(program: Program) -> Any:
    names = {"tl": tl, "np": np, "first": [array.copy() for *_, array in program.variables]}
    exec(compile(function_text(program), "<a random program>", "exec"), names)
    return names["make"]


Results = list[list[Array]]
"""For each call, its results and then the variables."""


def _plain(program: Program, make: Any) -> Results:
    f, variables = make()
    found: Results = []
    for call in program.calls:
        ys = f(*[tl.tensor(x) for x in call])
        tl.evaluate(*ys)
        found.append([y.numpy() for y in (*[as_tensor(y) for y in ys], *_contents(variables))])
    return found


def _contents(variables: Sequence[Any]) -> list[Any]:
    """What variables hold: their values, and then the gradients of those that have one."""
    gradients = [c.grad for c in variables if isinstance(c, tl.Parameter)]
    return [*[c.leaf for c in variables], *[g for g in gradients if g is not None]]


def as_tensor(y: Any) -> Any:
    """What a function returns may be a variable."""
    return y.leaf if isinstance(y, tl.State | tl.Parameter) else y


def _same(got: Array, want: Array) -> bool:
    if got.dtype != want.dtype or got.shape != want.shape:
        return False
    if got.tobytes() == want.tobytes():
        return True
    if want.dtype.kind != "f":
        return False
    nan = np.isnan(want)
    signs = np.signbit(got) == np.signbit(want)
    return bool(np.all(np.where(nan, np.isnan(got), (got == want) & signs)))


def difference(program: Program, backend: str) -> Difference | None:
    """Where the compiled program does other than the plain one.

    Raises:
        RejectedError: when the plain one fails.
    """
    with np.errstate(all="ignore"):
        make = _made(program)
        try:
            want = _plain(program, make)
        except (Error, ValueError, TypeError, IndexError, KeyError, NameError, AttributeError) as error:
            raise RejectedError(f"{type(error).__name__}: {error}") from None
        f, variables = make()
        jitted = tl.jit(f)
        calls = [[x.copy() for x in call] for call in program.calls]
        kept: list[list[Any]] = []
        with tl.use_backend(backend):
            for call in calls:
                try:
                    ys = jitted(*call)
                except Exception as error:
                    return Difference(f"raises {type(error).__name__}", str(error))
                kept.append([*[as_tensor(y) for y in ys], *_contents(variables)])
        for call, given in zip(calls, program.calls, strict=True):
            if not all(_same(x, y) for x, y in zip(call, given, strict=True)):
                return Difference("writes to its arguments", "")
        # Only now: what the first call gave may have changed since.
        got = [[y.numpy() for y in ys] for ys in kept]
        return _compared(program, backend, make, jitted, got, want)


def _compared(program: Program, backend: str, make: Any, jitted: Any, got: Results, want: Results) -> Difference | None:
    wrong = [
        (call, k)
        for call, (ys, ws) in enumerate(zip(got, want, strict=True))
        for k, (y, w) in enumerate(zip(ys, ws, strict=False))
        if not _same(y, w)
    ]
    if any(len(ys) != len(ws) for ys, ws in zip(got, want, strict=True)):
        return Difference("gives other gradients to Parameters", "")
    if not wrong:
        return None
    for call, k in wrong:
        y, w = got[call][k], want[call][k]
        if y.dtype != w.dtype or y.shape != w.shape:
            return Difference("gives another type", f"result {k}: {y.dtype}{y.shape}, not {w.dtype}{w.shape}")
    with tl.use_backend(backend):
        graph = jitted.graph(*program.calls[0])
    whole = sources(list(graph.outputs))
    for call, k in wrong:
        reasons = _reasons(program, make, k) if not program.variables else whole
        if not reasons:
            return Difference("differs", _told(program, k, call, got, want))
    for count, scale in ROUNDS:
        samples = []
        for n in range(count):
            with disturbed(whole, n, scale):
                samples.append(_plain(program, make))
        wrong = [
            (call, k) for call, k in wrong if not within(got[call][k], want[call][k], [s[call][k] for s in samples])
        ]
        if not wrong:
            return None
    call, k = wrong[0]
    return Difference("differs beyond rounding", _told(program, k, call, got, want))


def _reasons(program: Program, make: Any, k: int) -> frozenset[str]:
    f, _ = make()
    symbols = [tl.symbol(n, *program.types[n]) for n in program.arguments]
    return sources([as_tensor(f(*symbols)[k])])


def _told(program: Program, k: int, call: int, got: Results, want: Results) -> str:
    variables = [name for name, *_ in program.variables]
    names = [*program.outputs, *variables, *[f"{name}.grad" for name in variables]]
    return f"result {k} ({names[k]}) of call {call + 1}: jit {got[call][k]!r}, plain {want[call][k]!r}"
