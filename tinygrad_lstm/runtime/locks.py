"""Locks that a forked process does not inherit, and values that are computed once for each object.

A fork copies a lock as it is. If another thread held it, nobody in the child process would release it, and the child
would wait for ever. So the child gets new locks.
"""

import os
import threading
from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload
from weakref import WeakSet

__all__ = ["Lock", "once"]

T = TypeVar("T")


class Lock:
    """A lock that one thread may take several times, and that is free in a forked process.

    >>> lock = Lock()
    >>> with lock, lock:
    ...     pass
    """

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self.renew()
        _LOCKS.add(self)

    def renew(self) -> None:
        """Become free, whoever held the lock."""
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        try:
            self._lock.release()
        except RuntimeError:
            # The process was forked inside the block, and the child has a new lock.
            return


_LOCKS: WeakSet[Lock] = WeakSet()


def _after_fork() -> None:
    for lock in list(_LOCKS):
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class once(Generic[T]):  # noqa: N801  # it is used as a decorator, as `property` is
    """A property that one thread computes at the first access, while threads with other objects need not wait.

    ``functools.cached_property`` of Python 3.11 has one lock for all objects of a class.

    >>> class Circle:
    ...     @once
    ...     def area(self):
    ...         print("computed")
    ...         return 3.14
    >>> circle = Circle()
    >>> circle.area, circle.area
    computed
    (3.14, 3.14)
    """

    def __init__(self, f: Callable[[Any], T]) -> None:
        self._f = f
        self.__doc__ = f.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        # Python finds the value in the object's own dict from now on, and no longer calls this descriptor.
        known = instance.__dict__
        with known.setdefault(f"{self._name} lock", Lock()):
            if self._name not in known:
                known[self._name] = self._f(instance)
        value: T = known[self._name]
        return value
