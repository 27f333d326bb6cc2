"""``jit``: a function becomes a program, once for each form of its arguments."""

import functools
import inspect
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from types import MethodType
from typing import Any, Final, Generic, ParamSpec, TypeVar, overload

import numpy as np

from tinygrad_lstm.codegen.lowering import lower
from tinygrad_lstm.codegen.program import Program
from tinygrad_lstm.errors import BackendError, DTypeError, EvaluationError, UsageError
from tinygrad_lstm.graph.cells import moments
from tinygrad_lstm.graph.device import current_device
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.slots import slots
from tinygrad_lstm.graph.structure import unflatten
from tinygrad_lstm.graph.tensor import Tensor, make_leaf, make_leaves
from tinygrad_lstm.graph.tracing import following, tracer
from tinygrad_lstm.passes.compiling import optimize
from tinygrad_lstm.runtime.anomaly import detecting
from tinygrad_lstm.runtime.backend import Backend, Compiler, Executable, backend_for, current_backend
from tinygrad_lstm.runtime.explain import Explanation, explained, held
from tinygrad_lstm.runtime.interpreted import Interpreted
from tinygrad_lstm.runtime.memory import exhausted, lacking
from tinygrad_lstm.runtime.naming import Named
from tinygrad_lstm.runtime.signature import Call, Signature
from tinygrad_lstm.runtime.tracing import Traced, trace

__all__ = ["Jitted", "jit"]

P = ParamSpec("P")
R = TypeVar("R")

_VARIANTS: Final = 8
"""Programs for one form of the arguments: a gradient may be there or not, a cell have moved."""
_SHOWN: Final = frozenset({"graph", "optimized", "program", "source", "explain"})
_LATER: Final = (
    "a generator or asynchronous, so its lines run later, when nothing is traced; return all results at once, as a "
    "tuple, and repeat steps with tl.scan"
)


class _Entry:
    """A function traced for one form of its arguments, and what was made of it."""

    def __init__(self, owner: str, traced: Traced, backend: Backend, named: Named) -> None:
        self.owner, self.traced, self.backend, self._named = owner, traced, backend, named
        self._compiled = isinstance(backend, Compiler)
        self._moment = next(moments)
        graph = traced.graph
        # Equal types are one object, so that from the second call on they compare at once.
        same = {x.type: x.type for x in (*graph.outputs, *graph.inputs)}
        self._types = [same[y.type] for y in graph.outputs]
        first = len(traced.arguments)
        self._arguments = [(k, x.type) for k, x in zip(traced.arguments, graph.inputs, strict=False)]
        self._cells = [(c, same[x.type]) for c, x in zip(traced.cells, graph.inputs[first:], strict=False)]
        first += len(traced.cells)
        self._gradients = [(p, same[x.type]) for p, x in zip(traced.gradients, graph.inputs[first:], strict=True)]
        places = [place for _, place in (*traced.writes, *traced.gradient_writes)] + list(traced.results)
        # A leaf belongs to one cell: what is also returned, or held by another, is no leaf of this one.
        self._own = {place for _, place in traced.writes if isinstance(place, int) and places.count(place) == 1}

    @functools.cached_property
    def optimized(self) -> Graph:
        return optimize(self.traced.graph)

    @functools.cached_property
    def program(self) -> Program | None:
        return lower(self.optimized, self.halves) if self._compiled else None

    @property
    def halves(self) -> bool:
        """Whether the backend computes with float16 in kernels."""
        return getattr(self.backend, "halves", False)

    @functools.cached_property
    def executable(self) -> Executable:
        if isinstance(self.backend, Compiler) and self.program is not None:
            graph = self.traced.graph
            device = next((x.type.device for x in (*graph.inputs, *graph.outputs)), self.backend.default_device())
            try:
                with self.backend.running(device):
                    return self.backend.compile(self.program)
            except (MemoryError, ValueError) as error:
                if not exhausted(error):
                    raise
                raise self._too_large() from error
        return Interpreted(self.optimized, self.backend)

    def contents(self) -> list[Any] | None:
        """The arrays of what is read besides the arguments.

        None if a cell is of another type than the trace met, or if a module or a variable has another in its place by
        now.
        """
        if not self._named.same():
            return None
        arrays = []
        for cell, type_ in self._cells:
            leaf = cell.leaf
            if (leaf.type is not type_ and leaf.type != type_) or cell.replaced > self._moment:
                return None
            arrays.append(leaf.value)
        for p, had in self.traced.presence:
            if (p.grad is not None) is not had:
                return None
        for p, type_ in self._gradients:
            if p.grad is None or p.grad.type != type_:
                return None
            arrays.append(self._array(p.grad, type_))
        return arrays

    def run(self, leaves: Sequence[Any], contents: Sequence[Any]) -> Any:
        traced = self.traced
        try:
            arrays = [self._array(leaves[k], type_) for k, type_ in self._arguments]
            arrays += contents
            # What evaluation gives may be a view of another array, such as a transposed one.
            if self._compiled and not all(a.flags.c_contiguous for a in arrays):
                with self.backend.running(traced.graph.inputs[0].device):
                    arrays = [a if a.flags.c_contiguous else a.copy() for a in arrays]
            values = self.executable(arrays)
            made = make_leaves(values, self._types)
            results = [made[r] if isinstance(r, int) else _own(r.value) for r in traced.results]
        except (MemoryError, ValueError) as error:
            if not exhausted(error):
                raise
            raise self._too_large() from error
        # From here on nothing fails: all changes are made, or none.
        for cell, place in traced.writes:
            leaf = made[place] if isinstance(place, int) else place.value
            cell.hold(leaf if place in self._own else make_leaf(leaf.value, leaf.type))
        for p, place in traced.gradient_writes:
            p.grad = made[place] if isinstance(place, int) else place.value
        return results[0] if traced.structure.kind == "leaf" else unflatten(traced.structure, results)

    def _too_large(self) -> EvaluationError:
        what, size = ("the program", held(self.program)) if self.program is not None else (None, 0)
        return EvaluationError(f"{self.owner}: {lacking(what, size)}")

    def _array(self, leaf: Any, type_: Any) -> Any:
        """The backend's array for one input."""
        if leaf.__class__ is Tensor:
            if leaf.value is None:
                slots.evaluate((leaf,), None)
            return leaf.value
        array = leaf if isinstance(leaf, np.ndarray) else _number(leaf, type_.dtype)
        # A program only reads its inputs; what is evaluated op by op may share memory with them.
        return array if self._compiled and self.backend.device_kind == "cpu" else self.backend.put(array, type_.device)


