"""Running graphs: backends, and the interpreter that is the reference for all of them."""

from tinygrad_lstm.runtime import creation, evaluation

__all__ = ["creation", "evaluation"]
