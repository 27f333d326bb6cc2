"""Every class of errors and warnings of the package.

Each derives from :class:`Error` and from the built-in exception that a Python user would expect, so that
``except ValueError`` goes on working. A message says what went wrong, where, what was got, and how to mend it.
"""

__all__ = [
    "AnomalyError",
    "ArgumentError",
    "BackendError",
    "CheckpointError",
    "ConformanceError",
    "CopyWarning",
    "DTypeError",
    "DataError",
    "DeviceError",
    "DrawingError",
    "Error",
    "EvaluationError",
    "GradientError",
    "GradientMismatchError",
    "GraphError",
    "IndexingError",
    "NameConflictError",
    "ProgramError",
    "ShapeError",
    "StateDictError",
    "StructureError",
    "TraceError",
    "UnboundSymbolError",
    "UnknownNameError",
    "UsageError",
]


def printable(text: str) -> str:
    r"""``text`` with escapes for characters that a terminal would obey or could not show; line breaks stay.

    >>> print(printable("größer\x1b[31m \u202e"))
    größer\x1b[31m \u202e
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


class Error(Exception):
    """Base of every exception that this package raises on purpose. Names in a message may hold control characters."""

    def __str__(self) -> str:
        return printable(super().__str__())


class ShapeError(Error, ValueError):
    """Shapes that do not fit the operation, or an axis out of range."""


class DTypeError(Error, TypeError):
    """Element types that do not fit the operation, or do not mix."""


class DeviceError(Error, ValueError):
    """Operands that live on different devices, or a device that no backend serves."""


class CopyWarning(UserWarning):
    """The same array is copied to a GPU over and over, where one copy would do."""


class IndexingError(Error, IndexError):
    """An index that is out of range, or of a kind that is not supported."""


class GraphError(Error, ValueError):
    """A graph that is not well formed; found by the verifier."""


class ProgramError(Error, RuntimeError):
    """A compiled program that does not compute what its graph says: a bug of this package, found by its verifier."""


class TraceError(Error, RuntimeError):
    """A symbolic value used where a concrete one is needed."""


class UnboundSymbolError(TraceError):
    """A symbol that has no value in this evaluation."""


class UnknownNameError(Error, AttributeError):
    """A name that other libraries have; the message says what to write here instead."""


class GradientError(Error, ValueError):
    """A derivative that does not exist or was asked for in a way that has no answer."""


class GradientMismatchError(Error, AssertionError):
    """A gradient that finite differences contradict; raised by ``testing.check_gradients``."""


class EvaluationError(Error, RuntimeError):
    """A kernel failed while a graph was evaluated."""


class AnomalyError(EvaluationError):
    """A value that is not finite; raised inside ``detect_anomaly``."""


class ConformanceError(Error, AssertionError):
    """A backend that does not agree with the reference; raised by ``testing.check_backend``."""


class StructureError(Error, TypeError):
    """Nested tuples, lists, dicts or dataclasses whose structures differ."""


class NameConflictError(Error, ValueError):
    """A name that is registered twice."""


class BackendError(Error, RuntimeError):
    """A backend that is not installed, has no device, or is broken."""


class StateDictError(Error, KeyError):
    """A state dict that does not fit the module."""

    def __str__(self) -> str:
        # KeyError would print the repr of its argument.
        return printable(str(self.args[0])) if self.args else ""


class DataError(Error, ValueError):
    """Text or data that cannot be used."""


class CheckpointError(Error, ValueError):
    """A checkpoint that is missing, truncated, foreign, or of another architecture."""


class DrawingError(Error, RuntimeError):
    """A picture that cannot be rendered."""


class UsageError(Error, ValueError):
    """An argument outside the values that a function accepts."""


class ArgumentError(UsageError, TypeError):
    """A call with arguments that the function does not take; the message says what to write."""
