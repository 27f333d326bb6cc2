"""Inputs for every kernel, in every element type that the op accepts.

This is about kernels, not about what functions mean: there are no expected values here, since the reference backend
gives them. Elementwise ops need no entry; every other op with a kernel has a row in ``ROWS``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lstm.errors import Error
from tinygrad_lstm.graph.dtypes import DTYPES, DType
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.types import Shape, TensorType
from tinygrad_lstm.kernels.table import kernels

__all__ = ["ROWS", "Sample", "covered", "samples"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Sample:
    """One call of a kernel. ``exact`` asks for the same bits, where the reference's result is defined to the last."""

    op: str
    inputs: tuple[Array, ...]
    attrs: Mapping[str, Any]
    exact: bool

    def __str__(self) -> str:
        inputs = ", ".join(f"{x.dtype}{list(x.shape)}" for x in self.inputs)
        attrs = "".join(f", {k}={v}" for k, v in self.attrs.items())
        return f"{self.op}({inputs}{attrs})"


def _reduction(axis: tuple[int, ...], keepdims: bool) -> dict[str, Any]:
    return {"axis": axis, "keepdims": keepdims}


_REDUCTIONS: Final = [
    ({"axis": axis, "keepdims": keep}, shape)
    for keep in (False, True)
    for axis, shape in [((0, 1), ((2, 3),)), ((1,), ((2, 3, 4),)), ((0, 2), ((2, 3, 4),)), ((), ((2,),)), ((), ((),))]
]
_INDEX: Final = "index"
"""Stands in place of a shape for integers that index an axis of size 3."""

# op -> calls: attributes, and the shapes of the inputs.
ROWS: Final[dict[str, list[tuple[dict[str, Any], tuple[Any, ...]]]]] = {
    "sum": [*_REDUCTIONS, ({"axis": (0,), "keepdims": False}, ((0, 2),))],
    "max": _REDUCTIONS,
    "min": _REDUCTIONS,
    "logsumexp": [*_REDUCTIONS, ({"axis": (0,), "keepdims": False}, ((0, 2),))],
    "argmax": [({"axis": 0}, ((5,),)), ({"axis": 1}, ((2, 3, 4),))],
    "argsort": [({"axis": 0}, ((5,),)), ({"axis": 1}, ((2, 3, 4),)), ({"axis": 0}, ((0, 2),))],
    "reshape": [({"shape": (3, 2)}, ((2, 3),)), ({"shape": ()}, ((1,),)), ({"shape": (0, 4)}, ((2, 0),))],
    "transpose": [({"axes": (2, 0, 1)}, ((2, 3, 4),)), ({"axes": ()}, ((),))],
    "broadcast_to": [({"shape": (4, 2, 3)}, ((2, 1),)), ({"shape": (2,)}, ((),)), ({"shape": (0, 3)}, ((1, 3),))],
    "flip": [({"axis": (0,)}, ((3, 2),)), ({"axis": (0, 1)}, ((3, 2),))],
    "slice": [
        ({"start": (1, 0), "stop": (3, 4), "step": (1, 2)}, ((3, 4),)),
        ({"start": (2,), "stop": (2,), "step": (1,)}, ((3,),)),
    ],
    "pad": [
        ({"low": (1, 0), "high": (0, 2), "interior": (0, 1)}, ((2, 3),)),
        ({"low": (1,), "high": (1,), "interior": (2,)}, ((0,),)),
    ],
    "concatenate": [({"axis": 0}, ((2, 3), (0, 3), (1, 3))), ({"axis": 1}, ((2, 3), (2, 1)))],
    "named": [({"name": "x"}, ((2,),))],
    "stop_gradient": [({}, ((2,),))],
    "take": [
        ({"axis": 0}, ((3, 2), _INDEX)),
        ({"axis": 1}, ((2, 3, 2), _INDEX)),
    ],
    "scatter_add": [
        ({"axis": 0, "size": 3}, ((6, 2), _INDEX)),
        ({"axis": 1, "size": 3}, ((2, 6), _INDEX)),
        ({"axis": 0, "size": 5}, ((6,), _INDEX)),
    ],
    "matmul": [
        ({}, shapes)
        for shapes in [
            ((2, 3), (3, 4)),
            ((5, 2, 3), (3, 4)),
            ((2, 1, 2, 3), (4, 3, 2)),
            ((2, 0), (0, 3)),
            ((0, 2), (2, 3)),
        ]
    ],
    "contract": [
        ({"left": left, "right": right, "out": out}, shapes)
        for left, right, out, shapes in [
            ("ab", "bc", "ac", ((2, 3), (3, 4))),
            ("ab", "cb", "ca", ((2, 3), (4, 3))),
            ("abc", "abd", "cd", ((5, 2, 3), (5, 2, 4))),
            ("abc", "cd", "abd", ((5, 2, 3), (3, 4))),
            ("abc", "acd", "adb", ((2, 3, 4), (2, 4, 5))),
            ("ab", "bc", "ac", ((2, 0), (0, 3))),
        ]
    ],
    # Signs of vectors are a library's choice: of several of them only what has none is compared.
    "eigh": [({}, ((1, 1),)), ({}, ((0, 2, 2),))],
    "svd": [({}, ((0, 3, 2),)), ({}, ((0, 2, 3),))],
    "pinv": [({"rtol": 1e-6}, ((3, 2),)), ({"rtol": 1e-6}, ((2, 2, 3),)), ({"rtol": 1e-6}, ((2, 0),))],
    "threefry2x32": [({}, ((2,), (5, 2))), ({}, ((2,), (0, 2)))],
}

