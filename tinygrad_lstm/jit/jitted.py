"""``jit``: a function becomes a program, once for each form of its arguments."""

import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterable
from copy import deepcopy
from types import MethodType
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeVar, cast, overload
from weakref import WeakValueDictionary

from tinygrad_lstm.codegen.program import Program
from tinygrad_lstm.errors import BackendError, UsageError
from tinygrad_lstm.graph.device import current_device
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.trace import following
from tinygrad_lstm.graph.variables import tracer
from tinygrad_lstm.jit.effects import effects_of
from tinygrad_lstm.jit.entry import Compiled, Entry
from tinygrad_lstm.jit.explain import Explanation, explained
from tinygrad_lstm.jit.signature import Invocation, Signature
from tinygrad_lstm.passes.simplify import exact_form
from tinygrad_lstm.reflexes import COMPILED, is_function, unknown
from tinygrad_lstm.runtime.anomaly import detecting
from tinygrad_lstm.runtime.backend import backend_for, current_backend
from tinygrad_lstm.runtime.locks import Lock

__all__ = ["Jitted", "jit", "rebound"]

P = ParamSpec("P")
R = TypeVar("R")

_VARIANTS: Final = 8
"""Programs for one form of the arguments: a gradient may be there or not, a variable have moved."""
_SHOWN: Final = frozenset({"graph", "optimized", "program", "source", "explain"})
_LATER: Final = (
    "a generator or asynchronous, so its lines run later, when nothing is traced; return all results at once, as a "
    "tuple, and repeat steps with tl.scan"
)


