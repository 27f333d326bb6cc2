"""The tests that the author of a backend writes: the conformance suite, and tests of what is special to it."""

import tinygrad_lstm as tl
from tinygrad_lstm.testing import check_backend


def test_it_does_as_the_reference_does() -> None:
    print(check_backend("counting"))


def test_it_counts() -> None:
    with tl.use_backend("counting") as backend:
        backend.calls.clear()
        tl.tanh(tl.tensor([1.0, 2.0]) * 3.0).numpy()
        assert backend.calls == {"multiply": 1, "tanh": 1}
