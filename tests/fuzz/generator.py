"""From a seed to a program."""

import math
from collections.abc import Callable, Sequence
from itertools import accumulate, count
from random import Random
from typing import Any

import numpy as np

import tinygrad_lstm as tl
from tests.fuzz.arrays import contents, shape_of
from tests.fuzz.program import Array, Loop, Program, Statement, Step, Type, words
from tests.fuzz.steps import DRAWN, is_float, view
from tinygrad_lstm.errors import Error

__all__ = ["generated", "typed"]

KINDS, WEIGHTS = [draw for draw, _ in DRAWN], list(accumulate(w for _, w in DRAWN))
READERS = words("({0}*2) ({0}+{0}) tl.abs({0}) (-{0}) ({0}<1) tl.sum({0},0) tl.concatenate([{0},{0}])")
NAMES: dict[str, Any] = {"tl": tl, "np": np}


def typed(template: str, types: Sequence[Type]) -> list[Type]:
    """The types of the results of a statement."""
    symbols = {f"v{k}": tl.symbol(f"v{k}", shape, dtype) for k, (shape, dtype) in enumerate(types)}
    made = eval(template.format(*symbols), NAMES, symbols)
    return [(y.shape, y.dtype.name) for y in (made if isinstance(made, list | tuple) else [made])]


