"""Whatever a scope, a value or a variable is called, a compiled program computes the same and its text is a comment."""

import pytest

import tinygrad_lstm as tl
from tests.codegen.small_programs import needs_c
from tinygrad_lstm.errors import UsageError

NAMES = [
    "a\0b",
    "\ud800",
    "x\ny",
    "x\r\ny",
    "*/ evil /*",
    "**// evil",
    "\u202e",
    "\u2028x",
    "a" * 300,
    '"""',
    "??/",
    "\\",
    "#",
]


@pytest.mark.parametrize("backend", ["numpy", pytest.param("c", marks=needs_c)])
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_are_no_code(name: str, backend: str) -> None:
    p = tl.Parameter(2.0, name=name)

    def f(x):
        with tl.scope(name):
            y = (tl.tanh(x) * p).named(name)
            _, ys = tl.scan(lambda c, v: (c + v, tl.exp(c * v) @ tl.ones((3, 3))), x, tl.ones((4, 3)))
        return y + ys.sum(0)

    x = tl.tensor([0.1, 0.2, 0.3])
    with tl.use_backend(backend):
        assert abs(tl.jit(f)(x).numpy() - f(x).numpy()).max() < 1e-4
        assert tl.jit(f).explain(x).text()


@pytest.mark.parametrize("name", [*NAMES, "\x1b[31m", "\x9b31m", "\x7f", "\x07", "\u2066"], ids=ascii)
@pytest.mark.parametrize("backend", ["numpy", pytest.param("c", marks=needs_c)])
def test_what_is_printed_holds_no_character_that_a_terminal_obeys(name: str, backend: str) -> None:
    x = tl.symbol(name, (2,))
    module = tl.nn.Sequential(tl.nn.Linear(2, 2))
    setattr(module, name, tl.Parameter([1.0], name=name))

    def failing():
        with tl.scope(name):
            return x + tl.ones(3)

    shown = [str(x * 2 + 1), repr(x), tl.text(tl.tanh(x)), repr(module), repr(getattr(module, name))]
    with tl.scope(name):
        shown.append(tl.printed((x * 2).named(name), scopes=True))
        y = tl.tensor([1.0, 2.0])
        explained = tl.jit(lambda z: tl.tanh((z * module.__dict__[name]).named(name))).explain(y)
        with tl.use_backend(backend):
            source = tl.jit(lambda z: tl.tanh(z * 2)).explain(y).source
    shown += [explained.text(), str(explained), repr(explained), source]
    failures = [
        failing,
        (x * 2).evaluate,
        lambda: module.load_state_dict({name: 1.0}),
        lambda: tl.use_backend(name),
        lambda: tl.load(name),
        lambda: tl.nn.from_pytorch(tl.nn.Linear(2, 2), {name: [1.0]}),
    ]
    for fail in failures:
        with pytest.raises(tl.errors.Error) as told:
            fail()
        shown.append(str(told.value))
    assert all(line.isprintable() for text in shown for line in text.split("\n")), shown


def test_an_attribute_without_a_name_is_refused() -> None:
    with pytest.raises(UsageError, match="an attribute of Linear has a name of at least one character"):
        setattr(tl.nn.Linear(2, 3), "", tl.Parameter(1.0))
