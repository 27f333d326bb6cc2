"""What a statement of a random program may be: for each kind of step, a function that draws one."""

import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Protocol

from tests.fuzz.arrays import factorised
from tests.fuzz.program import Type, words

__all__ = ["DRAWN", "Drawn", "Scope"]

Drawn = tuple[str, tuple[str, ...]]
"""A template and its arguments."""


class Scope(Protocol):
    """The values that a statement may read."""

    random: Random
    types: dict[str, Type]

    def pick(self, wanted: Callable[[Type], bool] = ...) -> str:
        """A value whose type is wanted; raises LookupError where there is none."""

    def argument(self, type_: Type) -> str:
        """A new argument of the program; raises LookupError where there are enough."""

    def all(self, wanted: Callable[[Type], bool]) -> Sequence[str]:
        """Every such value."""


UNARY = words(
    "tanh sigmoid exp log sqrt sin cos tan abs negative sign square relu softplus silu gelu erf expm1 log1p "
    "log2 rsqrt sinh cosh arctan arcsin arccos arcsinh arccosh arctanh cbrt floor ceil round trunc "
    "elu leaky_relu hard_sigmoid log_sigmoid stop_gradient isnan isinf isfinite logical_not"
)
BINARY = words(
    "+ - * / + - * / ** // % tl.maximum tl.minimum tl.arctan2 tl.hypot == != < <= > >= "
    "tl.logical_and tl.logical_or tl.logical_xor"
)
ON_INTEGERS = words("+ - * // % & | ^ << >> < <= == != > >= tl.maximum tl.minimum /")
REDUCTIONS = words("sum sum sum mean max min logsumexp")
ODD_REDUCTIONS = words("prod all any argmax argmin var std norm")
ALONG = words("softmax log_softmax cumsum cumprod sort argsort")
DTYPES = words("float16 float32 float32 float64 int32 int64 uint32 bool")
NUMBERS = words("0 1 2 -1 3 0.5 -0.0 1.0 2.5 1e-3 -1.5 True")


def is_float(t: Type) -> bool:
    return t[1].startswith("float")


def is_integer(t: Type) -> bool:
    return "int" in t[1]


def _infix(op: str, a: str = "{0}", b: str = "{1}") -> str:
    return f"{op}({a}, {b})" if op.startswith("tl.") else f"({a} {op} {b})"


def _partner(s: Scope, a: str) -> str:
    """A value that broadcasts with another and has its element type."""
    shape, dtype = s.types[a]

    def fits(t: Type) -> bool:
        ends = zip(reversed(t[0]), reversed(shape), strict=False)
        wide = math.prod(t[0]) <= 300
        return t[1] == dtype and wide and all(m in (n, 1) or n == 1 for m, n in ends)

    if s.random.random() < 0.4:
        return s.pick(lambda t: t == (shape, dtype))
    return s.pick(fits)


def unary(s: Scope) -> Drawn:
    a = s.pick(is_float)
    op = s.random.choice(UNARY)
    if s.random.random() < 0.02:
        return "tl.checkpoint(lambda u: tl.tanh(u) * u)({0})", (a,)
    if s.random.random() < 0.05:
        return s.random.choice(("tl.clip({0}, -1.0, 1.0)", 'tl.named({0}, "n")', "(-{0})", "({0} ** 2)")), (a,)
    return f"tl.{op}({{0}})", (a,)


def with_number(s: Scope) -> Drawn:
    a = s.pick(lambda t: t[1] != "bool")
    op = s.random.choice(BINARY if is_float(s.types[a]) else ON_INTEGERS)
    number = s.random.choice([n for n in NUMBERS if is_float(s.types[a]) or n.lstrip("-").isdigit()])
    if s.types[a][1] == "uint32":
        number = number.lstrip("-")
    return _infix(op, *s.random.choice([("{0}", number), (number, "{0}")])), (a,)


def binary(s: Scope) -> Drawn:
    a = s.pick(is_float)
    return _infix(s.random.choice(BINARY)), tuple(s.random.sample((a, _partner(s, a)), 2))


def on_integers(s: Scope) -> Drawn:
    a = s.pick(lambda t: not is_float(t))
    if s.random.random() < 0.15:
        return s.random.choice(("tl.invert({0})", "tl.abs({0})", "tl.sign({0})", "tl.logical_not({0})")), (a,)
    ops = ("&", "|", "^", "==", "!=", "<") if s.types[a][1] == "bool" else ON_INTEGERS
    return _infix(s.random.choice(ops)), (a, _partner(s, a))


def choice(s: Scope) -> Drawn:
    a = s.pick()
    b = _partner(s, a)
    if s.random.random() < 0.5:
        return "tl.where({0} < {1}, {0}, {1})", (a, b)
    shape = s.types[a][0]
    condition = s.pick(lambda t: t[1] == "bool" and t[0] in (shape, (), shape[-1:], (1,) * len(shape)))
    return "tl.where({0}, {1}, {2})", (condition, a, b)