class _Block:
    """A list of steps in the making, and the values that they may read."""

    def __init__(
        self, random: Random, fresh: "count[int]", types: dict[str, Type], visible: list[str], arguments: list[str]
    ) -> None:
        self.random, self._fresh, self.types, self.visible, self._arguments = random, fresh, types, visible, arguments
        self.steps: list[Step] = []
        self.own: list[str] = []
        self.parameters: set[str] = set()

    def name(self, type_: Type, letter: str = "v") -> str:
        name = f"{letter}{next(self._fresh)}"
        self.types[name] = type_
        return name

    def pick(self, wanted: Callable[[Type], bool] = lambda t: True) -> str:
        fitting = [v for v in self.visible if wanted(self.types[v])]
        if not fitting:
            raise LookupError
        # What was made last is taken more often, so that chains grow.
        return fitting[-1 - int(len(fitting) * self.random.random() ** 1.7)]

    def argument(self, type_: Type) -> str:
        if len(self._arguments) > 7:
            raise LookupError
        self._arguments.append(self.name(type_, "a"))
        self.visible.append(self._arguments[-1])
        return self._arguments[-1]

    def all(self, wanted: Callable[[Type], bool]) -> list[str]:
        return [v for v in self.visible if wanted(self.types[v])]

    def add(self, step: Step) -> None:
        self.steps.append(step)
        self.own += step.results
        self.visible += step.results

    def statement(self, template: str, args: tuple[str, ...]) -> bool:
        """Add a statement, if it is a valid one and its results are small."""
        try:
            made = typed(template, [self.types[a] for a in args])
        except (Error, TypeError, ValueError, IndexError):
            return False
        if any(math.prod(shape) > 5000 or len(shape) > 6 for shape, _ in made):
            return False
        self.add(Statement(tuple(self.name(t) for t in made), template, args))
        return True

    def draw(self) -> bool:
        (kind,) = self.random.choices(KINDS, cum_weights=WEIGHTS)
        try:
            template, args = kind(self)
        except LookupError:
            return False
        return self.statement(template, args)

    def grow(self, steps: int, depth: int, variables: Sequence[str] = ()) -> None:
        start, tries = len(self.steps), 0
        while len(self.steps) < start + steps and tries < 10 * steps:
            tries += 1
            chance = self.random.random()
            if depth < 3 and chance < (0.09 if depth else 0.07):
                self.loop(depth)
                if self.random.random() < 0.4:
                    self.join_last()
            elif chance < 0.12 and depth < 2:
                self.gradient()
            elif variables and chance < 0.2:
                self.assignment(self.random.choice(variables))
            elif variables and chance < 0.22:
                self.backward(self.random.choice(variables))
            else:
                self.draw()

    def join_last(self) -> None:
        """Put the last result of a loop beside what is computed from it: two writers of one array."""
        last = self.own[-1] if self.own else None
        if last is None or not self.types[last][0] or self.types[last][1] == "bool":
            return
        (length, *rest), dtype = self.types[last]
        long = self.all(lambda t: t[1] == dtype and list(t[0][1:]) == rest and bool(t[0]) and t[0][0] >= length)
        if long and length and self.random.random() < 0.6:
            # Two parts of what is long enough: of what the loop steps through, at best.
            if not self.statement(f"({{0}}[:{length}] * {{0}}[-{length}:])", (self.random.choice(long),)):
                return
            other = self.own[-1]
        else:
            try:
                other = self.pick(lambda t: t == self.types[last])
            except LookupError:
                return
        if self.statement(self.random.choice(("({0} * {1})", "({0} + {1})", "tl.maximum({0}, {1})")), (last, other)):
            pair = [self.own[-1], last]
            self.random.shuffle(pair)
            self.statement("tl.concatenate([{0}, {1}])", tuple(pair))

    def gradient(self) -> None:
        try:
            y = self.pick(is_float)
            xs = [self.pick(is_float) for _ in range(self.random.choice((1, 1, 2, 3)))]
        except LookupError:
            return
        xs = list(dict.fromkeys(xs))
        template = f"tl.gradients({{0}}, [{', '.join(f'{{{k + 1}}}' for k in range(len(xs)))}], allow_unused=True)"
        self.add(Statement(tuple(self.name(self.types[x]) for x in xs), template, (y, *xs)))

    def backward(self, variable: str) -> None:
        """Add to the gradient of a Parameter, and read it."""
        if variable in self.parameters:
            shape, dtype = self.types[variable]
            other = self.pick(lambda t: t == (shape, dtype))
            self.steps.append(Statement((), "({0} * tl.sin({1})).sum().backward()", (variable, other)))
            self.add(Statement((self.name((shape, dtype)),), "({0}.grad * 1)", (variable,)))

    def assignment(self, variable: str) -> None:
        try:
            value = self.pick(lambda t: t == self.types[variable])
        except LookupError:
            return
        self.steps.append(Statement((), "{0}.assign({1})", (variable, value)))

    def total(self, body: "_Block", x: str) -> bool:
        """A product of a slice in the body, and zeros outside that it may be added to."""
        shape, dtype = self.types[x]
        if not shape or not is_float((shape, dtype)):
            return False
        try:
            weights = body.argument(((shape[-1], self.random.choice((1, 2, 3, 5))), dtype))
        except LookupError:
            return False
        if not body.statement("({0} @ {1})", (x, weights)):
            return False
        return self.statement(f"tl.zeros({self.types[body.own[-1]][0]}, dtype=tl.{dtype})", ())

    def loop(self, depth: int) -> None:
        """Add a scan whose carries are of the types of values that there are."""
        random = self.random
        xs = [v for v in self.visible if self.types[v][0]]
        length = random.choice((0, 1, 1, 2, 3, 3, 4, 5))
        steps_through: list[str] = []
        if xs and random.random() < 0.7:
            first = random.choice(xs[-12:])
            length = self.types[first][0][0]
            alike = [v for v in xs if self.types[v][0][0] == length]
            steps_through = [first, *[random.choice(alike) for _ in range(random.choice((0, 0, 1, 2)))]]
        if length > 20:
            return
        small = [v for v in self.visible if math.prod(self.types[v][0]) < 60]
        inits = [random.choice(small[-20:]) for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3)))] if small else []
        body = _Block(random, self._fresh, self.types, list(self.visible), self._arguments)
        carries = [body.name(self.types[v], "c") for v in inits]
        slices = [body.name((self.types[v][0][1:], self.types[v][1]), "x") for v in steps_through]
        body.visible += [*carries, *slices]
        body.own += [*carries, *slices]
        body.grow(random.choice((0, 1, 2, 3, 4, 6)), depth + 1)
        new: list[str] = []
        for c in carries:
            # Unchanged, swapped with another, or something that was made of it.
            alike = [v for v in body.own if self.types[v] == self.types[c]]
            wanted = random.random()
            value = c if wanted < 0.15 else alike[-1] if wanted < 0.6 else random.choice(alike)
            if wanted > 0.85:
                value = random.choice([v for v in body.visible if self.types[v] == self.types[c]])
            if random.random() < 0.25 and body.statement(random.choice(("({0} + {1})", "({0} * {1})")), (c, value)):
                made = body.own[-1]
                value = made if self.types[made] == self.types[c] else value
            new.append(value)
        if slices and random.random() < 0.15 and self.total(body, slices[0]):
            inits.append(self.own[-1])
            carries.append(body.name(self.types[inits[-1]], "c"))
            body.visible.append(carries[-1])
            # The sum over the steps of a product.
            if body.statement("({0} + {1})", (carries[-1], body.own[-1])):
                new.append(body.own[-1])
            else:
                new.append(carries[-1])
        ys = [random.choice(body.own or body.visible) for _ in range(random.choice((0, 1, 1, 2, 3)))]
        if random.random() < 0.3 and new:
            ys.append(random.choice(new))
        ys += _views(body, ys)
        random.shuffle(ys)
        if length * sum(math.prod(self.types[v][0]) for v in ys) > 4000:
            return
        stacks = [self.name(((length, *self.types[v][0]), self.types[v][1])) for v in ys]
        last = [self.name(self.types[c]) for c in carries]
        styles = ("tuple", "tuple", "list", "dict") + (("single",) * 4 if len(carries) == 1 else ())
        style = random.choice(styles) if carries else "tuple"
        self.add(
            Loop(
                next(self._fresh),
                tuple(zip(carries, inits, new, last, strict=True)),
                tuple(zip(slices, steps_through, strict=True)),
                tuple(zip(ys, stacks, strict=True)),
                tuple(body.steps),
                length,
                random.random() < 0.3,
                style,
            )
        )


