"""``vmap``: from a function of one example to the same function of many, which lie along an axis of its arguments."""

from tinygrad_lstm.batching.mapping import vmap

__all__ = ["vmap"]
