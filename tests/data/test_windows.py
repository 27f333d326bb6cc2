import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lstm.data import Windows, held_out_windows, split
from tinygrad_lstm.errors import DataError, UsageError

SIZES = st.integers(1, 7)


def text(length):
    return np.arange(length, dtype=np.int32)


@given(length=st.integers(0, 1000))
def test_the_last_tenth_is_held_out(length):
    training, held_out = split(text(length))
    assert np.array_equal(np.concatenate([training, held_out]), text(length))
    assert len(held_out) == -(-length // 10)


@given(window=SIZES, batch=SIZES, more=st.integers(0, 60))
def test_streams_go_on_from_window_to_window_and_begin_again(window, batch, more):
    length = window * batch + 1 + more
    windows = Windows(text(length), window, batch)
    count = len(windows)
    assert count == (length - 1) // batch // window >= 1
    for k in range(2 * count + 1):
        inputs, targets, first = windows[k]
        assert inputs.shape == targets.shape == (window, batch)
        assert np.array_equal(targets, inputs + 1)
        assert first == (k % count == 0)
        if not first:
            assert np.array_equal(inputs[0], windows[k - 1].targets[-1])
    assert np.array_equal(windows[count].inputs, windows[0].inputs)


@given(window=SIZES, batch=SIZES, length=st.integers(2, 100))
def test_held_out_text_is_read_once(window, batch, length):
    windows = list(held_out_windows(text(length), window, batch))
    seen = np.sort(np.concatenate([w.targets.ravel() for w in windows]))
    streams = windows[0].inputs.shape[1]
    assert 1 <= streams <= batch
    assert np.array_equal(seen, np.arange(1, len(seen) + 1))
    assert length - 1 - len(seen) < streams
    assert [w.first for w in windows] == [True] + [False] * (len(windows) - 1)


def test_a_text_shorter_than_one_window_says_what_is_needed():
    said = r"12 characters.* 3 streams of one window of 4 need 13.*--batch, --window"
    with pytest.raises(DataError, match=said):
        Windows(text(12), window=4, batch=3)
    assert len(Windows(text(13), window=4, batch=3)) == 1


def test_a_held_out_text_without_a_pair_of_characters():
    with pytest.raises(DataError, match="has 1 characters and wants 2"):
        list(held_out_windows(text(1), 4, 2))


@pytest.mark.parametrize(("window", "batch"), [(0, 1), (1, 0)])
def test_windows_hold_something(window, batch):
    with pytest.raises(UsageError, match="at least 1"):
        Windows(text(9), window, batch)
