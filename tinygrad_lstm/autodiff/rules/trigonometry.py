"""Gradient rules of ``ops/trigonometry.py``."""

from tinygrad_lstm.autodiff.table import rule

rule("arctan2", lambda g, z, y, x: g * (x / (x * x + y * y)), lambda g, z, y, x: -(g * (y / (x * x + y * y))))
