"""The NumPy backend: graphs on the CPU."""

from tinygrad_lstm_numpy.executor import NumpyBackend, backend

__all__ = ["NumpyBackend", "backend"]
