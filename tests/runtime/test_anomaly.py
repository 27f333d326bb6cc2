"""``detect_anomaly``: the first value that is not finite, and where it comes from."""

from pathlib import Path

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import AnomalyError, EvaluationError


def told(*tensors) -> str:
    with tl.detect_anomaly(), pytest.raises(AnomalyError) as caught:
        tl.evaluate(*tensors)
    assert isinstance(caught.value, EvaluationError)
    return str(caught.value)


def test_outside_the_block_nothing_is_looked_at() -> None:
    assert np.isnan(tl.log(-1.0).numpy())
    with tl.detect_anomaly():
        assert tl.exp(1.0).item() == pytest.approx(np.e)
        assert tl.tensor([1, 2]).sum().item() == 3
    assert np.isinf((tl.tensor(1.0) / 0.0).numpy())


def test_the_operation_its_scope_line_and_inputs_are_named() -> None:
    with tl.scope("loss"):
        x = tl.tensor([[1.0, 2.0], [3.0, -4.0]]) * 2
        y = tl.log(x) + 1
    message = told(tl.exp(y))
    assert message.startswith("log(f32[2,2]) in 'loss' gives nan at [1, 1] (1 of 4 values is not finite) [")
    assert "test_anomaly.py:" in message
    assert message.endswith(": input 0, multiply, is finite, between -8 and 6")


def test_print_raises_and_a_debugger_does_not() -> None:
    y = tl.log(tl.tensor([-1.0]))
    with tl.detect_anomaly():
        with pytest.raises(AnomalyError, match="gives nan"):
            str(y)
        with pytest.raises(AnomalyError, match="gives nan"):
            f"{y}"
        assert "cannot be evaluated: log(f32[1]) gives nan" in repr(y)
    assert str(y) == "[nan]"


def test_an_input_that_was_not_finite_already() -> None:
    w = tl.Parameter([np.inf, 1.0], name="w")
    message = told(w * tl.tensor([0.0, 1.0]))
    assert "multiply(f32[2], f32[2]) gives nan at [0]" in message
    assert "input 0, leaf 'w', was not finite already at 1 of 2 places" in message
    assert "input 1, leaf, is finite, between 0 and 1" in message


def test_integers_empty_arrays_and_scalars() -> None:
    assert "gives inf [" in told(tl.tensor(1.0) / (tl.tensor([1, 2]).sum() - 3).astype(tl.float32))
    assert "gives inf" in told(tl.take(tl.tensor([np.inf]), tl.tensor([0])))
    assert "input 1, leaf, is between 0 and 0" in told(tl.take(tl.tensor([np.inf]), tl.tensor([0])))
    assert "gives -inf" in told(tl.logsumexp(tl.zeros(0)))
    assert "is empty" in told(tl.logsumexp(tl.zeros(0)))


def test_a_node_of_a_gradient_bears_the_line_of_what_it_differentiates() -> None:
    x = tl.Parameter([4.0, 0.0])
    y = tl.sqrt(x)  # the line
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    line = 1 + next(n for n, text in enumerate(lines) if text.endswith("# the line"))
    with tl.detect_anomaly(), pytest.raises(AnomalyError) as caught:
        y.sum().backward()
    message = str(caught.value)
    assert message.startswith("divide(f32[2], f32[2]) of the gradient of sqrt in 'gradient' gives inf at [1]")
    assert f"test_anomaly.py:{line}]" in message
    assert x.grad is None


@pytest.mark.parametrize(("reverse", "step"), [(False, 2), (True, 2)])
def test_the_step_of_a_scan_is_named(reverse: bool, step: int) -> None:
    _, ys = tl.scan(lambda c, x: (c, tl.log(x)), 0.0, tl.tensor([1.0, 2.0, -3.0, 4.0]), reverse=reverse)
    message = told(ys)
    assert message.endswith(f"; in step {step} of the 4 of a scan")
    assert "log(f32[]) gives nan" in message
    assert "input 0, symbol" in message


def test_loops_in_loops_gradients_of_loops_and_checkpoints() -> None:
    xs = tl.tensor([[1.0, 4.0], [0.0, 1.0]])

    def outer(c, row):
        return tl.scan(lambda c, x: (c + tl.sqrt(x), None), c, row)

    total, _ = tl.scan(outer, 0.0, xs)
    with tl.detect_anomaly():
        assert total.item() == 4.0
    message = told(tl.gradients(total, xs))
    assert "of the gradient of sqrt" in message
    assert message.endswith("; in step 0 of the 2 of a scan; in step 1 of the 2 of a scan")
    assert "log(f32[]) gives nan" in told(tl.checkpoint(lambda x: tl.log(x) + 1)(tl.tensor(-1.0)))
