"""The data of the tasks: each property is computed again from the inputs alone."""

import numpy as np
import pytest

from tinygrad_lstm.errors import ShapeError, UsageError
from tinygrad_lstm.tasks import TASKS, Sequences, make_task
from tinygrad_lstm.tasks.arithmetic import marked_pairs
from tinygrad_lstm.tasks.counting import count_sequences, dyck_sequences, parity_bits
from tinygrad_lstm.tasks.long_lag import distracted_lag, noise_free_lag
from tinygrad_lstm.tasks.memory import copy_sequences
from tinygrad_lstm.tasks.reber import reber_sequences, reber_string
from tinygrad_lstm.tasks.temporal_order import ordered_symbols

COUNT = 300


@pytest.mark.parametrize("length", [20, 33, 100])
@pytest.mark.parametrize("product", [False, True])
def test_the_marked_numbers_give_the_target(length, product):
    some = marked_pairs(np.random.default_rng(length), COUNT, length, product)
    rare = 0
    for numbers, markers, targets, weights in zip(
        some.inputs[..., 0].T, some.inputs[..., 1].T, some.targets[..., 0].T, some.weights.T, strict=True
    ):
        (last,) = np.flatnonzero(weights)
        assert length <= last + 1 <= length + length // 10
        assert markers[0] == markers[last] == -1
        assert not numbers[last + 1 :].any()
        assert not markers[last + 1 :].any()
        marked = np.flatnonzero(markers == 1)
        assert len(marked) in (1, 2)
        rare += len(marked) == 1
        assert marked[-1] < length // 2
        values = numbers[marked]
        expected = values.prod() if product else 0.5 + values.sum() / 4
        assert targets[last] == pytest.approx(expected, abs=1e-6)
        assert not np.delete(targets, last).any()
    assert 0 < rare < COUNT / 3


@pytest.mark.parametrize(("relevant", "places"), [(2, [(10, 20), (50, 60)]), (3, [(10, 20), (33, 43), (66, 76)])])
def test_the_order_of_the_symbols_is_the_class(relevant, places):
    some = ordered_symbols(np.random.default_rng(relevant), COUNT, relevant)
    seen = set()
    for k in range(COUNT):
        (last,) = np.flatnonzero(some.weights[:, k])
        symbols = "".join("EBabcdXY"[row.argmax()] for row in some.inputs[: last + 1, k])
        assert 100 <= len(symbols) <= 110
        assert symbols[0] + symbols[-1] == "EB"
        at = [t for t, symbol in enumerate(symbols) if symbol in "XY"]
        assert all(low <= t <= high for t, (low, high) in zip(at, places, strict=True))
        assert set(symbols[1:-1]) <= set("abcdXY")
        order = int("".join("01"[symbols[t] == "Y"] for t in at), 2)
        assert some.targets[last, k].tolist() == np.eye(2**relevant)[order].tolist()
        assert not some.inputs[last + 1 :, k].any()
        seen.add(order)
    assert len(seen) == 2**relevant


def test_the_last_symbol_of_a_noise_free_lag_is_the_first():
    some = noise_free_lag(np.random.default_rng(0), 50, 10)
    inputs, targets = some.inputs.argmax(axis=-1), some.targets.argmax(axis=-1)
    assert (inputs[0] == targets[-1]).all()
    assert set(inputs[0]) == {9, 10}
    assert (inputs[1:] == np.arange(9)[:, None]).all()
    assert (targets[:-1] == inputs[1:]).all()


@pytest.mark.parametrize(("lag", "distractors"), [(10, 10), (20, 5)])
def test_the_second_symbol_is_asked_for_behind_the_trigger(lag, distractors):
    some = distracted_lag(np.random.default_rng(0), COUNT, lag, distractors)
    lengths = []
    for k in range(COUNT):
        (end,) = np.flatnonzero(some.weights[:, k])
        symbols = some.inputs[: end + 1, k].argmax(axis=-1)
        assert symbols[0] == distractors + 1
        assert symbols[-1] == distractors
        assert (symbols[2:-1] < distractors).all()
        assert some.targets[end, k].argmax() == symbols[1] - distractors - 2
        lengths.append(len(symbols) + 1)
    assert min(lengths) >= lag + 4
    assert np.mean(lengths) == pytest.approx(lag + 13, abs=2)  # geometric: on average 9 more than the least


def test_a_reber_string_remembers_its_second_symbol():
    random = np.random.default_rng(0)
    strings = [reber_string(random) for _ in range(COUNT)]
    some = reber_sequences(strings)
    for k, (string, following) in enumerate(strings):
        assert string[1] == string[-2]
        assert len(following) == len(string) - 1
        assert all(symbol in allowed for symbol, allowed in zip(string[1:], following, strict=True))
        assert {len(allowed) for allowed in following} <= {1, 2}
        steps = int(some.weights[:, k].sum())
        assert steps == len(string) - 1
        assert "".join("BTPSXVE"[row.argmax()] for row in some.inputs[:steps, k]) == string[:-1]
        assert "".join("BTPSXVE"[row.argmax()] for row in some.targets[:steps, k]) == string[1:]
    assert len({string for string, _ in strings}) > COUNT / 3


