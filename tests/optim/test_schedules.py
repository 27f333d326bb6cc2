"""Learning rates over time."""

import math
from typing import Any

import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.optim import schedules


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (schedules.step_decay(2.0, 3, 0.1), {0: 2, 2: 2, 3: 0.2, 5: 0.2, 6: 0.02}),
        (schedules.exponential(2.0, 0.9), {0: 2, 1: 1.8, 10: 2 * 0.9**10}),
        (schedules.cosine(2.0, 8, 1.0), {0: 2, 2: 1.5 + math.sqrt(0.5) / 2, 4: 1.5, 8: 1, 100: 1}),
        (schedules.warm_up(4, schedules.cosine(2.0, 8)), {0: 0.5, 3: 2, 4: 2, 8: 1, 12: 0}),
        (schedules.one_cycle(1.0, 10), {0: 0.04, 3: 1, 10: 0.04 / 1e4, 20: 0.04 / 1e4}),
        (schedules.one_cycle(1.0, 10, rising=0.5, start=0.2, final=0.4), {0: 0.2, 5: 1, 10: 0.4}),
    ],
)
def test_values(rule: schedules.Schedule, wanted: dict[int, float]) -> None:
    assert {step: rule(step) for step in wanted} == pytest.approx(wanted)
    assert all(isinstance(rule(step), float) for step in wanted)


def test_a_plateau_lowers_the_rate_and_remembers() -> None:
    optimizer = tl.optim.SGD([tl.Parameter(1.0)], 1.0)
    plateau = schedules.Plateau(optimizer, 0.5, patience=2, smallest=0.2)
    rates = []
    for loss in (1.0, 1.0, 0.99999, 1.0, 0.5, 0.6, math.nan, 0.6, 0.6, 0.6, 0.6):
        plateau.update(loss)
        rates.append(optimizer.lr)
    assert rates == pytest.approx([1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2])
    assert set(plateau.state_dict()) == {"best", "waited"}
    other = schedules.Plateau(optimizer, 0.5, patience=0)
    other.load_state_dict(plateau.state_dict())
    other.update(0.4)
    assert float(other.best) == 0.4


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("step_decay: every is an integer of at least 1, not 0", lambda o: schedules.step_decay(1.0, 0)),
        ("step_decay: lr is a finite number", lambda o: schedules.step_decay(-1.0, 1)),
        ("exponential: factor is", lambda o: schedules.exponential(1.0, -1)),
        ("cosine: steps is an integer of at least 1, not 1.5", lambda o: schedules.cosine(1.0, 1.5)),
        ("warm_up: after is a schedule such as cosine", lambda o: schedules.warm_up(1, 0.1)),
        (r"one_cycle: rising is a share in \(0, 1\), not 1", lambda o: schedules.one_cycle(1.0, 1, rising=1)),
        ("one_cycle: start is", lambda o: schedules.one_cycle(1.0, 1, start=-1)),
        ("Plateau: an optimiser is wanted, not float", lambda o: schedules.Plateau(0.1)),
        (r"Plateau: factor is in \(0, 1\), not 1", lambda o: schedules.Plateau(o, 1)),
        ("Plateau: patience is", lambda o: schedules.Plateau(o, 0.1, -1)),
    ],
)
def test_mistakes(message: str, call: Any) -> None:
    with pytest.raises(UsageError, match=message):
        call(tl.optim.SGD([tl.Parameter(1.0)], 1.0))