def condition(s: Scope) -> Drawn:
    """What is computed only where something holds, or as often as it does."""
    a, flags = s.pick(is_float), s.pick(lambda t: t[1] == "bool")
    b = s.pick(lambda t: t == s.types[a])
    # A default argument reads from outside what is read there, also where only the type of the result is asked for.
    match s.random.randrange(5):
        case 0:
            then, other = "lambda u, v: tl.tanh(u) * v", "lambda u, v: u - v * 2.0"
            return f"tl.cond(tl.any({{0}}), {then}, {other}, {{1}}, {{2}})", (flags, a, b)
        case 1:
            then, other = "lambda p={1}: tl.sin(p)", "lambda p={1}, q={2}: p * q + 1.0"
            return f"tl.cond(tl.all({{0}}), {then}, {other})", (flags, a, b)
        case 2:
            other = "lambda u, q={2}: tl.exp(-u * u) + q"
            return f"tl.cond(tl.any({{0}}), lambda u: u, {other}, {{1}})", (flags, a, b)
        case 3:
            test = "lambda v, n={0}: v[0] < tl.sum(n) % 4"
            step = "lambda v, q={2}: (v[0] + 1, tl.tanh(v[1] + q))"
            return f"tl.while_loop({test}, {step}, (0, {{1}}), bound=3)[1]", (flags, a, b)
        case _:
            test = "lambda v, n={0}: (v[0] < 3) & tl.any(n)"
            step = "lambda v: (v[0] + 1, tl.sin(v[1] * 2.0), v[1])"
            return f"tl.while_loop({test}, {step}, (0, {{1}}, {{2}}), bound=4)[2]", (flags, a, b)


def cast(s: Scope) -> Drawn:
    a, dtype = s.pick(), s.random.choice(DTYPES)
    name = "bool_" if dtype == "bool" else dtype
    return f"{{0}}.astype(tl.{name})", (a,)


def _slice(random: Random, size: int) -> str:
    kind = random.random()
    if kind < 0.3:
        return ":"
    if kind < 0.4 and size:
        return str(random.randrange(-size, size))
    if kind < 0.55:
        return f"::{random.choice((-1, -1, 2, -2, 3))}"
    a, b = random.randrange(-size - 1, size + 2), random.randrange(-size - 1, size + 2)
    step = random.choice(("", "", "", ":2", ":-1", ":-2", ":3"))
    return f"{random.choice(('', a))}:{random.choice(('', b))}{step}"


def view(s: Scope) -> Drawn:
    a = s.pick(lambda t: t[0] != () or s.random.random() < 0.1)
    shape = s.types[a][0]
    rank = len(shape)
    match s.random.randrange(14):
        case 12 | 13:
            axes = tuple(s.random.sample(range(rank), rank))
            return f"tl.reshape(tl.transpose({{0}}, {axes}), {factorised(s.random, math.prod(shape))})", (a,)
        case 0 | 1 | 2:
            return f"tl.reshape({{0}}, {factorised(s.random, math.prod(shape))})", (a,)
        case 3 | 4:
            axes = tuple(s.random.sample(range(rank), rank))
            return (f"tl.transpose({{0}}, {axes})" if rank > 2 else "tl.transpose({0})"), (a,)
        case 5 | 6 | 7:
            parts = [_slice(s.random, n) for n in shape[: s.random.randint(1, max(rank, 1))]]
            if not parts or s.random.random() < 0.1:
                parts.insert(s.random.randrange(len(parts) + 1), "None")
            return f"{{0}}[{', '.join(parts)}]", (a,)
        case 8:
            axis = f", {s.random.randrange(rank)}" if rank and s.random.random() < 0.7 else ""
            return f"tl.flip({{0}}{axis})", (a,)
        case 9:
            wide = tuple(s.random.choice((2, 3, 4)) if n == 1 else n for n in shape)
            lead = s.random.choice(((), (2,), (3,), (1,), (2, 1)))
            return f"tl.broadcast_to({{0}}, {lead + wide})", (a,)
        case 10:
            return f"tl.expand_dims({{0}}, {s.random.randint(0, rank)})", (a,)
        case _:
            return s.random.choice(("tl.squeeze({0})", "tl.ravel({0})", "{0}.T" if rank == 2 else "tl.ravel({0})")), (
                a,
            )


def _axes(random: Random, rank: int) -> str:
    kind = random.random()
    if kind < 0.25 or not rank:
        return "None"
    if kind < 0.75:
        return str(random.randrange(-rank, rank))
    return str(tuple(random.sample(range(rank), random.randint(0, rank))))


