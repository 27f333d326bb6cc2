"""The C backend: programs as C for the CPU at hand, compiled when they are first needed."""

from tinygrad_lstm_c.executor import CBackend, backend

__all__ = ["CBackend", "backend"]
