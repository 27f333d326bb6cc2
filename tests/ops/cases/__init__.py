"""ONE table of cases for all operations, one file a family."""

from tests.ops.cases import (
    activations,
    elementwise,
    functions,
    indexing,
    numpy_functions,
    options,
    products,
    reductions,
    shapes,
    structural,
)
from tests.ops.cases.table import CASES, SPECIAL, Array, Case

__all__ = ["CASES", "SPECIAL", "Array", "Case"]

FAMILIES = (
    *(elementwise, functions, reductions, shapes, indexing, products, activations, structural),
    *(options, numpy_functions),
)
for family in FAMILIES:
    family.add()