def _own(value: Any) -> Any:
    """A constant result, of which each caller may change his own."""
    return value.copy() if isinstance(value, np.ndarray) else value


def _number(value: Any, dtype: DType) -> Any:
    try:
        with np.errstate(over="ignore"):  # a float may be too large for float32, and is infinite then
            return np.asarray(value, dtype=dtype.name)
    except OverflowError:
        raise DTypeError(f"jit: the integer {value} does not fit into {dtype}; give a float") from None


class Jitted(Generic[P, R]):
    """A function under :func:`jit`."""

    def __init__(self, f: Callable[P, R], static_argnames: str | Iterable[str], cache_size: int) -> None:
        if not callable(f):
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
        self._entries: OrderedDict[Any, list[_Entry]] = OrderedDict()
        self._lock = threading.RLock()

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
        result: R = entry.run(call.leaves, contents)
        return result

    def __repr__(self) -> str:
        return f"jit({self._signature.name})"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else _Method(self, instance)

    def graph(self, *args: P.args, **kwargs: P.kwargs) -> Graph:
        """What these arguments trace to: inputs are the arguments, the cells that are read, and their gradients."""
        return self._entry(self._signature.call(args, kwargs))[0].traced.graph

    def optimized(self, *args: P.args, **kwargs: P.kwargs) -> Graph:
        """The graph after all passes."""
        return self._entry(self._signature.call(args, kwargs))[0].optimized

    def program(self, *args: P.args, **kwargs: P.kwargs) -> Program:
        """The buffers and steps that the backend prints.

        Raises:
            BackendError: when the backend in use has no compiler, and runs the optimised graph op by op.
        """
        entry = self._entry(self._signature.call(args, kwargs))[0]
        if entry.program is None:
            raise BackendError(
                f"the backend {entry.backend.name!r} does not compile: it runs the graph of `optimized` op by op"
            )
        return entry.program

    def source(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The text that runs: generated code, or the optimised graph where the backend does not compile."""
        text: str = self._entry(self._signature.call(args, kwargs))[0].executable.source
        return text

    def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation:
        """How the program for these arguments came about: the graph after each pass, the program, the code, the counts.

        ``print`` it for the counts, ``save("explain.html")`` for a page with all of it.
        """
        entry = self._entry(self._signature.call(args, kwargs))[0]
        name, graph, source = self._signature.name, entry.traced.graph, entry.executable.source
        return explained(name, entry.backend.name, graph, entry.program, source, entry.halves)

    def _entry(self, call: Call) -> tuple[_Entry, list[Any]]:
        """The program for a call, and what it reads besides the arguments."""
        key = (current_backend().name, current_device(), call.types, call.form)
        with self._lock:
            alike = self._entries.get(key)
            if alike is None:
                alike = self._entries[key] = []
                while len(self._entries) > self._size:
                    self._entries.popitem(last=False)
            self._entries.move_to_end(key)
            for entry in alike:
                contents = entry.contents()
                if contents is not None:
                    return entry, contents
            entry = self._made(call)
            alike.insert(0, entry)
            del alike[_VARIANTS:]
        return entry, entry.contents() or []

    def _made(self, call: Call) -> _Entry:
        def run(f: Callable[..., Any], given: list[Any]) -> Any:
            args, kwargs = call.arguments(given)
            return f(*args, **kwargs)

        names = self._signature.names(call)
        try:
            traced = trace(self._f, self._owner, names, call.types, run)
        except Exception as error:
            numbers = [n for n, leaf in zip(names, call.leaves, strict=True) if isinstance(leaf, int)]
            said = str(error)
            # Python tells that a number of the trace stands where it wants an integer; our errors show the symbol.
            wanted = isinstance(error, TypeError) and "Number" in said and ("integer" in said or "non-int" in said)
            guilty = numbers[:1] if wanted else [n for n in numbers if f"symbol {n!r}" in said]
            if guilty:
                error.add_note(
                    f"jit traces the number {guilty[0]!r}; where Python needs its value, name it in static_argnames"
                )
            raise
        devices = [y.type.device for y in (*traced.graph.inputs, *traced.graph.outputs)]
        backend = backend_for(devices[0]) if devices else current_backend()
        return _Entry(self._owner, traced, backend, Named(self._f))


class _Method:
    """A function under :func:`jit`, bound to an object; unlike a ``MethodType`` with ``explain`` and its kin."""

    __slots__ = ("__func__", "__self__")

    def __init__(self, function: Jitted[Any, Any], instance: Any) -> None:
        self.__func__, self.__self__ = function, instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__func__(self.__self__, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "__wrapped__":
            return MethodType(self.__func__.__wrapped__, self.__self__)  # type: ignore[attr-defined]  # update_wrapper's
        found = getattr(self.__func__, name)
        return functools.partial(found, self.__self__) if name in _SHOWN else found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Method) and self.__func__ is other.__func__ and self.__self__ is other.__self__

    def __hash__(self) -> int:
        return hash((self.__func__, id(self.__self__)))

    def __repr__(self) -> str:
        return f"<method {self.__func__!r} of {self.__self__!r}>"


@overload
def jit(f: Callable[P, R], *, static_argnames: str | Iterable[str] = (), cache_size: int = 64) -> Jitted[P, R]: ...
@overload
def jit(
    f: None = None, *, static_argnames: str | Iterable[str] = (), cache_size: int = 64
) -> Callable[[Callable[P, R]], Jitted[P, R]]: ...
def jit(f: Any = None, *, static_argnames: str | Iterable[str] = (), cache_size: int = 64, **others: Any) -> Any:
    """``f`` as a compiled program, made once for each form of its arguments.

    ``f`` is called on symbols, and the graph that it builds is rewritten and compiled for the backend in use. What it
    reads and changes of Parameters and States, their values and their gradients, becomes inputs and outputs of the
    program; so a whole training step is one program. Everything else that Python does in ``f`` is done while it is
    traced, and not again: attributes of ``self``, globals and arrays that it reads from outside are constants from
    then on. A Parameter, or a layer that has some, may be replaced by assigning to the attribute of a module, and a
    global or enclosing variable of ``f`` that holds a Parameter, State, module, optimiser or function may be given
    another one, as when a cell of a notebook runs again: the next call traces again. What is replaced in a list or a
    dict, or is a plain value, is not seen: make a new ``jit`` then.

    Tensors, arrays and numbers are traced, nested as they may be. Other arguments (strings, modules, Parameters,
    functions) must be hashable and are fixed, as is what ``static_argnames`` names: each other value is another form.
    A Python number stays one: it takes the element type and the device of the tensor that it meets, and what is
    computed from numbers alone is a number; where a tensor is wanted it is one of float32, int64 or bool. Another
    value is no other form.

    The results are evaluated tensors without history, so ``backward`` is called inside of ``f``. If ``f`` raises,
    nothing has changed. In another jitted function, under ``grad`` and its kin, and inside ``detect_anomaly``, it is
    called as it is. Threads may call it at the same time, but where they change one Parameter, updates are lost.
    Ctrl-C takes effect when the running program has ended.

    Args:
        static_argnames: parameters whose values Python needs, such as a number of layers.
        cache_size: how many forms are kept; beyond it the one unused for longest is forgotten.

    Raises:
        TraceError: when Python needs a value that is only known when the program runs, as in ``if x > 0``.
        UsageError: for an argument that is neither an array nor hashable, and for a generator or async function.
        EvaluationError: when memory is missing.

    >>> import tinygrad_lstm as tl
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
    if others:
        hint = "; name the parameters, as in static_argnames='n'" if "static_argnums" in others else ""
        raise UsageError(f"jit: there is no argument {next(iter(others))!r}{hint}")
    if f is None:
        return lambda g: Jitted(g, static_argnames, cache_size)
    return Jitted(f, static_argnames, cache_size)
