"""Checks that assert: gradients against finite differences, and backends against the reference."""

from tinygrad_lstm.reflexes import TESTING, answer
from tinygrad_lstm.testing.conformance import Conformance, check_backend
from tinygrad_lstm.testing.gradients import check_gradients

__all__ = ["Conformance", "check_backend", "check_gradients"]

answer(__name__, "tl.testing", TESTING)
