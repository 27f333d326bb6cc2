"""Backends: the protocols that they follow, which ones are installed, and which one is in use.

A backend is found through the entry-point group ``tinygrad_lstm.backends``; each entry names a callable without
arguments that returns an object of the :class:`Backend` protocol. Listing the backends imports none of them.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ContextDecorator
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

from tinygrad_lstm.codegen.program import Program
from tinygrad_lstm.errors import BackendError, DeviceError, Error, UsageError
from tinygrad_lstm.graph.device import default_device
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.kernels.table import ArrayFunction

__all__ = [
    "VARIABLE",
    "Backend",
    "BackendStatus",
    "Borrower",
    "Chosen",
    "Compiler",
    "Estimator",
    "Executable",
    "backend_for",
    "backend_names",
    "current_backend",
    "describe_backends",
    "get_backend",
    "load_backend",
    "session_device",
    "set_backend",
    "use_backend",
]

F = TypeVar("F", bound=Callable[..., Any])

GROUP: Final = "tinygrad_lstm.backends"
_DEFAULT: Final = "numpy"
VARIABLE: Final = "TINYGRAD_LSTM_BACKEND"
"""The environment variable that names the backend of a session."""


@runtime_checkable
class Backend(Protocol):
    """An executor: an op table, and the way to and from host memory."""

    name: str
    device_kind: str
    """``cpu`` or ``cuda``: the kind of device that its arrays live on."""
    kernels: Mapping[str, ArrayFunction]
    """``op name -> function(*arrays, **attributes) -> array``, such as ``kernels(numpy)`` gives."""

    def default_device(self) -> str:
        """The device of new leaves, such as ``cpu`` or ``cuda:0``; raises BackendError when there is none."""

    def devices(self) -> list[str]:
        """Every device it can use here, such as ``cuda:0`` and ``cuda:1``; raises BackendError when there is none."""

    def describe(self) -> str:
        """One line on the version and the device; raises BackendError when the backend cannot work here."""

    def put(self, array: Any, device: str) -> Any:
        """A copy of a NumPy array on the device; raises DeviceError for a device that it does not have."""

    def get(self, array: Any) -> Any:
        """A NumPy array with the values of one of the backend's arrays."""

    def finished(self, array: Any) -> Any:
        """A result as an array of its own, also where a kernel returned a scalar; it is kept on its node."""

    def empty(self, shape: tuple[int, ...], dtype: DType, device: str) -> Any:
        """An array of undefined content, for the interpreter's loops to write to."""

    def arange(self, length: int, dtype: DType, device: str) -> Any:
        """The integers from 0."""

    def running(self, device: str) -> AbstractContextManager[Any]:
        """A context for each evaluation: selects the device and silences floating-point warnings."""


class Executable(Protocol):
    """A compiled program."""

    source: str
    """The generated text, for readers."""

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        """The outputs, which are new arrays, for row-major inputs of the types that the program was made for."""


@runtime_checkable
class Compiler(Backend, Protocol):
    """A backend that compiles: ``jit`` runs its programs, where for other backends it runs graphs op by op.

    A backend whose programs may compute float16 in kernels and products has an attribute ``halves`` that is True; for
    other backends such ops become calls of ``kernels``.
    """

    def compile(self, program: Program) -> Executable:
        """Make a program runnable; raises BackendError where that is impossible here."""


@runtime_checkable
class Estimator(Backend, Protocol):
    """A backend that estimates the time of a program; ``explain`` prints the estimate."""

    def estimate(self, program: Program) -> list[str]:
        """Lines on the time that one run should take, computed from the program; nothing runs."""


@runtime_checkable
class Borrower(Backend, Protocol):
    """A backend that ``from_dlpack`` takes arrays on its devices for."""

    def borrow(self, array: Any) -> Any:
        """An array of the backend on the memory of another library's array, by DLPack; nothing is copied."""


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """What ``describe_backends`` says about one backend."""

    name: str
    usable: bool
    detail: str
    distribution: str