def reduction(s: Scope) -> Drawn:
    a = s.pick(is_float if s.random.random() < 0.85 else lambda t: True)
    keep = ", keepdims=True" if s.random.random() < 0.3 else ""
    return f"tl.{s.random.choice(REDUCTIONS)}({{0}}, {_axes(s.random, len(s.types[a][0]))}{keep})", (a,)


def beside_a_sum(s: Scope) -> Drawn:
    """A total of a part, often an empty one, in one expression with parts of another value."""
    a = s.pick(lambda t: is_float(t) and t[0] != ())
    dtype = s.types[a][1]
    b = s.pick(lambda t: t[1] == dtype and t[0] != () and 0 not in t[0])
    part = s.random.choice(("[:0]", "[1:1]", "[:1]", "", f"[{_slice(s.random, s.types[a][0][0])}]"))
    place = ", ".join(str(s.random.randrange(n)) for n in s.types[b][0][: s.random.randint(1, 3)])
    total = f"tl.{s.random.choice(('sum', 'sum', 'mean', 'logsumexp'))}({{0}}{part} * 3)"
    return f"({total} {s.random.choice('+-*')} ({{1}} * 2 + {{1}})[{place}])", (a, b)


def odd_reduction(s: Scope) -> Drawn:
    a = s.pick(lambda t: t[0] != ())
    axis = s.random.randrange(len(s.types[a][0]))
    return f"tl.{s.random.choice(ODD_REDUCTIONS)}({{0}}, axis={axis})", (a,)


def along(s: Scope) -> Drawn:
    a = s.pick(lambda t: t[0] != ())
    return f"tl.{s.random.choice(ALONG)}({{0}}, axis={s.random.randrange(len(s.types[a][0]))})", (a,)


def _places(random: Random, size: int, count: int) -> str:
    return str([random.randrange(-size, size) for _ in range(count)])


def gather(s: Scope) -> Drawn:
    a = s.pick(lambda t: t[0] != () and 0 not in t[0])
    shape = s.types[a][0]
    axis = s.random.randrange(len(shape))
    n = shape[axis]
    if s.random.random() < 0.4:
        integers = s.all(lambda t: t[1] in ("int32", "int64") and math.prod(t[0]) <= 12)
        if integers:
            return f"tl.take({{0}}, {{1}} % {n}, axis={axis})", (a, s.random.choice(integers))
    places = _places(s.random, n, s.random.choice((0, 1, 2, 3, 5)))
    match s.random.randrange(3):
        case 0:
            return f"tl.take({{0}}, tl.tensor({places}, dtype=tl.int64), axis={axis})", (a,)
        case 1:
            return f"{{0}}[{':, ' * axis}np.array({places}, int)]", (a,)
        case _:
            pairs = ", ".join(f"np.array({_places(s.random, m, 3)})" for m in shape[:2])
            return f"{{0}}[{pairs}]", (a,)


def scatter(s: Scope) -> Drawn:
    a = s.pick(lambda t: t[0] != () and 0 not in t[0])
    shape, dtype = s.types[a]
    n = shape[0]
    match s.random.randrange(3):
        case 0:
            places = _places(s.random, n, s.random.choice((1, 2, 3)))
            kind = s.random.choice(("set", "add", "add", "max", "min", "multiply") if dtype != "bool" else ("set",))
            b = s.pick(lambda t: t[1] == dtype and t[0] in ((), shape[1:]))
            if kind == "set":
                places = str(s.random.sample(range(n), s.random.randint(1, n)))
            return f"{{0}}.at[np.array({places})].{kind}({{1}})", (a, b)
        case 1:
            kind = s.random.choice(("set", "add") if dtype != "bool" else ("set",))
            b = s.pick(lambda t: t == ((), dtype))
            return f"{{0}}.at[{_slice(s.random, n)}].{kind}({{1}})", (a, b)
        case _:
            if dtype == "bool":
                raise LookupError
            size = s.random.choice((1, 2, 4))
            return f"tl.scatter_add({{0}}, np.array({_places(s.random, size, n)}), 0, size={size})", (a,)


