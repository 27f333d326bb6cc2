"""The temporal order problem: which of two symbols came first, second and third, among many others."""

import numpy as np

from tinygrad_lstm.tasks.arithmetic import PAPER
from tinygrad_lstm.tasks.definition import Protocol, Published, Recent, Task, endless, modern
from tinygrad_lstm.tasks.sequence_data import Generator, Sequences, one_hot_rows
from tinygrad_lstm.tasks.trial_cells import Blocks

__all__ = ["ordered_symbols", "temporal_order_2", "temporal_order_3"]

_SYMBOLS = "EBabcdXY"
_PLACES = {2: ((10, 20), (50, 60)), 3: ((10, 20), (33, 43), (66, 76))}


def ordered_symbols(random: Generator, count: int, relevant: int) -> Sequences:
    """Sequences of 100 to 110 symbols: E, then a, b, c or d with ``relevant`` times X or Y between them, then B.

    The class at the end is the number whose binary digits are the order of X and Y.

    >>> some = ordered_symbols(np.random.default_rng(0), 3, 2)
    >>> some.inputs.shape, some.targets.shape, some.targets.sum(axis=(0, 2)).tolist()
    ((110, 3, 8), (110, 3, 4), [1.0, 1.0, 1.0])
    """
    steps, rows = 110, np.arange(count)
    last = random.integers(100, steps + 1, count) - 1
    symbols = random.integers(2, 6, (steps, count))
    symbols[0], symbols[last, rows] = 0, 1
    symbols[np.arange(steps)[:, None] > last] = -1
    which = np.zeros(count, int)
    for low, high in _PLACES[relevant]:
        bit = random.integers(2, size=count)
        symbols[random.integers(low, high + 1, count), rows] = 6 + bit
        which = 2 * which + bit
    targets, weights = np.zeros((steps, count, 2**relevant), np.float32), np.zeros((steps, count), np.float32)
    targets[last, rows, which], weights[last, rows] = 1, 1
    return Sequences(one_hot_rows(symbols, len(_SYMBOLS)), targets, weights)


def temporal_order_2() -> Task:
    """Task 6a: two relevant symbols, four classes."""
    return _task(2, "6a", "two", Blocks(2, 2, input_bias=(-2, -4)), 0.5, 300_000, Published("", "31,390", "1 of 2,560"))


def temporal_order_3() -> Task:
    """Task 6b: three relevant symbols, eight classes."""
    blocks = Blocks(3, 2, input_bias=(-2, -4, -6))
    return _task(3, "6b", "three", blocks, 0.1, 1_200_000, Published("", "571,100", "2 of 2,560"))


def _task(
    relevant: int, experiment: str, number: str, blocks: Blocks, rate: float, limit: int, published: Published
) -> Task:
    places = ", ".join(f"{low} to {high}" for low, high in _PLACES[relevant])
    example = {2: "E a c b … X … d a … Y … c B   → class 1 of 0 … 3", 3: "E a c … X … Y … X … c B   → class 2 of 0 … 7"}
    return Task(
        f"order-{relevant}",
        f"Temporal order with {number} symbols",
        f"A sequence of 100 to 110 symbols starts with E and ends with B; between them stand a, b, c and d at random, "
        f"and X or Y at {number} places, one each in the steps {places}. At the end the network says in which order X "
        f"and Y came, one of {2**relevant} classes; all outputs have to be within 0.3 of their targets.",
        f"{PAPER}, experiment {experiment}",
        example[relevant],
        len(_SYMBOLS),
        2**relevant,
        "class",
        0.3,
        endless(lambda random, count: ordered_symbols(random, count, relevant)),
        {
            "1997": Protocol(
                {"lstm": blocks},
                rate=rate,
                limit=limit,
                start=0.1,
                squared=True,
                success=Recent(2000, 1, 0.1),
                published={"lstm": published},
            ),
            "modern": modern(
                16,
                batch=16,
                limit=200_000,
                rate={2: 0.01, 3: 0.005}[relevant],
                success=Recent(2000, 1, 0.1),
                lag=100,
                published={"lstm": published},
            ),
        },
    )
