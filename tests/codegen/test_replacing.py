"""Results of kernels over what the kernels read last: where that is done, and where it would be wrong."""

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.small_programs import needs_c
from tests.codegen.test_steps_and_memory import Build, program_of

ROWS, INNER, WORDS = 6, 16, 40


def large(program):
    """The temporaries that hold a number for each word of each row."""
    return [b for b in program.buffers if b.role == "temporary" and b.size == ROWS * WORDS]


def softmax_of(x, W, V):
    return tl.softmax(x @ W) @ V


def scores_twice(x, W, V):
    scores = x @ W
    return tl.softmax(scores) @ V + (scores @ V).sum()


def turned(x, W, V):
    """Reads each score at another point than that at which it writes."""
    scores = x @ W
    return (tl.softmax(scores) + tl.flip(scores, -1)) @ V


def other_type(x, W, V):
    return tl.softmax((x @ W).astype(tl.float64)) @ V.astype(tl.float64)


@pytest.mark.parametrize(("f", "arrays"), [(softmax_of, 1), (scores_twice, 2), (turned, 2), (other_type, 2)])
def test_a_result_takes_the_memory_of_what_is_read_last(f: Build, arrays: int) -> None:
    assert len(large(program_of(f, (ROWS, INNER), (INNER, WORDS), (WORDS, INNER)))) == arrays


def test_the_carry_that_is_copied_at_the_end_of_a_step_keeps_its_memory() -> None:
    """The new carry is read by a kernel last of all, and again when the step ends."""

    def f(c, W):
        def step(c, t):
            new = tl.tanh(c) @ W
            return new, tl.exp(new) * c.sum()

        return tl.scan(step, c, tl.arange(4))

    program_of(f, (5, 5), (5, 5))


def test_of_two_results_each_takes_an_array() -> None:
    def f(x, W, V):
        a, b = x @ W, x @ (W * 2)
        return tl.exp(a - b) @ V, tl.sin(a * b) @ V

    assert len(large(program_of(f, (ROWS, INNER), (INNER, WORDS), (WORDS, INNER)))) == 2


@needs_c
def test_the_softmax_over_words_moves_one_array_less() -> None:
    """Values and gradients on C, with workers that share the rows, against the plain graph."""
    rng = np.random.default_rng(0)
    x, W = rng.standard_normal((64, 30)).astype("f"), rng.standard_normal((30, 900)).astype("f")
    y = rng.integers(0, 900, 64)

    def f(x, W):
        return tl.value_and_grad(lambda W: tl.nn.cross_entropy(x @ W, y))(W)

    loss, slope = f(tl.tensor(x), tl.tensor(W))
    with tl.use_backend("c"):
        fast, steep = tl.jit(f)(tl.tensor(x), tl.tensor(W))
        assert abs(float(fast) - float(loss)) < 1e-5
        assert np.abs(steep.numpy() - slope.numpy()).max() < 1e-6