def _views(block: _Block, values: Sequence[str]) -> list[str]:
    """Further views of some values: what is to be returned beside them."""
    found: list[str] = []
    random = block.random
    for v in values:
        source = v
        while random.random() < 0.4:
            if random.random() < 0.25:
                # What is read beside being returned: the reader must find the elements in its own order.
                read = block.statement(random.choice(READERS), (source,))
            else:
                read = block.statement(*view(_Only(block, source)))
            if read:
                source = block.own[-1]
                found.append(source)
    return found


class _Only:
    """A scope of one value."""

    def __init__(self, block: _Block, value: str) -> None:
        self.random, self.types, self._value = block.random, block.types, value

    def pick(self, wanted: Any = None) -> str:
        return self._value

    def all(self, wanted: Any) -> list[str]:
        return [self._value]


def _types(random: Random) -> list[Type]:
    """The types of arguments: few different sizes, so that they fit together."""
    main = random.choice(("float32",) * 6 + ("float64",) * 3 + ("float16",) * 2)
    base = shape_of(random)
    found: list[Type] = []
    for _ in range(random.choice((1, 2, 2, 3, 3, 4))):
        dtype = (
            main
            if random.random() < 0.75
            else random.choice(("float32", "float64", "float16", "int32", "int64", "uint32", "bool"))
        )
        kind = random.random()
        if kind < 0.3:
            shape = base
        elif kind < 0.4:
            shape = base[1:]
        elif kind < 0.5:
            shape = tuple(1 if random.random() < 0.5 else n for n in base)
        elif kind < 0.6:
            shape = base[::-1]
        elif kind < 0.7 and base:
            shape = (base[-1], random.choice((1, 2, 3, 5)))
        elif kind < 0.75:
            shape = ()
        else:
            shape = shape_of(random)
        found.append((shape, dtype))
    return found


def generated(seed: int, number: int) -> Program:
    """The program of this number among those of a seed."""
    random = Random(f"{seed} {number}")
    fresh = count()
    types: dict[str, Type] = {}
    arguments: list[str] = []
    block = _Block(random, fresh, types, [], arguments)
    for type_ in _types(random):
        block.argument(type_)
    variables: list[tuple[str, str, Array]] = []
    special = random.choice((0.0, 0.0, 0.0, 0.02, 0.15))
    for _ in range(random.choice((0, 0, 0, 1, 1, 2))):
        type_ = types[random.choice(arguments)]
        kind = "Parameter" if is_float(type_) and random.random() < 0.5 else "State"
        variables.append((block.name(type_, "s"), kind, contents(random, type_, special)))
    block.visible += [name for name, *_ in variables]
    block.parameters = {name for name, kind, _ in variables if kind == "Parameter"}
    block.grow(random.choice((1, 2, 3, 4, 6, 8, 10, 14, 18, 25)), 0, [name for name, *_ in variables])
    candidates = block.own or block.visible
    outputs = [random.choice(candidates) for _ in range(random.choice((1, 1, 2, 2, 3, 4)))]
    outputs += [candidates[-1]] if random.random() < 0.5 else []
    outputs += [random.choice(arguments)] if random.random() < 0.1 else []
    if variables and random.random() < 0.3 and block.statement("tl.stop_gradient({0})", (variables[0][0],)):
        # The contents of the variable themselves.
        outputs.append(block.own[-1])
    outputs += _views(block, outputs)
    if variables and random.random() < 0.4:
        block.assignment(random.choice(variables)[0])
    random.shuffle(outputs)
    calls = tuple(tuple(contents(random, types[a], special) for a in arguments) for _ in range(2))
    return Program(tuple(arguments), tuple(variables), tuple(block.steps), tuple(outputs), calls, types).tidied()
