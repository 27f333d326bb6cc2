"""The NumPy backend: graphs op by op, and programs as NumPy statements, on the CPU."""

from tinygrad_lstm_numpy.executor import NumpyBackend, backend

__all__ = ["NumpyBackend", "backend"]