def test_counting_and_brackets_and_bits():
    for kinds in (2, 3):
        some = count_sequences(np.arange(1, 6), kinds, 5)
        for k, n in enumerate(range(1, 6)):
            steps = 1 + kinds * n
            text = "".join("SabcT"[row.argmax()] for row in some.inputs[:steps, k])
            assert text == "S" + "".join(letter * n for letter in "abc"[:kinds])
            for t in range(steps):
                allowed = {("SabT" if kinds == 2 else "SabcT")[j] for j in np.flatnonzero(some.targets[t, k])}
                prefix = text[: t + 1]
                language = {"S" + "".join(x * m for x in "abc"[:kinds]) + "T" for m in range(40)}
                assert allowed == {word[len(prefix)] for word in language if word.startswith(prefix)}
    some = dyck_sequences(np.random.default_rng(0), COUNT, 12, 3)
    for k in range(COUNT):
        waiting = []
        for t in range(12):
            symbol = int(some.inputs[t, k].argmax())
            if symbol < 2:
                waiting.append(symbol)
            else:
                assert waiting.pop() == symbol - 2
            expected = {2 + waiting[-1]} if waiting else {4}
            expected |= {0, 1} if len(waiting) < 3 else set()
            assert set(np.flatnonzero(some.targets[t, k])) == expected
        assert waiting == []
    with pytest.raises(UsageError, match="even length, not 7; give 8"):
        dyck_sequences(np.random.default_rng(0), 1, 7, 3)
    some = parity_bits(np.random.default_rng(0), COUNT, 9)
    ones = (some.inputs[..., 0] == 1).sum(axis=0)
    assert (some.targets.sum(axis=(0, 2)) == ones % 2).all()
    assert set((some.inputs[..., 0] != 0).sum(axis=0)) == set(range(4, 10))


def test_a_copy_comes_after_the_signal():
    some = copy_sequences(np.random.default_rng(0), 50, 7)
    shown, told = some.inputs.argmax(axis=-1), some.targets.argmax(axis=-1)
    assert (shown[:4] == told[-4:]).all()
    assert (told[:-4] == 4).all()
    assert (shown[11] == 5).all()
    assert (shown == 5).sum() == 50


@pytest.mark.parametrize("name", TASKS)
def test_the_data_of_every_task(name):
    if name == "digits":
        pytest.importorskip("sklearn", reason="the images of the task digits come with scikit-learn")
    task = make_task(name)
    data = [task.data(np.random.default_rng([seed, 0])) for seed in (0, 0, 1)]
    one, same, other = [source.draw(40) for source in data]
    assert one.inputs.shape[1:] == (40, task.inputs)
    assert one.targets.shape == (one.steps, 40, task.outputs)
    assert one.inputs.tobytes() == same.inputs.tobytes()
    assert one.inputs.tobytes() != other.inputs.tobytes()
    assert data[0].test().inputs.tobytes() == data[0].test().inputs.tobytes() == data[1].test().inputs.tobytes()
    assert (one.weights.sum(axis=0) > 0).all()
    right = task.answers != "number"
    sure = one.judge(one.targets if one.legal is None else one.legal.astype(float), task.tolerance)
    assert sure.right.all()
    assert not one.judge(1 - one.targets, task.tolerance).right.all()
    assert {"class", "bits", "number"} >= {task.answers}
    assert set(np.unique(one.targets)) <= {0, 1} or not right


def test_sequences_are_judged():
    rng = np.random.default_rng(0)
    targets = (rng.random((6, 40, 3)) < 0.5).astype(float)
    weights = (rng.random((6, 40)) < 0.7) * 0.5
    answers = targets + rng.normal(0, 0.2, targets.shape)
    some = Sequences(np.zeros((6, 40, 1)), targets, weights)
    by_hand = [
        all(np.abs(answers[t, k] - targets[t, k]).max() < 0.4 for t in range(6) if weights[t, k]) for k in range(40)
    ]
    assert some.judge(answers, 0.4).right.tolist() == by_hand
    assert 0 < sum(by_hand) < 40
    errors = [
        np.mean([np.abs(answers[t, k] - targets[t, k]).mean() for t in range(6) if weights[t, k]] or [0.0])
        for k in range(40)
    ]
    assert some.judge(answers, 0.4).error == pytest.approx(errors)
    part = some.at([3, 1])
    assert part.count == 2
    assert part.targets.tolist() == targets[:, [3, 1]].tolist()
    with pytest.raises(ShapeError, match=r"weights start with the sizes \[5, 40\], expected \[6, 40\]"):
        Sequences(np.zeros((6, 40, 1)), targets, weights[:5])


def test_mistakes_in_the_name_and_length_of_a_task():
    with pytest.raises(UsageError, match="there is no task 'addition'; the tasks are reber"):
        make_task("addition")
    with pytest.raises(UsageError, match="the task reber has no --length; lag-a"):
        make_task("reber", 30)
    with pytest.raises(UsageError, match="at least 20, not 2"):
        make_task("adding", 2)
    with pytest.raises(UsageError, match="the task adding has the protocols 1997, modern, not 'old'"):
        make_task("adding").protocol("old")
