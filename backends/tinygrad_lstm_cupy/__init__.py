"""The CuPy backend: graphs on the GPU."""

from tinygrad_lstm_cupy.executor import CupyBackend, backend

__all__ = ["CupyBackend", "backend"]
