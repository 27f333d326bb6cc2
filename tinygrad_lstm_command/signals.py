"""Signals that end a command: batch systems send SIGTERM, and a terminal that closes sends SIGHUP."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["EndedError", "ending"]


class EndedError(KeyboardInterrupt):
    """A signal other than Ctrl-C's ended the command, after saving as for Ctrl-C.

    Attributes:
        status: the exit status: 128 and the number of the signal.
    """

    status = 130


@contextmanager
def ending() -> Iterator[None]:
    """Inside the block SIGTERM and SIGHUP raise :class:`EndedError`, once. Signals that were ignored stay ignored."""
    received: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        if received:
            return
        received.append(number)
        error = EndedError(f"ended by {signal.Signals(number).name}")
        error.status = 128 + number
        raise error

    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