_loaded: dict[str, Backend] = {}
_current: ContextVar[str | None] = ContextVar("backend", default=None)
_session: list[tuple[str, str]] = []
"""The session's backend, by name and device, for code outside of ``with`` blocks; empty until first asked for."""
_ELSEWHERE: Final = {
    "cuda": "for an NVIDIA GPU it is 'cupy'",
    "gpu": "for an NVIDIA GPU it is 'cupy'",
    "cpu": "on the CPU it is 'numpy', or 'c', which is faster",
    "torch": "this package computes by itself, with 'numpy', 'c' or 'cupy'",
    "jax": "this package computes by itself, with 'numpy', 'c' or 'cupy'",
    "np": "it is called 'numpy'",
}


def _entries() -> dict[str, list[EntryPoint]]:
    by_name: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=GROUP):
        same = by_name.setdefault(entry.name, [])
        # One distribution may be seen twice where a checkout and its installed metadata are both on the path.
        if all(_distribution(e) != _distribution(entry) for e in same):
            same.append(entry)
    return by_name


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "an unknown distribution"


def backend_names() -> list[str]:
    """The names of the installed backends, in alphabetical order; none is imported.

    >>> "numpy" in backend_names()
    True
    """
    return sorted(_entries())


def load_backend(name: str) -> Backend:
    """The backend of this name, imported at the first call.

    Raises:
        BackendError: when it is not installed, when two distributions offer the name, or when it cannot be loaded.
    """
    if name in _loaded:
        return _loaded[name]
    entries = _entries()
    if not entries:
        raise BackendError(
            "no backend is registered: this checkout was never installed; run `pip install -e .` in its folder"
        )
    if name not in entries:
        hint = f"; {_ELSEWHERE[name.lower()]}" if name.lower() in _ELSEWHERE else ""
        hint = f"; write {name.lower()!r}" if name.lower() in entries else hint
        raise BackendError(f"no backend is named {name!r}; installed are {', '.join(sorted(entries))}{hint}")
    if len(entries[name]) > 1:
        both = " and ".join(_distribution(e) for e in entries[name])
        raise BackendError(f"two distributions offer a backend named {name!r}: {both}; uninstall one of them")
    entry = entries[name][0]
    try:
        backend = entry.load()()
    except Error:
        raise
    except (Exception, SystemExit) as error:
        # Whatever a plug-in raises, even sys.exit, becomes an error message here.
        raise BackendError(
            f"the backend {name!r} of {_distribution(entry)} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(backend, Backend):
        raise BackendError(f"what {_distribution(entry)} registers as {name!r} lacks parts of the Backend protocol")
    _loaded[name] = backend
    return backend


def current_backend() -> Backend:
    """The backend in use here: ``numpy`` unless ``set_backend`` or ``use_backend`` says otherwise."""
    return load_backend(_current.get() or _chosen()[0])


def _chosen() -> tuple[str, str]:
    """The session's backend and device: from ``set_backend``, else from the environment, else ``numpy``."""
    if not _session:
        name = os.environ.get(VARIABLE) or _DEFAULT
        try:
            _session.append(_resolved(name))
        except Error as error:
            raise BackendError(f"the environment variable {VARIABLE} is {name!r}: {error}") from None
    return _session[0]


@function
def session_device() -> str:
    """The device of new leaves where no ``with`` block has chosen a backend."""
    return _chosen()[1]


def _resolved(name: Any) -> tuple[str, str]:
    """The name of a backend that can work here, and its device.

    Raises:
        UsageError, BackendError, DeviceError: as :func:`use_backend`.
    """
    if not isinstance(name, str):
        raise UsageError(f"a backend is chosen by its name, such as 'numpy' or 'cupy:1', not {name!r}")
    own, colon, number = name.partition(":")
    backend = load_backend(own)
    device = backend.default_device()
    if colon:
        device, devices = f"{backend.device_kind}:{number}", backend.devices()
        if device not in devices:
            raise DeviceError(f"use_backend({name!r}): the devices of the backend {own!r} are {', '.join(devices)}")
    return own, device


def set_backend(name: str) -> str:
    """Choose the backend for the rest of the session, in every thread; ``with use_backend(…):`` takes precedence.

    The environment variable ``TINYGRAD_LSTM_BACKEND`` does the same from the start.

    Args:
        name: as for :func:`use_backend`.

    Returns:
        The choice before, for another ``set_backend``.

    Raises:
        BackendError: at once, when it is not installed, or cannot work here.

    >>> before = tl.set_backend("numpy")
    >>> tl.get_backend()
    'numpy'
    >>> _ = tl.set_backend(before)
    """
    chosen = _resolved(name)
    # A backend that lacks something, such as a compiler, raises now and not at the first program.
    load_backend(chosen[0]).describe()
    before = _called(*_chosen()) if _session or VARIABLE not in os.environ else _DEFAULT
    _session[:] = [chosen]
    _current.set(None)
    default_device.set(None)
    return before


def get_backend() -> str:
    """The name of the backend in use here, as ``set_backend`` and ``use_backend`` take it.

    >>> with tl.use_backend("numpy"):
    ...     print(tl.get_backend())
    numpy
    """
    name = _current.get()
    if name is None:
        return _called(*_chosen())
    return _called(name, default_device.get() or load_backend(name).default_device())


def _called(name: str, device: str) -> str:
    """The name of a backend with the number of its device, unless that is 0."""
    _, _, number = device.partition(":")
    return f"{name}:{number}" if number not in ("", "0") else name


def backend_for(device: str) -> Backend:
    """The executor for arrays on ``device``: the backend in use if it works there, else the first one that does.

    Raises:
        BackendError: when none does.
    """
    kind = device.partition(":")[0]
    current = current_backend()
    if current.device_kind == kind:
        return current
    broken = []
    for name in [_DEFAULT, *backend_names()]:
        try:
            candidate = load_backend(name)
        except BackendError as error:
            if name == _DEFAULT:
                raise
            broken.append(str(error))
            continue
        if candidate.device_kind == kind:
            return candidate
    reasons = "".join(f"; {reason}" for reason in broken)
    raise BackendError(f"no installed backend works on {device}; see `tinygrad-lstm backends`{reasons}")


class Chosen(ContextDecorator):
    """The choice of a backend: in force from the call of :func:`use_backend`; the end of a ``with`` block undoes it."""

    def __init__(self, backend: Backend, device: str) -> None:
        self._backend, self._device = backend, device
        self._before: tuple[str | None, str | None] = (_current.get(), default_device.get())
        self._choose()

    def _choose(self) -> None:
        _current.set(self._backend.name)
        default_device.set(self._device)

    def __enter__(self) -> Backend:
        self._choose()
        return self._backend

    # The tokens of the context variables are not used: in a generator a block may end in another context than it began.
    def __exit__(self, *_: object) -> None:
        name, device = self._before
        _current.set(name)
        default_device.set(device)

    def _recreate_cm(self) -> "Chosen":
        return Chosen(self._backend, self._device)

    def __call__(self, f: F) -> F:
        """``f``, changed to run on this backend; outside of ``f`` the earlier choice is in force again."""
        self.__exit__()
        return super().__call__(f)

    def __repr__(self) -> str:
        return f"<the backend {self._backend.name!r} on {self._device}, in use until a with block of it ends>"


def use_backend(name: str) -> Chosen:
    """From here on, the named backend executes graphs and new leaves live on its device.

    In ``with use_backend(…):`` it does so until the block ends; as a decorator, while the function runs. The choice
    belongs to the thread, or the asynchronous task, that made it; :func:`set_backend` chooses for all of them.

    Args:
        name: its name, and after a colon the number of the device: ``cupy:1`` computes on ``cuda:1``.

    Raises:
        BackendError: at once, when it is not installed or has no device.
        DeviceError: when it has no device of this number.

    >>> with tl.use_backend("numpy") as backend:
    ...     print(backend.name, tl.zeros(2).device)
    numpy cpu
    >>> chosen = tl.use_backend("numpy")  # for all that follows
    """
    own, device = _resolved(name)
    return Chosen(load_backend(own), device)


def describe_backends() -> list[BackendStatus]:
    """Every installed backend: whether it can work here, and one line that says with what, or why not.

    >>> [status.usable for status in tl.describe_backends() if status.name == "numpy"]
    [True]
    """
    statuses = []
    for name, entries in sorted(_entries().items()):
        where = _distribution(entries[0])
        try:
            statuses.append(BackendStatus(name, True, str(load_backend(name).describe()), where))
        except Error as error:
            statuses.append(BackendStatus(name, False, str(error), where))
        except (Exception, SystemExit) as error:
            detail = f"the backend {name!r} of {where} cannot be described: {type(error).__name__}: {error}"
            statuses.append(BackendStatus(name, False, detail, where))
    return statuses
