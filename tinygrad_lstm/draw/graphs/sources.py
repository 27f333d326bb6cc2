"""What a picture or an export is made of: results, the inputs that they are a function of, and their names."""

import inspect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from tinygrad_lstm.draw.graphs.gradient_names import GradientNames
from tinygrad_lstm.draw.markup import last_name, pretty
from tinygrad_lstm.errors import Error, UsageError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.function import Graph, topological
from tinygrad_lstm.graph.structure import flatten, paths, unflatten
from tinygrad_lstm.graph.tensor import Node, Tensor, name_of
from tinygrad_lstm.graph.trace import resolved, trace
from tinygrad_lstm.graph.variables import Tracer, Variable
from tinygrad_lstm.jit.jitted import Jitted
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.ops.source import stop_gradient
from tinygrad_lstm.passes.inline_branches import inline_branches

__all__ = ["Sources", "sources"]


@dataclass(frozen=True, eq=False)
class Sources:
    """A graph with names.

    Attributes:
        inputs: symbols that belong to it whether a result reads them or not.
        outputs: the results, and after them what a function changes: gradients, and the contents of variables.
        names: of the outputs.
        called: what to call all of it.
        bindings: the values that a traced function was given, by the symbols that stand for them.
        changes: how many of the outputs are no results.
        letters: what a gradient calls the weight that it is by, ``W_f``.
    """

    inputs: list[Tensor]
    outputs: list[Tensor]
    names: list[str]
    called: str
    bindings: dict[Tensor, Tensor] = field(default_factory=dict)
    changes: int = 0
    letters: dict[Node, str] = field(default_factory=dict)

    @property
    def results(self) -> list[Tensor]:
        """The outputs that are results."""
        return self.outputs[: len(self.outputs) - self.changes]


def sources(what: Any, args: tuple[Any, ...] = (), caller: str = "draw.graph") -> Sources:
    """The graph of ``what``.

    Args:
        what: tensors or variables, nested in any way; a ``Graph``; anything with a method ``graph`` that returns
            one, such as a compiled function; or a function or module, which is called on symbols like ``args``. What
            it would change stays as it is.
        args: for a function: what it takes.
        caller: who asks, for the errors.

    Raises:
        UsageError: when ``what`` holds no graph, or ``args`` are not what it takes.
        TraceError: when a function reads the value of a symbol in Python.

    >>> found = sources(lambda a: {"square": a * a}, (tl.ones(3),))
    >>> found.names, [str(x.type) for x in found.inputs]
    (['square'], ['f32[3]'])
    """
    method = getattr(what, "graph", None)
    if callable(method) and not isinstance(what, Module | type) and not isinstance(what, Jitted):
        # A compiled function knows the function that it was made of, which says what it takes.
        traced = _called(method, args, f"{caller}: {_title(what)}", getattr(what, "__wrapped__", method))
        if isinstance(traced, Graph):
            return _of_graph(traced, _title(what))
    if isinstance(what, Graph):
        if args:
            raise UsageError(f"{caller}: a Graph is drawn as it is and takes no further arguments; got {len(args)}")
        return _of_graph(what, "a traced function")
    if isinstance(what, type):
        raise UsageError(f"{caller}: {what.__name__} is a class; make one of it first: {what.__name__}(…)")
    bindings: dict[Tensor, Tensor] = {}
    called = ""
    state: Tracer | None = None
    if callable(what) and not isinstance(what, Tensor | Variable):
        called = _title(what)
        state = Tracer(f"the function {called} in {caller}")
        what, bindings = _traced(what, args, caller, state)
    elif args:
        raise UsageError(f"{caller}: several tensors come as one tuple or list; further arguments are a function's")
    leaves, structure = flatten(what)
    if not leaves or not all(isinstance(v, Tensor | Variable) for v in leaves):
        raise UsageError(_nothing_to_draw(leaves, called, caller))
    outputs = [as_tensor(v) for v in leaves]
    keys = [last_name(path) for path in paths(structure)]
    naming = GradientNames(outputs, keys, state)
    names = _numbered(outputs, naming.known, keys)
    names = [y.attrs["name"] if y.op == "named" else name for y, name in zip(outputs, names, strict=True)]
    listed = ", ".join(pretty(n) for n in names[:3]) + (", …" if len(names) > 3 else "")
    outputs, changes = _with_history(outputs, state, naming) if state is not None else (outputs, {})
    names += changes
    outputs += changes.values()
    outputs = inline_branches(outputs)
    return Sources(list(bindings), outputs, names, called or listed, bindings, len(changes), naming.used)


def _of_graph(graph: Graph, called: str) -> Sources:
    numbered = _numbered(graph.outputs)
    names = [name_of(y) if y.op == "named" else None for y in graph.outputs]
    return Sources(
        list(graph.inputs),
        inline_branches(graph.outputs),
        [n or k for n, k in zip(names, numbered, strict=True)],
        called,
    )


