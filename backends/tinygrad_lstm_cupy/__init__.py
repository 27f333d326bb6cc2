"""The CuPy backend: graphs op by op, and programs as CUDA, on an NVIDIA GPU."""

from tinygrad_lstm_cupy.executor import CupyBackend, backend

__all__ = ["CupyBackend", "backend"]
