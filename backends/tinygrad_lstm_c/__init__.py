"""The C backend: programs as C for the CPU of this machine, compiled at their first use."""

from tinygrad_lstm_c.executable import CBackend, backend

__all__ = ["CBackend", "backend"]
