"""What a compiled function shows without arguments: its last call."""

from collections.abc import Callable
from typing import Any

import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import UsageError


@tl.jit
def doubled(x: Any) -> Any:
    return 2.0 * x


class Model:
    def __init__(self, factor: float) -> None:
        self.weight = tl.Parameter(factor)

    @tl.jit
    def step(self, x: Any) -> Any:
        return self.weight * x


@pytest.mark.parametrize(
    "shown",
    [
        lambda f, *x: f.explain(*x).text(),
        lambda f, *x: f.source(*x),
        lambda f, *x: str(f.program(*x)),
        lambda f, *x: tl.printed(f.optimized(*x).outputs[0]),
    ],
    ids=["explain", "source", "program", "optimized"],
)
def test_it_is_that_of_the_last_call(shown: Callable[..., Any]) -> None:
    doubled(tl.ones(3))
    doubled(tl.ones((4, 5)))
    assert shown(doubled) == shown(doubled, tl.ones((4, 5)))
    assert shown(doubled) != shown(doubled, tl.ones(3))


def test_methods_too() -> None:
    model = Model(2.0)
    model.step(tl.ones(7))  # type: ignore[call-arg, arg-type]
    assert "f32[7]" in model.step.explain().text()


def test_before_a_call_it_says_what_to_do() -> None:
    with pytest.raises(UsageError, match="was not called yet: call it first, or give the arguments"):
        tl.jit(lambda x: x).explain()


def test_a_function_without_parameters_needs_no_call() -> None:
    assert tl.jit(lambda: tl.ones(2) * 2).explain().name
