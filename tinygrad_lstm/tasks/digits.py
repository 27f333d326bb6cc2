"""Sequential digits: images of handwritten digits, pixel by pixel."""

import importlib
from typing import Any

import numpy as np

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.tasks.definition import Data, OnTest, Task, modern
from tinygrad_lstm.tasks.sequence_data import Floats, Generator, Sequences, one_hot_rows

__all__ = ["digit_sequences", "sequential_digits"]

_TESTED = 360


def _images() -> tuple[Floats, Floats]:
    """The images ``(1797, 8, 8)`` with values in [0, 1], and their digits, of the set that scikit-learn ships."""
    try:
        datasets: Any = importlib.import_module("sklearn.datasets")
    except ImportError:
        raise UsageError(
            "the task digits takes its images from scikit-learn; install it with: pip install 'tinygrad-lstm[digits]'"
        ) from None
    loaded = datasets.load_digits()
    return loaded.images / 16, loaded.target


def digit_sequences(images: Floats, digits: Floats) -> Sequences:
    """Images ``(count, height, width)`` read pixel by pixel, row by row; the digit is to be said at the last pixel.

    >>> some = digit_sequences(np.ones((2, 8, 8)), np.array([3, 5]))
    >>> some.inputs.shape, some.targets[-1].argmax(axis=-1).tolist()
    ((64, 2, 1), [3, 5])
    """
    inputs = images.reshape(len(images), -1).T[..., None].astype(np.float32)
    targets, weights = np.zeros((*inputs.shape[:2], 10), np.float32), np.zeros(inputs.shape[:2], np.float32)
    targets[-1], weights[-1] = one_hot_rows(digits[None], 10)[0], 1
    return Sequences(inputs, targets, weights)


def _data(random: Generator) -> Data:
    """A random fifth of the images is the test; the others come in a new order each time that all were seen."""
    images, digits = _images()
    places = random.permutation(len(images))
    tested, known = places[:_TESTED], places[_TESTED:]
    everything = digit_sequences(images, digits)
    waiting: list[int] = []

    def draw(count: int) -> Sequences:
        while len(waiting) < count:
            waiting.extend(random.permutation(known).tolist())
        now, waiting[:] = waiting[:count], waiting[count:]
        return everything.at(now)

    return Data(draw, lambda: everything.at(tested))


def sequential_digits() -> Task:
    """The 1,797 images of 8 × 8 pixels that scikit-learn ships, as sequences of 64 numbers."""
    return Task(
        "digits",
        "Sequential digits",
        "An image of a handwritten digit, 8 × 8 pixels, is read pixel by pixel, 64 steps; then the network says which "
        "of the ten digits it was. 1,437 images are for training, 360 others the test.",
        'E. Alpaydin, C. Kaynak, "Optical recognition of handwritten digits", 1998, as scikit-learn ships it',
        "0.00 0.00 0.31 0.81 0.56 0.06 0.00 … 0.00   → 0",
        1,
        10,
        "class",
        None,
        _data,
        {
            "modern": modern(48, batch=64, limit=150_000, success=OnTest(0.95, 1437), rate=0.005),
        },
    )
