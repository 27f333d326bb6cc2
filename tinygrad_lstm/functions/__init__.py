"""FUNCTIONS: what is composed of ops, one file a subject. They have neither kernel nor gradient."""

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
    "predicates",
    "random",
    "rounding",
    "statistics",
]