class Jitted(Generic[P, R]):
    """A function under :func:`jit`."""

    def __init__(self, f: Callable[P, R], static_argnames: str | Iterable[str], cache_size: int) -> None:
        if not is_function(f):
            raise UsageError(f"jit: a function is wanted, not {type(f).__name__}")
        if isinstance(cache_size, bool) or not isinstance(cache_size, int) or cache_size < 1:
            raise UsageError(f"jit: cache_size is an integer of at least 1, not {cache_size!r}")
        functools.update_wrapper(self, f)
        self._f, self._size = f, cache_size
        self._signature = Signature(f, static_argnames)
        if inspect.isgeneratorfunction(f) or inspect.iscoroutinefunction(f) or inspect.isasyncgenfunction(f):
            raise UsageError(f"jit: {self._signature.name} is {_LATER}")
        code = getattr(f, "__code__", None)
        at = f" at {code.co_filename}:{code.co_firstlineno}" if code is not None else ""
        self._owner = f"the function {self._signature.name} under jit{at}"
        self._entries: OrderedDict[tuple[Any, ...], list[Entry]] = OrderedDict()
        self._compiled: WeakValueDictionary[Any, Compiled] = WeakValueDictionary()
        self._lock = Lock()
        self._last: Entry | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The result of the function; the program that computes it is made at the first call of its form."""
        # Inside another trace it is part of that one; and who differentiates it, or searches it for a fault, wants to
        # see its operations.
        if tracer.get() is not None or following.get() or detecting():
            return self._f(*args, **kwargs)
        call = self._signature.call(args, kwargs)
        if call.symbolic:
            return self._f(*args, **kwargs)
        entry, contents = self._entry(call)
        self._last = entry
        result: R = entry.run(call.leaves, contents)
        return result

    def __repr__(self) -> str:
        return f"jit({self._signature.name})"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else _Method(self, instance)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Jitted[P, R]":
        """The same for a copy of what the function is bound to; a function that is bound to nothing is one with it."""
        f = deepcopy(self._f, memo)
        new = memo[id(self)] = self if f is self._f else self._of(f)
        return new

    def _of(self, f: Callable[P, R]) -> "Jitted[P, R]":
        """The same for another function of the same parameters."""
        return Jitted(f, self._signature.static, self._size)

    def graph(self, *args: P.args, **kwargs: P.kwargs) -> Graph:
        """What these arguments trace to: inputs are the arguments, the variables that are read, and their gradients."""
        return self._shown(args, kwargs).graph

    def optimized(self, *args: P.args, **kwargs: P.kwargs) -> Graph:
        """The graph after all passes."""
        return self._shown(args, kwargs).compiled.optimized

    def program(self, *args: P.args, **kwargs: P.kwargs) -> Program:
        """The buffers and steps that the backend prints.

        Raises:
            BackendError: when the backend in use has no compiler, and runs the optimised graph op by op.
        """
        compiled = self._shown(args, kwargs).compiled
        if compiled.program is None:
            raise BackendError(
                f"the backend {compiled.backend.name!r} does not compile: it runs the graph of `optimized` op by op"
            )
        return compiled.program

    def source(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The text that runs: generated code, or the optimised graph where the backend does not compile."""
        text: str = self._shown(args, kwargs).executable.source
        return text

    def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation:
        """How the program for these arguments came about: the graph after each pass, the program, the code, the counts.

        ``print`` it for the counts, ``save("explain.html")`` for a page with all of it. Without arguments it is about
        the last call; so are ``graph``, ``optimized``, ``program`` and ``source``.

        Raises:
            UsageError: when there are no arguments, the function needs some, and it was not called yet.
        """
        entry = self._shown(args, kwargs)
        made = entry.compiled
        name, source = self._signature.name, made.executable.source
        return explained(name, made.backend.name, entry.graph, made.program, source, made.halves)

    def _shown(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Entry:
        """The program for these arguments; without any, that of the last call."""
        if not args and not kwargs:
            if self._last is not None:
                return self._last
            if self._signature.needs_arguments:
                raise UsageError(f"{self!r} was not called yet: call it first, or give the arguments, as in explain(x)")
        return self._entry(self._signature.call(args, kwargs))[0]

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            unknown("a function under jit", name, COMPILED, self)

    def _entry(self, call: Invocation) -> tuple[Entry, list[Any]]:
        """The program for a call, and what it reads besides the arguments."""
        key = (current_backend().name, current_device(), call.types, call.form)
        with self._lock:
            alike = self._entries.get(key)
            if alike is None:
                for other in [k for k in self._entries if k[-1] is not None and k[-1].gone]:
                    del self._entries[other]
                alike = self._entries[key] = []
                while len(self._entries) > self._size:
                    self._entries.popitem(last=False)
            self._entries.move_to_end(key)
            for entry in alike:
                contents = entry.contents()
                if contents is not None:
                    return entry, contents
            entry, contents = self._made(call)
            alike[:] = [entry, *[e for e in alike if not e.stale]][:_VARIANTS]
        return entry, contents

    def _made(self, call: Invocation) -> tuple[Entry, list[Any]]:
        def run(given: list[Any]) -> Any:
            args, kwargs = call.arguments(given)
            return self._f(*args, **kwargs)

        names = self._signature.names(call)
        try:
            effects = effects_of(run, call.types, names, self._owner)
        except Exception as error:
            numbers = [n for n, leaf in zip(names, call.leaves, strict=True) if isinstance(leaf, int)]
            said = str(error)
            guilty = [n for n in numbers if f"symbol {n!r}" in said]
            if guilty and "static_argnames" not in said:
                error.add_note(
                    f"jit traces the number {guilty[0]!r}; where Python needs its value, name it in static_argnames"
                )
            raise
        devices = [y.type.device for y in (*effects.graph.inputs, *effects.graph.outputs)]
        backend = backend_for(devices[0]) if devices else current_backend()
        form = (backend.name, exact_form(effects.graph))
        compiled = self._compiled.get(form)
        if compiled is None:
            compiled = self._compiled[form] = Compiled(self._owner, effects.graph, backend)
        entry = Entry(effects, compiled, [self._f, *call.fixed])
        # Asked now, while the trace holds the variables.
        return entry, entry.contents() or []


class _Method:
    """A function under :func:`jit`, bound to an object. A ``MethodType`` would lack ``explain`` and the like."""

    __slots__ = ("__func__", "__self__", "__weakref__")

    def __init__(self, function: Jitted[Any, Any], instance: Any) -> None:
        self.__func__, self.__self__ = function, instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__func__(self.__self__, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "__wrapped__":
            return MethodType(self.__func__.__wrapped__, self.__self__)  # type: ignore[attr-defined]  # update_wrapper's
        found = getattr(self.__func__, name)
        if name not in _SHOWN:
            return found

        def shown(*args: Any, **kwargs: Any) -> Any:
            last = not args and not kwargs and self.__func__._last is not None
            return found(*(() if last else (self.__self__, *args)), **kwargs)

        return shown

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Method) and self.__func__ is other.__func__ and self.__self__ is other.__self__

    def __hash__(self) -> int:
        return hash((self.__func__, id(self.__self__)))

    def __repr__(self) -> str:
        return f"<method {self.__func__!r} of {self.__self__!r}>"


def rebound(value: Any, twin: Callable[[Any], Any]) -> Any:
    """A function that is bound to an object, under ``jit`` or not, bound to the twin of that object.

    Everything else is given back as it is, as is a function whose object is its own twin.
    """
    if isinstance(value, MethodType | _Method):
        new, build = twin(value.__self__), cast(Callable[..., Any], type(value))
        return value if new is value.__self__ else build(value.__func__, new)
    if isinstance(value, functools.partial):
        f = rebound(value.func, twin)
        return value if f is value.func else type(value)(f, *value.args, **value.keywords)
    if isinstance(value, Jitted):
        f = rebound(value._f, twin)
        return value if f is value._f else value._of(f)
    return value


@overload
def jit(f: Callable[P, R], *, static_argnames: str | Iterable[str] = (), cache_size: int = 64) -> Jitted[P, R]: ...
@overload
def jit(
    f: None = None, *, static_argnames: str | Iterable[str] = (), cache_size: int = 64
) -> Callable[[Callable[P, R]], Jitted[P, R]]: ...
def jit(f: Any = None, *, static_argnames: str | Iterable[str] = (), cache_size: int = 64) -> Any:
    """``f`` as a compiled program, made once for each form of its arguments.

    ``f`` is called on symbols, and the graph that it builds is rewritten and compiled for the backend in use. What it
    reads and changes of Parameters and States, their values and their gradients, becomes inputs and outputs of the
    program; so a whole training step is one program. Everything else that Python does in ``f`` is done while it is
    traced, and not again: attributes of ``self``, globals and arrays that it reads from outside are constants from
    then on. A Parameter, or a layer that has some, may be replaced by assigning to the attribute of a module; and a
    variable that holds a Parameter, State, module, optimiser or function may be given another one, as when a cell of a
    notebook runs again, if ``f`` names it, or a function or module of yours that is named so, in whatever file: the
    next call traces again. What is replaced in a list or a dict, or is a plain value, is not seen: make a new ``jit``
    then. What is dropped is not kept alive by what was compiled for it.

    Tensors, arrays and numbers are traced, nested as they may be. Other arguments (strings, modules, Parameters,
    functions) must be hashable and are fixed, as is what ``static_argnames`` names: each other value is another form. A
    dict in another order is traced again, since ``f`` may see its order, and runs the same program where it does not.
    A Python number stays one: it takes the element type and the device of the tensor that it meets, and what is
    computed from numbers alone is a number; where a tensor is wanted it is one of float32, int64 or bool. Another
    value is no other form.

    The results are evaluated tensors without history, so ``backward`` is called inside of ``f``. If ``f`` raises,
    nothing has changed. In another jitted function, under ``grad`` and other transforms, and inside
    ``detect_anomaly``, it is called as it is. Threads may call it at the same time, but where they change one
    Parameter, updates are lost.
    Ctrl-C takes effect when the running program has ended.

    Args:
        static_argnames: parameters whose values Python needs, such as a number of layers.
        cache_size: how many forms are kept; beyond it the one unused for longest is forgotten.

    Raises:
        TraceError: when Python needs a value that is only known when the program runs, as in ``if x > 0``.
        UsageError: for an argument that is neither an array nor hashable, and for a generator or async function.
        EvaluationError: when memory is missing.

    >>> w = tl.Parameter(1.0)
    >>> opt = tl.optim.SGD([w], lr=0.0625)
    >>> @tl.jit
    ... def step(x):
    ...     loss = (w * x - 6.0) ** 2
    ...     opt.zero_grad()
    ...     loss.backward()
    ...     opt.step()
    ...     return loss
    >>> print(step(2.0), step(2.0), w)  # w ← w − 0.0625·2·(2·w − 6)·2
    16.0 4.0 2.5
    """
    if f is None:
        return lambda g: Jitted(g, static_argnames, cache_size)
    return Jitted(f, static_argnames, cache_size)
