"""From a program that fails to a small one that fails alike."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tests.fuzz.arrays import counted
from tests.fuzz.program import Array, Loop, Program, Statement, Step, used

__all__ = ["shrunk", "size"]

Fails = Callable[[Program], bool]


def size(program: Program) -> tuple[int, ...]:
    """What a smaller program has less of, the most important first."""
    every = list(used(program.steps))
    given = sum(x.size for call in program.calls for x in call) + sum(x.size for *_, x in program.variables)
    odd = sum(_oddness(x) for call in program.calls for x in call) + sum(_oddness(x) for *_, x in program.variables)
    text = sum(len(s.template) + 3 * len(s.args) for s in every if isinstance(s, Statement))
    loops = sum(
        4 + 2 * len(s.carries) + len(s.xs) + len(s.ys) + s.reverse + (s.style not in ("tuple", "single"))
        for s in every
        if isinstance(s, Loop)
    )
    return len(every) + loops + len(program.outputs) + len(program.variables), text, given * 10 + odd


def _oddness(x: Array) -> int:
    """0 for the plainest contents, and more the more different numbers there are."""
    if x.size == 0 or np.array_equal(x, counted((x.shape, x.dtype.name))):
        return 0
    return int(np.unique(x[x == x]).size + (x != x).sum() + (np.abs(x.astype(np.float64)) > 100).sum())


def shrunk(program: Program, fails: Fails, tries: int = 1500) -> Program:
    """A smaller program for which ``fails`` holds; every candidate that passes is taken at once."""
    smaller = True
    while smaller and tries > 0:
        smaller = False
        for candidate in _candidates(program):
            tidy = candidate.tidied()
            if size(tidy) >= size(program):
                continue
            tries -= 1
            if tries < 0:
                break
            if fails(tidy):
                program, smaller = tidy, True
                break
    return program


def _candidates(program: Program) -> Iterator[Program]:
    outputs = program.outputs
    for keep in _parts(len(outputs)):
        yield replace(program, outputs=tuple(outputs[k] for k in keep))
    if len(program.calls) > 1:
        for call in program.calls:
            yield replace(program, calls=(call,))
    yield from (replace(program, steps=steps) for steps in _without(program.steps))
    yield from _replaced(program)
    yield from _as_arguments(program)
    yield from (replace(program, steps=steps) for steps in _simpler_loops(program.steps))
    for k, (name, kind, array) in enumerate(program.variables):
        # A variable as one more argument.
        variables = program.variables[:k] + program.variables[k + 1 :]
        calls = tuple((*call, array) for call in program.calls)
        yield replace(program, variables=variables, arguments=(*program.arguments, name), calls=calls)
        for simple in _simpler(array):
            yield replace(
                program, variables=(*program.variables[:k], (name, kind, simple), *program.variables[k + 1 :])
            )
    for c, call in enumerate(program.calls):
        for k, x in enumerate(call):
            for simple in _simpler(x):
                new = (*call[:k], simple, *call[k + 1 :])
                yield replace(program, calls=(*program.calls[:c], new, *program.calls[c + 1 :]))


def _parts(n: int) -> Iterator[list[int]]:
    """What may be left of ``n`` things: one, a half, all but one."""
    if n > 2:
        yield from ([k] for k in range(n))
        yield list(range(n // 2))
        yield list(range(n // 2, n))
    if n > 1:
        yield from ([j for j in range(n) if j != k] for k in range(n))


def _simpler(x: Array) -> Iterator[Array]:
    yield counted((x.shape, x.dtype.name))
    yield np.ones_like(x)
    if x.dtype.kind == "f" and x.size <= 40:
        for k in range(x.size):
            if x.flat[k] != 1:
                new = x.copy()
                new.flat[k] = 1
                yield new
        with np.errstate(all="ignore"):
            yield np.round(x.astype(np.float64), 1).astype(x.dtype)


def _without(steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    """One assignment less."""
    for k, step in enumerate(steps):
        if not step.results:
            yield steps[:k] + steps[k + 1 :]


def renamed(step: Step, names: dict[str, str]) -> Step:
    """A step that reads other values."""

    def to(name: str) -> str:
        return names.get(name, name)

    if isinstance(step, Statement):
        return replace(step, args=tuple(map(to, step.args)))
    return replace(
        step,
        carries=tuple((c, to(init), to(new), last) for c, init, new, last in step.carries),
        xs=tuple((x, to(source)) for x, source in step.xs),
        ys=tuple((to(value), y) for value, y in step.ys),
        body=tuple(renamed(s, names) for s in step.body),
    )


def _replaced(program: Program) -> Iterator[Program]:
    """A value in the place of another one of its type that comes later."""
    types = program.types
    made: list[str] = [*program.arguments, *[name for name, *_ in program.variables]]

    def walk(steps: tuple[Step, ...], visible: list[str]) -> Iterator[tuple[str, str]]:
        visible = list(visible)
        for step in steps:
            if isinstance(step, Loop):
                inner = [*visible, *[c for c, *_ in step.carries], *[x for x, _ in step.xs]]
                yield from walk(step.body, inner)
                for _, init, _, last in step.carries:
                    yield last, init
            operands = [a for a in step.reads if a in visible]
            for result in step.results:
                others = dict.fromkeys([*operands, *visible])
                yield from ((result, other) for other in others if types[other] == types[result])
            visible += step.results

    for old, new in walk(program.steps, made):
        names = {old: new}
        steps = tuple(renamed(s, names) for s in program.steps)
        yield replace(program, steps=steps, outputs=tuple(names.get(y, y) for y in program.outputs))


def _as_arguments(program: Program) -> Iterator[Program]:
    """A value of the outermost block as one more argument."""
    for step in program.steps:
        for old in step.results:
            shape, dtype = program.types[old]
            new = f"a_{old}"
            array = counted((shape, dtype))
            names = {old: new}
            yield replace(
                program,
                arguments=(*program.arguments, new),
                calls=tuple((*call, array + np.array(k).astype(dtype)) for k, call in enumerate(program.calls)),
                steps=tuple(renamed(s, names) for s in program.steps),
                outputs=tuple(names.get(y, y) for y in program.outputs),
                types={**program.types, new: (shape, dtype)},
            )


def _simpler_loops(steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    for k, step in enumerate(steps):
        if isinstance(step, Statement):
            continue
        others = [_fixed(step, i) for i in range(len(step.carries))]
        others += [replace(step, ys=_kept(step.ys, i)) for i in range(len(step.ys))]
        others += [replace(step, reverse=False)] if step.reverse else []
        others += [replace(step, style="tuple")] if step.style != "tuple" else []
        others += [replace(step, body=body) for body in _simpler_loops(step.body)]
        for i, (c, init, new, last) in enumerate(step.carries):
            if new != c:
                fixed = (*step.carries[:i], (c, init, c, last), *step.carries[i + 1 :])
                others.append(replace(step, carries=fixed))
        for other in others:
            yield (*steps[:k], other, *steps[k + 1 :])


def _fixed(loop: Loop, k: int) -> Loop:
    """Without one carry, whose first value the body reads instead."""
    c, init, _, _ = loop.carries[k]
    names = {c: init}
    return replace(
        loop,
        carries=tuple((a, b, names.get(new, new), last) for a, b, new, last in _kept(loop.carries, k)),
        ys=tuple((names.get(value, value), y) for value, y in loop.ys),
        body=tuple(renamed(s, names) for s in loop.body),
    )


def _kept(items: Any, k: int) -> Any:
    return (*items[:k], *items[k + 1 :])
