"""FUNCTIONS: what is composed of ops, one file a subject. They have neither kernel nor gradient rule."""

from tinygrad_lstm.functions import (
    activations,
    arrangement,
    assignment,
    comparison,
    einsum,
    elimination,
    statistics,
)

__all__ = ["activations", "arrangement", "assignment", "comparison", "einsum", "elimination", "statistics"]
