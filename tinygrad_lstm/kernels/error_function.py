"""The kernel of the error function.

Source: the rational approximations of ``s_erf.c`` in fdlibm (Sun Microsystems, 1993), whose error is below one unit in
the last place of float64.
"""

from collections.abc import Sequence
from typing import Any, Final

from tinygrad_lstm.kernels.halves import widened

__all__ = ["error_function"]

_SMALL: Final = 0.84375
"""Below this ``erf x = x + x·P(x²)/Q(x²)``."""
_MIDDLE: Final = 1.25
"""Between ``_SMALL`` and this ``erf x = c + P(x − 1)/Q(x − 1)``; above, ``1 − exp(−x² − 9/16 + R(1/x²)/S(1/x²))/x``."""
_LARGE: Final = 1 / 0.35
"""Above this R and S are other polynomials."""
_ONE: Final = 6.0
"""Above this ``erf x`` rounds to 1."""

_P1: Final = (
    1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02,
    -5.77027029648944159157e-03, -2.37630166566501626084e-05,
)  # fmt: skip
_Q1: Final = (
    1.0, 3.97917223959155352819e-01, 6.50222499887672944485e-02, 5.08130628187576562776e-03,
    1.32494738004321644526e-04, -3.96022827877536812320e-06,
)  # fmt: skip
_C: Final = 8.45062911510467529297e-01
_P2: Final = (
    -2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01,
    3.18346619901161753674e-01, -1.10894694282396677476e-01, 3.54783043256182359371e-02,
    -2.16637559486879084300e-03,
)  # fmt: skip
_Q2: Final = (
    1.0, 1.06420880400844228286e-01, 5.40397917702171048937e-01, 7.18286544141962662868e-02,
    1.26171219808761642112e-01, 1.36370839120290507362e-02, 1.19844998467991074170e-02,
)  # fmt: skip
_R3: Final = (
    -9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e+01,
    -6.23753324503260060396e+01, -1.62396669462573470355e+02, -1.84605092906711035994e+02,
    -8.12874355063065934246e+01, -9.81432934416914548592e+00,
)  # fmt: skip
_S3: Final = (
    1.0, 1.96512716674392571292e+01, 1.37657754143519042600e+02, 4.34565877475229228821e+02,
    6.45387271733267880336e+02, 4.29008140027567833386e+02, 1.08635005541779435134e+02,
    6.57024977031928170135e+00, -6.04244152148580987438e-02,
)  # fmt: skip
_R4: Final = (
    -9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e+01,
    -1.60636384855821916062e+02, -6.37566443368389627722e+02, -1.02509513161107724954e+03,
    -4.83519191608651397019e+02,
)  # fmt: skip
_S4: Final = (
    1.0, 3.03380607434824582924e+01, 3.25792512996573918826e+02, 1.53672958608443695994e+03,
    3.19985821950859553908e+03, 2.55305040643316442583e+03, 4.74528541206955367215e+02,
    -2.24409524465858183362e+01,
)  # fmt: skip


def _polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    total = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = total * x + c
    return total


@widened
def error_function(xp: Any, x: Any) -> Any:
    """``erf x``."""
    size = xp.abs(x)
    # Each formula is computed for all elements, on arguments that do not overflow; then each element takes its own.
    a = xp.minimum(size, _SMALL)
    square = a * a
    small = a + a * (_polynomial(square, _P1) / _polynomial(square, _Q1))
    b = xp.clip(size, _SMALL, _MIDDLE) - 1
    middle = _C + _polynomial(b, _P2) / _polynomial(b, _Q2)
    c = xp.clip(size, _MIDDLE, _ONE)
    inverse = 1 / (c * c)
    near = _polynomial(inverse, _R3) / _polynomial(inverse, _S3)
    far = _polynomial(inverse, _R4) / _polynomial(inverse, _S4)
    tail = 1 - xp.exp(-c * c - 0.5625 + xp.where(size < _LARGE, near, far)) / c
    result = xp.where(size < _SMALL, small, xp.where(size < _MIDDLE, middle, xp.where(size < _ONE, tail, 1)))
    return xp.where(x == x, xp.copysign(result, x), x).astype(x.dtype.name)
