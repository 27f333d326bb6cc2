"""Deep graphs are freed piece by piece, so that their depth needs no stack.

When the last reference to a node goes, Python frees the node, its inputs, their inputs, and so on, each inside the one
before. How deep that may go depends on the version of Python: 3.13 allows thousands of levels, whatever the size of the
stack, and a thread with a small one ends the process. So every node at a depth of ``LONGEST`` also has a
:class:`FreedLater` for its inputs. There the freeing stops, and a loop goes on with it.
"""

import threading
from sys import getrefcount
from typing import Any, Final

__all__ = ["LONGEST", "FreedLater", "finish_freeing"]

LONGEST: Final = 100
"""At most so many nodes are freed each inside the one before."""

Inputs = tuple[Any, ...]


class _Waiting(threading.local):
    """What this thread has yet to free; None while it frees nothing."""

    inputs: list[Inputs] | None = None


def _alone() -> int:
    inputs = (object(),)
    return getrefcount(inputs)


_ALONE: Final = _alone()
"""What ``getrefcount`` says of a tuple that only one variable refers to."""
_WAITING: Final = _Waiting()
_LEFT: Final[list[Inputs]] = []
"""Inputs of nodes that the garbage collector frees."""
_DELAYED: Final[list[BaseException]] = []


class FreedLater:
    """Keeps the inputs of a node until it is itself freed, and then frees them after the node instead of inside it.

    >>> later = FreedLater(("a", "b"))
    >>> later.inputs
    ('a', 'b')
    """

    __slots__ = ("inputs",)

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs

    def __del__(self) -> None:
        try:
            inputs, self.inputs = self.inputs, ()
            waiting = _WAITING.inputs
            if not inputs:
                return
            if getrefcount(inputs) > _ALONE:
                # The node still refers to them: the garbage collector calls this for all that it will free, before
                # it frees anything. What is in this list survives it.
                _LEFT.append(inputs)
            elif waiting is not None:
                waiting.append(inputs)
            else:
                waiting = _WAITING.inputs = [inputs]
                del inputs
                try:
                    while waiting:
                        waiting.pop()
                finally:
                    _WAITING.inputs = None
        except BaseException as error:
            # Ctrl-C. Python would print it and go on.
            _DELAYED.append(error.with_traceback(None))


def finish_freeing() -> None:
    """Free what the garbage collector left, and raise what interrupted a freeing: Python cannot raise Ctrl-C there."""
    if _LEFT:
        _free_left()
    if _DELAYED:
        raise _DELAYED.pop()


def _free_left() -> None:
    """Free each of ``_LEFT`` only when its node is gone; otherwise it would be freed inside that node."""
    left = _LEFT[:]
    del _LEFT[:]
    before = len(left) + 1
    while len(left) < before:
        before, held = len(left), []
        while left:
            inputs = left.pop()
            if getrefcount(inputs) > _ALONE:
                held.append(inputs)
        left = held[::-1]
