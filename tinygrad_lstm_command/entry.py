"""``main``: runs a command, and turns errors into one line and an exit status."""

import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper
from types import FrameType
from typing import Any, Final, NoReturn

from tinygrad_lstm_command.signals import ending

__all__ = ["begin", "main", "script"]

PROGRAM: Final = "tinygrad-lstm"
_BEGUN: Final = ExitStack()
"""What :func:`begin` has set up, until the command runs."""


def begin() -> None:
    """Parse the arguments of ``python -m tinygrad_lstm`` before Python imports that package, and all it needs.

    If there is nothing to run, the process ends here. Until the command runs a signal ends it at once.
    """
    _BEGUN.enter_context(_leaving_at_once())
    status = _main(None, runs=False)
    if status is not None:
        _leave(status)


def script() -> NoReturn:
    """Run the command line as a process of its own, and end it."""
    _leave(main())


def _leave(status: int) -> NoReturn:
    # All is done and said. A signal that comes now would show a traceback, or another status than that of the command.
    for number in _signals():
        signal.signal(number, signal.SIG_IGN)
    sys.exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit status: 0, or 2 for bad input, 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP, 141 when the reader of
        the output went away.

    >>> main(["draw", "lstm", "-o", "lstm.txt"])  # one line on stderr
    2
    """
    return _main(argv, runs=True) or 0


def _main(argv: Sequence[str] | None, runs: bool) -> int | None:
    """Run the command line, or only parse it if there is something to run; then the result is None."""
    # Python sets a stream to None that was closed before the start. What is written to it is dropped.
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
        return _run(argv, runs)


def _run(argv: Sequence[str] | None, runs: bool) -> int | None:
    """As :func:`_main`, with streams that can be written to."""
    library: Any = None
    try:
        if runs:
            _BEGUN.close()
        with ending():
            for stream in (sys.stdout, sys.stderr):
                # Characters that the terminal cannot show are written as escapes.
                if isinstance(stream, TextIOWrapper):
                    stream.reconfigure(errors="backslashreplace")
            with _leaving_at_once():
                arguments = _parsed(argv)
                if not runs:
                    return None
                library = importlib.import_module("tinygrad_lstm.cli")
            with library.plain_warnings():
                status: int = library.COMMANDS[arguments.command](arguments)
            sys.stdout.flush()
        return status
    except KeyboardInterrupt as interrupt:
        return _end(getattr(interrupt, "status", 130), str(interrupt) or "interrupted")
    except BrokenPipeError:
        _discard_output()
        return 141
    except OSError as error:
        _discard_output()
        return _end(2, f"error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    except _ToldError as told:
        return told.status
    except Exception as error:
        sentence = library.sentence(error, arguments.command) if library else _missing(error)
        if sentence is None:
            raise
        return _end(2, f"error: {sentence}")


class _ToldError(Exception):
    """There is nothing to run: the help or the version was printed, or what is wrong with the arguments."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _parsed(argv: Sequence[str] | None) -> Any:
    """The arguments of a command.

    Raises:
        _ToldError: when there is nothing to run.
    """
    parsing = importlib.import_module("tinygrad_lstm_command.parser")
    parser = parsing.command_parser()
    try:
        arguments = parser.parse_args(argv)
    except parsing.ArgumentsError as error:
        raise _ToldError(_end(2, f"error: {error}")) from None
    except SystemExit:
        # argparse ends the program after --help and --version.
        sys.stdout.flush()
        raise _ToldError(0) from None
    if "command" not in arguments:
        parser.print_help(sys.stderr)
        raise _ToldError(2)
    return arguments


def _missing(error: Exception) -> str | None:
    """What a user reads where a library is not installed; None for a module of this package, which is a fault."""
    foreign = isinstance(error, ModuleNotFoundError) and not (error.name or "tinygrad_lstm").startswith("tinygrad_lstm")
    return str(error) if foreign else None


@contextmanager
def _leaving_at_once() -> Iterator[None]:
    """Inside the block signals end the process without unwinding: an import that is interrupted shows a traceback, and
    NumPy's takes it for a broken installation."""

    def leave(number: int, frame: FrameType | None) -> None:
        said = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
        os.write(2, f"{PROGRAM}: {said}\n".encode())
        os._exit(128 + number)

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in _signals():
            # Signals that the caller ignores stay ignored.
            if callable(signal.getsignal(number)):
                before[number] = signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _signals() -> list[int]:
    """The signals that end a command; Windows has fewer of them."""
    return [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def _end(status: int, message: str) -> int:
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)
    print(f"{PROGRAM}: {line}", file=sys.stderr)
    return status


def _discard_output() -> None:
    """Let the interpreter's last flush of stdout go nowhere instead of failing again."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        # A stdout without a file behind it, as in a notebook, has nothing to flush to.
        return
