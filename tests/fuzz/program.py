"""A random program as data, and as the Python text that runs it.

The text is what is executed, plain and under ``jit``; a failure is therefore printed exactly as it was run.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

__all__ = ["Array", "Loop", "Program", "Statement", "Type", "function_text", "live", "program_text", "used", "words"]

Array = np.ndarray[Any, Any]
Type = tuple[tuple[int, ...], str]
"""A shape, and the name of an element type."""


def words(text: str) -> tuple[str, ...]:
    """The words of a list."""
    return tuple(text.split())


@dataclass(frozen=True)
class Statement:
    """``results = template``, in which ``{0}`` stands for the first of ``args``; without results it is a bare call."""

    results: tuple[str, ...]
    template: str
    args: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        return self.args


@dataclass(frozen=True)
class Loop:
    """A ``tl.scan``.

    Attributes:
        carries: for each carry its name in the body, where it begins, what the body makes of it, and its last value.
        xs: the name in the body and the array that is stepped through.
        ys: the value in the body and the stack of it.
        style: how the carry is held: ``tuple``, ``list``, ``dict``, or ``single`` where it is one.
    """

    number: int
    carries: tuple[tuple[str, str, str, str], ...]
    xs: tuple[tuple[str, str], ...]
    ys: tuple[tuple[str, str], ...]
    body: "tuple[Step, ...]"
    length: int
    reverse: bool = False
    style: str = "tuple"

    @property
    def results(self) -> tuple[str, ...]:
        return (*[last for *_, last in self.carries], *[y for _, y in self.ys])

    @property
    def reads(self) -> tuple[str, ...]:
        """What it reads from outside."""
        own = {name for name, *_ in (*self.carries, *self.xs)} | {r for s in self.body for r in s.results}
        inner = [name for s in self.body for name in s.reads]
        inner += [new for _, _, new, _ in self.carries] + [value for value, _ in self.ys]
        outer = [init for _, init, _, _ in self.carries] + [source for _, source in self.xs]
        return (*outer, *[name for name in inner if name not in own])


Step = Statement | Loop


@dataclass(frozen=True)
class Program:
    """A function of arrays, with the variables that it reads and assigns, and the calls that are made of it.

    Attributes:
        arguments: their names.
        variables: the names, ``State`` or ``Parameter``, and the first contents.
        types: of every name.
        calls: the arguments of each call.
    """

    arguments: tuple[str, ...]
    variables: tuple[tuple[str, str, Array], ...]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]
    calls: tuple[tuple[Array, ...], ...]
    types: dict[str, Type] = field(default_factory=dict)

    def tidied(self) -> "Program":
        """Without what nothing depends on."""
        steps = tuple(live(self.steps, self.outputs))
        names = {*self.outputs, *[n for s in steps for n in s.reads]}
        kept = [k for k, a in enumerate(self.arguments) if a in names]
        return replace(
            self,
            steps=steps,
            arguments=tuple(self.arguments[k] for k in kept),
            variables=tuple(c for c in self.variables if c[0] in names),
            calls=tuple(tuple(call[k] for k in kept) for call in self.calls),
        )


def live(steps: Iterable[Step], wanted: Iterable[str]) -> list[Step]:
    """The steps that ``wanted`` depend on, and assignments."""
    needed, kept = set(wanted), []
    for step in reversed(list(steps)):
        if step.results and needed.isdisjoint(step.results):
            continue
        if isinstance(step, Loop):
            ys = tuple(y for y in step.ys if y[1] in needed)
            carries = _carried(step, needed, [value for value, _ in ys])
            body = live(step.body, [*[c[2] for c in carries], *[value for value, _ in ys]])
            inner = {n for s in body for n in s.reads} | {c[2] for c in carries} | {value for value, _ in ys}
            xs = tuple(x for x in step.xs if x[0] in inner)
            style = "tuple" if step.style == "single" and len(carries) != 1 else step.style
            step = replace(step, carries=carries, xs=xs, ys=ys, body=tuple(body), style=style)
        needed.update(step.reads)
        kept.append(step)
    return kept[::-1]


def _carried(loop: Loop, needed: set[str], values: list[str]) -> tuple[tuple[str, str, str, str], ...]:
    """The carries that are read after the loop or by what it makes."""
    kept: list[Any] = [c for c in loop.carries if c[3] in needed]
    while True:
        body = live(loop.body, [*[c[2] for c in kept], *values])
        read = {n for s in body for n in s.reads} | {c[2] for c in kept} | set(values)
        more = [c for c in loop.carries if c not in kept and c[0] in read]
        if not more:
            return tuple(c for c in loop.carries if c in kept)
        kept += more


def used(steps: Iterable[Step]) -> Iterator[Statement | Loop]:
    """Every step, those of bodies included."""
    for step in steps:
        yield step
        if isinstance(step, Loop):
            yield from used(step.body)


def _tuple(names: Iterable[str]) -> str:
    names = list(names)
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})" if names else "()"


def _held(names: list[str], style: str) -> str:
    if style == "single":
        return names[0]
    if style == "dict":
        return "{" + ", ".join(f'"{"hcabde"[k % 6]}{k}": {n}' for k, n in enumerate(names)) + "}"
    return f"[{', '.join(names)}]" if style == "list" else _tuple(names)


def _lines(steps: Iterable[Step], indent: str) -> Iterator[str]:
    for step in steps:
        if isinstance(step, Statement):
            made = f"{', '.join(step.results)}{',' if step.template.startswith('tl.gradients') else ''} = "
            yield f"{indent}{made if step.results else ''}{step.template.format(*step.args)}"
            continue
        body = f"body{step.number}"
        yield f"{indent}def {body}(carry, x):"
        names = [name for name, *_ in step.carries]
        if names and step.style == "dict":
            yield f"{indent}    {_tuple(names)} = carry.values()"
        elif names:
            yield f"{indent}    {names[0] if step.style == 'single' else _tuple(names)} = carry"
        if step.xs:
            yield f"{indent}    {_tuple(name for name, _ in step.xs)} = x"
        yield from _lines(step.body, indent + "    ")
        new, ys = [c[2] for c in step.carries], [value for value, _ in step.ys]
        yield f"{indent}    return {_held(new, step.style)}, {_tuple(ys) if ys else None}"
        xs = _tuple(source for _, source in step.xs) if step.xs else "None"
        init = _held([c[1] for c in step.carries], step.style)
        last = [c[3] for c in step.carries]
        target = f"carry{step.number}" if step.style == "dict" else _held(last, step.style) if last else "_"
        results = _tuple(y for _, y in step.ys) if ys else "_"
        options = f", length={step.length}" if not step.xs else ""
        options += ", reverse=True" if step.reverse else ""
        yield f"{indent}{target}, {results} = tl.scan({body}, {init}, {xs}{options})"
        if step.style == "dict" and last:
            yield f"{indent}{_tuple(last)} = {target}.values()"


def _literal(array: Array) -> str:
    shape, dtype = array.shape, array.dtype.name
    if array.size > 8 and array.dtype != bool and np.array_equal(array.ravel(), np.arange(array.size) % 8):
        return f'(np.arange({array.size}) % 8).astype("{dtype}").reshape({shape})'
    if array.size > 8 and np.all(array == 1):
        return f'np.ones({shape}, "{dtype}")'
    flat = ", ".join(repr(v) for v in array.ravel().tolist())
    return f'np.array([{flat}], "{dtype}").reshape({shape})'


def function_text(program: Program) -> str:
    """``make()``, which gives the function and its variables; the contents of the variables are in ``first``."""
    lines = ["def make():"]
    lines += [f"    {name} = tl.{kind}(first[{k}])" for k, (name, kind, _) in enumerate(program.variables)]
    lines += ["", f"    def f({', '.join(program.arguments)}):"]
    lines += _lines(program.steps, "        ")
    lines += [f"        return {_tuple(program.outputs)}", ""]
    lines += [f"    return f, {_tuple(name for name, *_ in program.variables)}"]
    return "\n".join(lines) + "\n"


def program_text(program: Program, backend: str) -> str:
    """A file to run: it prints what differs between the function as it stands and under ``jit``."""
    head = ["import numpy as np", "from numpy import inf, nan", "", "import tinygrad_lstm as tl", ""]
    head += ["first = ["] + [f"    {_literal(array)}," for *_, array in program.variables] + ["]"]
    head += ["calls = ["]
    head += [f"    {_tuple(_literal(array) for array in call)}," for call in program.calls] + ["]", "", ""]
    tail = [
        "",
        "",
        "(plain, variables), (f, others) = make(), make()",
        "jitted = tl.jit(f)",
        "results = []",
        "for call in calls:",
        "    want = [y.numpy() for y in plain(*[tl.tensor(x) for x in call])]",
        "    want += [c.leaf.numpy() for c in variables]",
        f'    with tl.use_backend("{backend}"):',
        "        got = list(jitted(*call))",
        "    results.append((got + [c.leaf for c in others], want))",
        "for got, want in results:",
        "    for y, w in zip(got, want):",
        '        print("same" if y.numpy().tobytes() == w.tobytes() else f"jit {y.numpy()!r}\\nplain {w!r}")',
    ]
    return "\n".join([*head, function_text(program), *tail]) + "\n"