def product(s: Scope) -> Drawn:
    a = s.pick(lambda t: is_float(t) and t[0] != ())
    shape, dtype = s.types[a]
    kind = s.random.randrange(6)
    if kind < 3:
        fitting = s.all(
            lambda t: t[1] == dtype and t[0] != () and (t[0][-2] if len(t[0]) > 1 else t[0][0]) == shape[-1]
        )
        if fitting and s.random.random() < 0.5:
            return "({0} @ {1})", (a, s.random.choice(fitting))
        # Weights of its own: often those that keep the shape, so that a carry may take the result.
        columns = shape[-1] if s.random.random() < 0.6 else s.random.choice((1, 2, 3, 5, 8))
        return "({0} @ {1})", (a, s.argument(((shape[-1], columns), dtype)))
    if kind == 3 and len(shape) > 1:
        return s.random.choice(("({0} @ tl.swapaxes({0}, -1, -2))", "(tl.swapaxes({0}, -1, -2) @ {0})")), (a,)
    if kind == 4 and math.prod(shape) <= 12:
        return "tl.outer({0}, {1})", (a, s.pick(lambda t: t[1] == dtype and math.prod(t[0]) <= 12))
    b = s.pick(lambda t: t[1] == dtype and len(t[0]) == 2)
    if len(shape) == 2:
        letters = s.random.choice(("ij,kj->ik", "ij,ik->jk", "ij,jk->ki", "ij,kj->kij", "ij,ij->i"))
        return f'tl.einsum("{letters}", {{0}}, {{1}})', (a, b)
    return "({0}[..., None] * {1}).sum(-1)", (a, a)


def join(s: Scope) -> Drawn:
    a = s.pick()
    shape, dtype = s.types[a]
    if not shape or s.random.random() < 0.25:
        others = [s.pick(lambda t: t == (shape, dtype)) for _ in range(s.random.randint(0, 2))]
        parts = s.random.sample((a, *others), len(others) + 1)
        text = ", ".join(f"{{{k}}}" for k in range(len(parts)))
        return f"tl.stack([{text}], {s.random.randint(0, len(shape))})", tuple(parts)
    axis = s.random.randrange(len(shape))

    def fits(t: Type) -> bool:
        alike = [k == axis or m == n for k, (m, n) in enumerate(zip(t[0], shape, strict=False))]
        return t[1] == dtype and len(t[0]) == len(shape) and all(alike)

    others = [s.pick(fits) for _ in range(s.random.randint(1, 3))]
    parts = s.random.sample((a, *others), len(others) + 1)
    text = ", ".join(f"{{{k}}}" for k in range(len(parts)))
    return f"tl.concatenate([{text}], {axis})", tuple(parts)


def padding(s: Scope) -> Drawn:
    a = s.pick(lambda t: t[0] != ())
    shape = s.types[a][0]
    rank = len(shape)
    axis = s.random.randrange(rank)
    match s.random.randrange(8):
        case 5:
            parts = s.random.choice([n for n in (2, 3, 4) if shape[axis] % n == 0] or [0])
            if not parts:
                raise LookupError
            return f"tl.split({{0}}, {parts}, {axis})", (a,)
        case 6:
            if not shape[-1] or s.types[a][1] == "bool":
                raise LookupError
            return f"tl.top_k({{0}}, {s.random.randint(1, shape[-1])})", (a,)
        case 7:
            return f"tl.take_along_axis({{0}}, tl.argsort({{0}}, axis={axis}), axis={axis})", (a,)
        case 0:
            return f"tl.pad({{0}}, {[(s.random.randint(0, 2), s.random.randint(0, 2)) for _ in range(rank)]})", (a,)
        case 1:
            return f"tl.roll({{0}}, {s.random.randint(-3, 3)}, {axis})", (a,)
        case 2:
            return f"tl.repeat({{0}}, {s.random.randint(0, 3)}, axis={axis})", (a,)
        case 3:
            return f"tl.tile({{0}}, {s.random.randint(1, 3)})", (a,)
        case _:
            return s.random.choice(("tl.tril({0})", "tl.triu({0})", "tl.diff({0})", "tl.diagonal({0})")), (a,)


def fresh(s: Scope) -> Drawn:
    a = s.pick()
    shape, dtype = s.types[a]
    name = "bool_" if dtype == "bool" else dtype
    match s.random.randrange(4):
        case 0:
            return f"tl.{s.random.choice(('zeros', 'ones'))}({shape}, dtype=tl.{name})", ()
        case 1:
            return f"tl.arange({s.random.randint(0, 5)}).astype(tl.{name})", ()
        case 2:
            return f"tl.{s.random.choice(('zeros', 'ones'))}_like({{0}})", (a,)
        case _:
            return f"tl.full({shape}, {s.random.choice(NUMBERS[:5])}, dtype=tl.{name})", ()


DRAWN: tuple[tuple[Callable[[Scope], Any], int], ...] = (
    (unary, 16),
    (with_number, 12),
    (binary, 18),
    (on_integers, 6),
    (choice, 4),
    (condition, 4),
    (cast, 4),
    (view, 30),
    (reduction, 12),
    (odd_reduction, 2),
    (beside_a_sum, 3),
    (along, 3),
    (gather, 4),
    (scatter, 3),
    (product, 10),
    (join, 10),
    (padding, 5),
    (fresh, 2),
)
"""Each way to draw a statement, and how often it is taken."""
