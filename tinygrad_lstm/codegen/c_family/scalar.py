"""The values of a kernel's body as C expressions, and C's indentation; loops and memory are the printers' business."""

import math
import struct
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from tinygrad_lstm.codegen import program
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.registry import OPS

__all__ = [
    "REGISTER",
    "STORAGE",
    "SUFFIX",
    "braced",
    "c_expression",
    "combined",
    "identity_text",
    "literal",
    "loaded",
    "stored",
]

STORAGE: Final = {
    "bool": "uint8_t",
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "int64": "int64_t",
    "uint8": "uint8_t",
    "uint16": "uint16_t",
    "uint32": "uint32_t",
    "uint64": "uint64_t",
    "bfloat16": "uint16_t",
    "float16": "uint16_t",
    "float32": "float",
    "float64": "double",
}
"""The C type of an element in memory."""
REGISTER: Final = {**STORAGE, "bool": "_Bool", "float16": "float"}
"""The C type of a value in expressions."""
SUFFIX: Final = {
    "bool": "bool",
    "int8": "i8",
    "int16": "i16",
    "int32": "i32",
    "int64": "i64",
    "uint8": "u8",
    "uint16": "u16",
    "uint32": "u32",
    "uint64": "u64",
    "float16": "f32",
    "float32": "f32",
    "float64": "f64",
}
"""The suffix of a type in the names of functions, such as ``exp_f32``."""

_EXACT_IN_HALF: Final = frozenset(("negative", "abs", "sign", "maximum", "minimum", "where"))
"""Ops whose result is a float16 wherever their arguments are, so that it needs no rounding."""


def literal(value: Any, dtype: DType) -> str:
    """A constant as C text that gives exactly its bits.

    >>> from tinygrad_lstm.graph.dtypes import float32, int32
    >>> literal(0.5, float32), literal(float("-inf"), float32), literal(-7, int32)
    ('0x1.0000000000000p-1f', '(-INFINITY)', '((int32_t)-7LL)')
    """
    if dtype.kind == "b":
        return "1" if value else "0"
    if not dtype.is_float:
        bits = 8 * dtype.itemsize
        wrapped = int(value) % 2**bits
        if dtype.kind == "i" and wrapped >= 2 ** (bits - 1):
            wrapped -= 2**bits
        text = f"{wrapped}ULL" if dtype.kind == "u" else f"{wrapped}LL" if wrapped != -(2**63) else "INT64_MIN"
        return f"(({STORAGE[dtype.name]}){text})"
    number = float(value)
    if dtype.name == "bfloat16":
        # Programs only move such numbers.
        return f"((uint16_t){int(np.asarray(number, 'float32').astype(dtype.dtype).view('uint16'))}U)"
    if math.isnan(number):
        return "(-NAN)" if math.copysign(1, number) < 0 else "NAN"
    try:
        code = {"float16": "<e", "float32": "<f", "float64": "<d"}[dtype.name]
        number = struct.unpack(code, struct.pack(code, number))[0]
    except OverflowError:
        number = math.copysign(math.inf, number)
    if math.isinf(number):
        return "INFINITY" if number > 0 else "(-INFINITY)"
    text = number.hex() + ("" if dtype.name == "float64" else "f")
    return f"({text})" if text.startswith("-") else text


def identity_text(combine: str, dtype: DType) -> str:
    """The neutral element of a sum, a maximum or a minimum, as C text."""
    return literal(program.identity(combine, dtype), dtype)


def combined(combine: str, a: str, b: str, dtype: DType) -> str:
    """The C expression of the sum, maximum or minimum of two values.

    >>> from tinygrad_lstm.graph.dtypes import bool_, float32
    >>> combined("add", "a", "b", float32), combined("add", "a", "b", bool_), combined("maximum", "a", "b", float32)
    ('a + b', 'a | b', 'maximum_f32(a, b)')
    """
    if combine == "add":
        return f"{a} | {b}" if dtype.kind == "b" else f"{a} + {b}"
    return f"{combine}_{SUFFIX[dtype.name]}({a}, {b})"


def loaded(place: str, dtype: DType) -> str:
    """The value of an element of memory; float16 becomes float."""
    if dtype.name == "float16":
        return f"float_from_half({place})"
    return f"{place} != 0" if dtype.kind == "b" else place


def stored(value: str, dtype: DType) -> str:
    """A value as it is written to memory; float becomes float16."""
    return f"half_from_float({value})" if dtype.name == "float16" else value


def _cast(x: str, source: DType, target: DType) -> str:
    if source is target:
        return x
    if target.kind == "b":
        return f"{x} != 0"
    if target.name == "float16":
        return f"rounded_to_half_f64({x})" if source.name == "float64" else f"rounded_to_half((float){x})"
    if target.kind in "iu" and source.is_float:
        return f"{SUFFIX[target.name]}_from_{SUFFIX[source.name]}({x})"
    return f"({STORAGE[target.name]}){x}"


def _power(x: str, exponent: float | None, y: str, suffix: str) -> str:
    match exponent:
        case 2.0:
            return f"(uint32_t){x} * {x}" if suffix == "u16" else f"{x} * {x}"
        case 1.0:
            return x
        case -1.0:
            return f"1 / {x}"
        case _:
            return f"power_{suffix}({x}, {y})"


def _template(op: str) -> str:
    text = OPS[op].c
    if text is None:
        raise AssertionError(f"{op} has no C text, so it cannot stand in a kernel")
    return text


def c_expression(op: str, args: list[str], source: DType, dtype: DType, exponent: float | None = None) -> str:
    """The C expression of an elementwise op.

    Args:
        args: C names of the arguments.
        source: the element type of the last argument.
        dtype: that of the result.
        exponent: for ``power``, the second argument where it is a constant.

    >>> from tinygrad_lstm.graph.dtypes import float16, float32
    >>> c_expression("add", ["a", "b"], float32, float32), c_expression("tanh", ["a"], float32, float32)
    ('a + b', 'tanh_f32(a)')
    >>> c_expression("add", ["a", "b"], float16, float16)
    'rounded_to_half(a + b)'
    """
    if op == "cast":
        return _cast(args[0], source, dtype)
    if op == "invert" and dtype.kind == "b":
        text = f"!{args[0]}"
    elif op == "multiply" and dtype.name == "uint16":
        # As int, which C takes for them, their product may overflow, which is undefined.
        text = f"(uint32_t){args[0]} * {args[1]}"
    elif op == "power":
        text = _power(args[0], exponent, args[1], SUFFIX[source.name])
    else:
        text = _template(op).format(*args, t=SUFFIX[source.name])
    if dtype.name == "float16" and op not in _EXACT_IN_HALF:
        text = f"rounded_to_half({text})"
    return text


def braced(lines: Iterable[str]) -> str:
    """Braces around ``lines``, each indented by the number of braces that are open there.

    >>> print(braced(["for (;;) {", "f();", "}"]))
    {
      for (;;) {
        f();
      }
    }
    <BLANKLINE>
    """
    text, depth = ["{"], 1
    for line in lines:
        depth -= line.startswith("}")
        text.append(line if line.startswith("#") else "  " * depth + line)
        depth += line.endswith("{")
    return "\n".join([*text, "}", ""])
