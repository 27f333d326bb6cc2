"""Random programs: short sequences of operations that run on tensors and on NumPy arrays alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_lstm as tl

__all__ = ["SMOOTH", "Program", "programs"]


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _softmax(x: Any) -> Any:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


# Each grows its arguments at most linearly, so that no program overflows; names are those of `tl`.
SMOOTH: dict[str, tuple[int, Callable[..., Any], Callable[..., Any]]] = {
    "add": (2, lambda a, b: a + b, lambda a, b: a + b),
    "subtract": (2, lambda a, b: a - b, lambda a, b: a - b),
    "multiply": (2, lambda a, b: a * tl.tanh(b), lambda a, b: a * np.tanh(b)),
    "divide": (2, lambda a, b: a / (tl.tanh(b) + 2), lambda a, b: a / (np.tanh(b) + 2)),
    "power": (2, lambda a, b: (1 + tl.sigmoid(a)) ** tl.sin(b), lambda a, b: (1 + _sigmoid(a)) ** np.sin(b)),
    "sin": (1, tl.sin, np.sin),
    "cos": (1, tl.cos, np.cos),
    "tanh": (1, tl.tanh, np.tanh),
    "sigmoid": (1, tl.sigmoid, _sigmoid),
    "softplus": (1, tl.softplus, lambda x: np.logaddexp(x, 0)),
    "exp": (1, lambda x: tl.exp(tl.sin(x)), lambda x: np.exp(np.sin(x))),
    "log": (1, lambda x: tl.log(x * x + 1), lambda x: np.log(x * x + 1)),
    "sqrt": (1, lambda x: tl.sqrt(x * x + 1), lambda x: np.sqrt(x * x + 1)),
    "mean": (1, lambda x: x - tl.mean(x), lambda x: x - np.mean(x)),
    "softmax": (1, tl.softmax, _softmax),
    "flip": (1, tl.flip, np.flip),
    "logsumexp": (1, lambda x: x * 0.5 + tl.logsumexp(x), lambda x: x * 0.5 + np.log(np.exp(x).sum())),
    "slice": (1, lambda x: tl.concatenate([x[1:], x[:1]]), lambda x: np.concatenate([x[1:], x[:1]])),
    "where": (2, lambda a, b: tl.where([True, False, True], a, b), lambda a, b: np.where([True, False, True], a, b)),
    "constant": (1, lambda x: x + 0.5, lambda x: x + 0.5),
    "named": (1, lambda x: tl.named(x, "n"), lambda x: x),
}


@dataclass(frozen=True)
class Program:
    """Steps ``(operation, places of its operands)``; each result goes to the next place. Then what is given back."""

    steps: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[int, ...]

    def run(self, values: Sequence[Any], symbolic: bool) -> list[Any]:
        registers = list(values)
        for name, places in self.steps:
            _, on_tensors, on_arrays = SMOOTH[name]
            registers.append((on_tensors if symbolic else on_arrays)(*[registers[p] for p in places]))
        return [registers[p] for p in self.outputs]


@st.composite
def programs(draw: Any, inputs: int, outputs: int, most: int = 6) -> Program:
    """Programs over ``inputs`` vectors of length 3 that give ``outputs`` of them."""
    steps = []
    for k in range(draw(st.integers(0, most))):
        name = draw(st.sampled_from(sorted(SMOOTH)))
        places = tuple(draw(st.integers(0, inputs + k - 1)) for _ in range(SMOOTH[name][0]))
        steps.append((name, places))
    last = inputs + len(steps) - 1
    return Program(tuple(steps), tuple(draw(st.integers(0, last)) for _ in range(outputs)))
