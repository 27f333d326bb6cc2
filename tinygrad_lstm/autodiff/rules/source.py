"""Gradient rules of ``ops/source.py``."""

from tinygrad_lstm.autodiff.table import rule

rule("named", lambda g, y, x, name: g)
