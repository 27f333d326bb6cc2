"""Numbers with names, and ``newaxis``."""

import math
from typing import Final

__all__ = ["e", "euler_gamma", "inf", "nan", "newaxis", "pi"]

pi: Final = math.pi
"""The circumference of a circle by its diameter."""
e: Final = math.e
"""The base of the natural logarithm."""
euler_gamma: Final = 0.5772156649015329
"""Euler's constant, the limit of ``1 + 1/2 + … + 1/n − log n``."""
inf: Final = math.inf
"""Infinity."""
nan: Final = math.nan
"""Not a number."""
newaxis: Final = None
"""A new axis of size 1 in a key: ``x[:, newaxis]``."""
