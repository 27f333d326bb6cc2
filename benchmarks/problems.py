"""The problems, which every system computes on the same numbers.

``training``   one LSTM layer of ``T`` steps, batch ``B``, inputs ``I`` and units ``H``, from zeros; the loss is the sum
               of the squares of all hidden states; the loss and its gradients by x, W, U and b.
``inference``  the hidden states of that layer.
``words``      one update of a word model: embedding, two LSTM layers, softmax over the words, mean cross-entropy;
               gradients clipped by their common norm, then Adam.

All numbers are float32. W ``(I, 4H)``, U ``(H, 4H)`` and b ``(4H,)`` hold the gates side by side in the order input,
forget, candidate, output. A system may lay them out as it likes; what it reports is in this layout.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

Array = Any
Arrays = dict[str, Array]

GATES: Final = ("input", "forget", "candidate", "output")
MODES: Final = ("training", "inference", "words")
SHAPES: Final = [
    (50, 16, 32, 64),
    (20, 20, 200, 200),
    (784, 32, 1, 128),
    (100, 64, 128, 256),
    (35, 20, 650, 650),
    (100, 64, 256, 512),
]
"""(T, B, I, H): a first experiment, a small word model, pixels one by one, speech, a word model, a large layer."""
LENGTHS: Final = [(10**k, 16, 32, 64) for k in range(1, 5)]
WIDTHS: Final = [(50, 16, 2**k, 2**k) for k in range(5, 11)]

LEARNING_RATE: Final = 1e-2
BETAS: Final = (0.9, 0.999)
EPSILON: Final = 1e-8
CLIP: Final = 0.25


class Prepared(NamedTuple):
    """A problem, prepared by one system."""

    step: Callable[[], Any]
    """One whole iteration: when it returns, everything is computed."""
    read: Callable[[Any], Arrays]
    """What a step gave, as NumPy arrays in the layout above, by name: ``loss``, ``x``, ``W``, ``U``, ``b``; or
    ``outputs``; or, of ``words``, the ``loss`` before the update."""


class MissingError(Exception):
    """The system, or something that it needs, is not installed; the message says what."""


@dataclass(frozen=True)
class Layer:
    """The problems ``training`` and ``inference``."""

    mode: str
    steps: int
    batch: int
    inputs: int
    units: int

    @property
    def training(self) -> bool:
        return self.mode == "training"

    def arrays(self) -> Arrays:
        """``x``, ``W``, ``U`` and ``b``."""
        rng = np.random.default_rng(0)
        bound = self.units**-0.5
        return {
            "x": rng.normal(size=(self.steps, self.batch, self.inputs)).astype(np.float32),
            "W": rng.uniform(-bound, bound, (self.inputs, 4 * self.units)).astype(np.float32),
            "U": rng.uniform(-bound, bound, (self.units, 4 * self.units)).astype(np.float32),
            "b": rng.uniform(-bound, bound, 4 * self.units).astype(np.float32),
        }


@dataclass(frozen=True)
class Words:
    """``words``: (T, B, words, H): embeddings of H numbers, and two layers of H units."""

    mode: str
    steps: int
    batch: int
    words: int
    units: int

    def arrays(self) -> Arrays:
        """``indices`` and ``targets``, ``embedding``, ``W0``, ``U0``, ``b0`` and ``W1``, …, ``V`` and ``d``."""
        rng = np.random.default_rng(0)
        bound, H = self.units**-0.5, self.units
        text = rng.integers(0, self.words, (self.steps + 1, self.batch))
        arrays = {"indices": text[:-1], "targets": text[1:]}
        shapes = {"embedding": (self.words, H), "V": (H, self.words), "d": (self.words,)}
        for layer in range(2):
            shapes |= {f"W{layer}": (H, 4 * H), f"U{layer}": (H, 4 * H), f"b{layer}": (4 * H,)}
        return arrays | {name: rng.uniform(-bound, bound, s).astype(np.float32) for name, s in shapes.items()}


WORDS: Final = (20, 20, 10_000, 200)


def problem(mode: str, shape: tuple[int, int, int, int]) -> Layer | Words:
    """The problem of a mode and a shape."""
    return Words(mode, *shape) if mode == "words" else Layer(mode, *shape)


def by_gate(arrays: Arrays) -> tuple[list[Array], list[Array]]:
    """Four weights over ``[h, x]``, ``(H + I, H)``, and four biases, in the order of ``GATES``."""
    joined = np.concatenate([arrays["U"], arrays["W"]])
    return np.split(joined, 4, axis=1), np.split(arrays["b"], 4)


def from_gates(weights: list[Array], biases: list[Array]) -> Arrays:
    """The inverse of ``by_gate``: ``W``, ``U`` and ``b`` from the weights and biases of each gate."""
    joined = np.concatenate(weights, axis=1)
    H = joined.shape[1] // 4
    return {"W": joined[H:], "U": joined[:H], "b": np.concatenate(biases)}
