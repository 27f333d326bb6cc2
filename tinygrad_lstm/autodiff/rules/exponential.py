"""Gradient rules of ``ops/exponential.py``."""

import math

from tinygrad_lstm.autodiff.table import rule
from tinygrad_lstm.ops.elementwise import exp

rule("log1p", lambda g, y, x: g / (1 + x))
rule("expm1", lambda g, y, x: g * (y + 1))
rule("erf", lambda g, y, x: g * (exp(-x * x) * (2 / math.sqrt(math.pi))))
