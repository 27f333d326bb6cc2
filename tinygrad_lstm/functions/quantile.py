"""The inverse of the normal distribution function.

Source: M. Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics 37 (1988).
"""

import functools

from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.ops.elementwise import log, minimum, sqrt
from tinygrad_lstm.ops.logic import less_equal, where

__all__ = ["normal_quantile"]

# Coefficients of AS 241 (routine PPND16), highest power first: numerator and denominator in each region.
_CENTRE = (
    (2.50908092873012267e3, 3.34305755835881281e4, 6.72657709270087009e4, 4.59219539315498715e4,
     1.37316937655094611e4, 1.97159095030655144e3, 1.33141667891784377e2, 3.38713287279636661),
    (5.22649527885285456e3, 2.87290857357219427e4, 3.93078958000927106e4, 2.12137943015865959e4,
     5.39419602142475111e3, 6.87187007492057908e2, 4.23133307016009113e1, 1.0),
)  # fmt: skip
_MIDDLE = (
    (7.74545014278341408e-4, 2.27238449892691846e-2, 2.41780725177450612e-1, 1.27045825245236838,
     3.64784832476320460, 5.76949722146069141, 4.63033784615654530, 1.42343711074968358),
    (1.05075007164441684e-9, 5.47593808499534495e-4, 1.51986665636164572e-2, 1.48103976427480075e-1,
     6.89767334985100005e-1, 1.67638483018380385, 2.05319162663775882, 1.0),
)  # fmt: skip
_TAIL = (
    (2.01033439929228813e-7, 2.71155556874348758e-5, 1.24266094738807844e-3, 2.65321895265761230e-2,
     2.96560571828504891e-1, 1.78482653991729133, 5.46378491116411437, 6.65790464350110378),
    (2.04426310338993979e-15, 1.42151175831644589e-7, 1.84631831751005468e-5, 7.86869131145613259e-4,
     1.48753612908506149e-2, 1.36929880922735805e-1, 5.99832206555887938e-1, 1.0),
)  # fmt: skip


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], r: Tensor) -> Tensor:
    above, below = (functools.reduce(lambda total, c: total * r + c, cs[1:], r * 0.0 + cs[0]) for cs in coefficients)
    return above / below


def normal_quantile(p: Tensor) -> Tensor:
    """Φ⁻¹(p) for ``p`` of (0, 1) in float64."""
    q = p - 0.5
    r = sqrt(-log(minimum(p, 1.0 - p)))
    outer = where(less_equal(r, 5.0), _ratio(_MIDDLE, r - 1.6), _ratio(_TAIL, r - 5.0))
    centre = q * _ratio(_CENTRE, 0.180625 - q * q)
    return where(less_equal(q * q, 0.425**2), centre, where(less_equal(q, 0.0), -outer, outer))
