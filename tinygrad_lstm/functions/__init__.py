"""FUNCTIONS that are composed of ops, one file for each subject. They have no kernel and no gradient of their own."""

from tinygrad_lstm.functions import (
    activations,
    arrangement,
    assignment,
    comparison,
    einsum,
    elementary,
    elimination,
    filling,
    indexing,
    order,
    padding,
    predicates,
    random,
    rounding,
    statistics,
)

__all__ = [
    "activations",
    "arrangement",
    "assignment",
    "comparison",
    "einsum",
    "elementary",
    "elimination",
    "filling",
    "indexing",
    "order",
    "padding",
    "predicates",
    "random",
    "rounding",
    "statistics",
]
