"""OP DEFINITIONS: name and shape rule of each primitive, and the function that users call, one file a family."""

from tinygrad_lstm.ops import composite, elementwise, index, linalg, logic, loop, random, reduce, shape, source

__all__ = ["composite", "elementwise", "index", "linalg", "logic", "loop", "random", "reduce", "shape", "source"]