def _numbered(
    outputs: Sequence[Tensor], known: Mapping[Tensor, str] | None = None, keys: Sequence[str | None] = ()
) -> list[str]:
    """Names for results that have none, gradients apart from others; numbered where there are several of a kind."""
    known = known or {}
    kinds = [known.get(y) or ("gradient" if y.origin is not None else "result") for y in outputs]
    given = list(zip_longest(kinds, keys))
    total, seen = Counter(kind for kind, key in given if not key), Counter[str]()
    names = []
    for kind, key in given:
        names.append(key or (kind if total[kind] == 1 else f"{kind} {seen[kind]}"))
        seen[kind] += not key
    return names


def _title(what: Any) -> str:
    return str(getattr(what, "__name__", type(what).__name__))


def _nothing_to_draw(leaves: list[Any], called: str, caller: str) -> str:
    kinds = ", ".join(sorted({type(v).__name__ for v in leaves if not isinstance(v, Tensor | Variable)})) or "nothing"
    if called:
        return f"{caller}: {called} returned {kinds} where tensors are wanted; let it return the tensors to draw"
    hint = "; a plain array has no graph, make a tensor of it with tl.tensor" if "ndarray" in kinds else ""
    return f"{caller} draws tensors, a Graph, or a function or module with its arguments; got {kinds}{hint}"


def _parameters(f: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    """What ``f`` takes; None where Python cannot tell."""
    try:
        return inspect.signature(f.forward if isinstance(f, Module) else f).parameters
    except (TypeError, ValueError):
        return None


def _called(f: Callable[..., Any], args: tuple[Any, ...], where: str, like: Callable[..., Any] | None = None) -> Any:
    """``f(*args)``, where ``f`` takes what ``like`` does; a wrong number of arguments is told before the call."""
    parameters = _parameters(like if like is not None else f)
    if parameters is not None:
        signature = inspect.Signature(list(parameters.values()))
        try:
            signature.bind(*args)
        except TypeError as error:
            wanted = ", ".join(str(p) if p.kind is p.VAR_POSITIONAL else p.name for p in parameters.values())
            raise UsageError(
                f"{where} takes ({wanted}), and {len(args) or 'no'} argument{'s' * (len(args) != 1)} came ({error}); "
                f"put what it is to be called with behind it, such as tl.ones((2, 3))"
            ) from None
    return f(*args)


def _traced(
    f: Callable[..., Any], args: tuple[Any, ...], caller: str, state: Tracer
) -> tuple[Any, dict[Tensor, Tensor]]:
    """The results of ``f`` on symbols, which take the names of its parameters; and what the symbols stand for.

    What is a symbol already stands for itself.
    """
    given = [name for name, p in (_parameters(f) or {}).items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    leaves, structure = flatten(args)
    names = []
    for k, arg in enumerate(args):
        names += paths(flatten(arg)[1], given[k] if k < len(given) else f"x{k}")
    nodes = []
    for leaf, name in zip(leaves, names, strict=True):
        try:
            nodes.append(as_tensor(leaf))
        except Error as error:
            what = f"argument {name!r} of {_title(f)} is of type {type(leaf).__name__}"
            raise UsageError(f"{caller}: {what} and no tensor ({error})") from None
    asked = [k for k, node in enumerate(nodes) if node.op != "symbol"]

    def call(symbols: Sequence[Tensor]) -> Any:
        stand_ins = dict(zip(asked, symbols, strict=True))
        filled = unflatten(structure, [stand_ins.get(k, node) for k, node in enumerate(nodes)])
        return _called(f, filled, f"{caller}: {_title(f)}")

    traced = trace(call, [nodes[k].type for k in asked], [names[k] for k in asked], by=state)
    stand_ins = dict(zip(asked, traced.arguments, strict=True))
    return traced.result, {stand_ins.get(k, node): node for k, node in enumerate(nodes)}


def _with_history(
    results: list[Tensor], state: Tracer, naming: GradientNames
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Results with what was cut put back, and by name the gradients and contents that changed with the symbols."""
    changes = {naming.by(p.leaf): g for p, g in state.gradients.items() if g is not None}
    changes |= {f"{variable.name or 'parameter'} after": leaf for variable, leaf in state.contents.items()}
    changes = {name: value for name, value in changes.items() if value.symbolic}
    # A result is shown as it was computed; inside the graph what was cut lets no gradient of a result through. Where
    # changes alone read it, none would come.
    asked = [state.stands_for.get(y, y) for y in (*results, *changes.values())]
    read = {*topological(asked[: len(results)])}
    cut = {symbol: stop_gradient(v) if symbol in read else v for symbol, v in state.stands_for.items()}
    shown, _ = resolved(asked, cut)
    return shown[: len(results)], dict(zip(changes, shown[len(results) :], strict=True))