_INDICES: Final = (2, 0, -1, 2, 1, 2)
_SPECIAL: Final = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.5, 3.0, 700.0, -700.0, 1e-7)
_EDGES: Final = tuple(sign * 2.0**n for n in (31, 32, 63, 64, 100) for sign in (1, -1))
"""Floats at the ends of the ranges of integers, and beyond."""
_SHAPES: Final[tuple[tuple[Shape, ...], ...]] = (((2, 3),) * 3, ((),) * 3, ((2, 1), (3,), ()), ((0, 2), (1,), (2,)))
# Ops that are correctly rounded, or compute with no floats: they have the same bits on every backend.
_EXACT: Final = frozenset((
    "abs", "add", "argmax", "argsort", "bitwise_and", "bitwise_or", "bitwise_xor", "broadcast_to", "cast", "ceil",
    "concatenate", "divide", "equal", "flip", "floor", "floor_divide", "invert", "left_shift", "less", "less_equal",
    "max", "maximum", "min", "minimum", "multiply", "named", "negative", "pad", "reshape", "right_shift", "sign",
    "slice", "sqrt", "stop_gradient", "subtract", "take", "threefry2x32", "transpose", "where",
))  # fmt: skip


def covered() -> set[str]:
    """The ops that have samples."""
    return {name for name, op in OPS.items() if op.kind == "elementwise" and not op.user} | set(ROWS)


def samples() -> Iterator[Sample]:
    """Every sample, op by op."""
    reference = kernels(np)
    for name in sorted(covered()):
        if OPS[name].kind != "elementwise":
            for attrs, shapes in ROWS[name]:
                yield from _typed(name, shapes, attrs)
            continue
        count = _arity(name, reference.get(name))
        for attrs in [{"dtype": t} for t in DTYPES.values()] if name == "cast" else [{}]:
            for shapes in _SHAPES:
                yield from _typed(name, shapes[:count], attrs)
            yield from _special(name, count, attrs)


def _arity(name: str, kernel: Any) -> int:
    gradient = OPS[name].gradient
    if isinstance(gradient, tuple):
        return len(gradient)
    return int(getattr(kernel, "nin", 1))


def _typed(name: str, shapes: tuple[Any, ...], attrs: dict[str, Any]) -> Iterator[Sample]:
    """One sample for each combination of element types that the op's rule accepts."""
    for combination in product(DTYPES.values(), repeat=min(len(shapes), 3)):
        dtypes = (*combination, *combination[-1:] * (len(shapes) - len(combination)))
        if _accepts(name, shapes, dtypes, attrs):
            arrays = tuple(_array(name, k, s, t) for k, (s, t) in enumerate(zip(shapes, dtypes, strict=True)))
            exact = name in _EXACT or all(t.kind != "f" for t in dtypes)
            yield Sample(name, arrays, attrs, exact)


def _accepts(name: str, shapes: tuple[Any, ...], dtypes: tuple[DType, ...], attrs: dict[str, Any]) -> bool:
    if len({t for s, t in zip(shapes, dtypes, strict=True) if s != _INDEX and t.name != "bool"}) > 1:
        return False
    types = [TensorType((6,) if s == _INDEX else s, t) for s, t in zip(shapes, dtypes, strict=True)]
    try:
        OPS[name].infer(*types, **attrs)
    except Error:
        return False
    return True


def _special(name: str, count: int, attrs: dict[str, Any]) -> Iterator[Sample]:
    for dtype in (t for t in DTYPES.values() if t.is_float):
        with np.errstate(over="ignore"):
            column = np.array((*_SPECIAL, *(_EDGES if name == "cast" else ()))).astype(dtype.name)
        arrays = [column[:, None], column, column[::-1]][:count]
        if name == "where":
            arrays[0] = arrays[0] > 0
        if _accepts(name, tuple(a.shape for a in arrays), tuple(DTYPES[str(a.dtype)] for a in arrays), attrs):
            yield Sample(name, tuple(arrays), attrs, name in _EXACT)


def _array(name: str, place: int, shape: Any, dtype: DType) -> Array:
    """The input of an op at position ``place``: indices, or elements of the type in no particular order."""
    if shape == _INDEX:
        indices = [i % 3 for i in _INDICES] if dtype.kind == "u" else list(_INDICES)
        return np.array(indices, dtype.name)
    size = int(np.prod(shape))
    if dtype.kind == "f":
        # Neither sorted nor near 0, and above 0 for the base of a power.
        grid = np.linspace(0.25 if name == "power" and place == 0 else -1.9, 2.3, size + 2)[1:-1]
        return np.random.default_rng(place).permutation(grid).reshape(shape).astype(dtype.name)
    array: Array
    if dtype.kind == "b":
        array = np.arange(size) % 3 == place
        return array.reshape(shape)
    words = np.arange(size, dtype=np.int64) * 5 % 7
    # Shifts are by fewer bits than a word has, and divisors are not 0.
    words = words % 5 + 1 if place else words * (-3 if dtype.kind == "i" else 3)
    array = words.reshape(shape).astype(dtype.name)
    return array
