"""What a page can switch between: the picture of a cell, the graph, and the stages of its compilation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tinygrad_lstm.draw.cells.anatomy import dissect
from tinygrad_lstm.draw.cells.parts import Anatomy
from tinygrad_lstm.draw.cells.picture import cell, identifiers
from tinygrad_lstm.draw.cells.timestep import example, first_state, is_cell, trace_step
from tinygrad_lstm.draw.graphs.sources import Sources, sources
from tinygrad_lstm.draw.markup import pretty
from tinygrad_lstm.draw.pages.page_graph import GIVEN, PageGraph, page_graph_of
from tinygrad_lstm.draw.pages.payload import graph_data
from tinygrad_lstm.draw.pages.running import Run, run
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.function import Graph, topological
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.graph.tensor import Node, Tensor, name_of

__all__ = ["Subject", "graph_of", "picture_of", "stage_of"]

MOST: Final = 1_000
"""A page of more places than this is no help to a reader, and a burden to a browser."""
_CALLER: Final = "draw.page"


@dataclass(frozen=True, eq=False)
class Subject:
    """What a page is about: a graph with names, values for its symbols, and for a cell its anatomy."""

    sources: Sources
    bindings: dict[Tensor, Tensor]
    structure: PageGraph
    anatomy: Anatomy | None = None
    args: tuple[Any, ...] = ()

    @property
    def called(self) -> str:
        """The name of it all."""
        name = pretty(self.sources.called)
        return "A function" if name == "<lambda>" else name

    @classmethod
    def of(cls, what: Any, args: tuple[Any, ...], at: Mapping[Any, Any]) -> "Subject":
        """What ``draw.page`` was given."""
        known: dict[Tensor, Tensor] = {}
        if not isinstance(at, Mapping):
            raise UsageError(f"{_CALLER}: at= is a dict from symbols to values, not {type(at).__name__}")
        for symbol, value in at.items():
            if not isinstance(symbol, Tensor) or symbol.op != "symbol":
                raise UsageError(f"{_CALLER}: at= gives values to symbols, and {symbol!r} is none")
            known[symbol] = as_tensor(value, like=symbol)
        if is_cell(what) and len(args) < 2:
            args = example(what, caller=_CALLER) if not args else (*args, first_state(what, *args, caller=_CALLER))
        if is_cell(what) and _are_input_and_state(args):
            step = trace_step(what, *args, caller=_CALLER)
            anatomy = dissect(step)
            symbols = (*step.inputs, *step.states)
            names = [part.label for part in anatomy.parts if part.kind == "next"]
            names += [part.label for part in anatomy.shown][: len(step.results) - len(names)]
            found = Sources(list(symbols), list(step.results), names, step.title)
            values = [known.get(v, v) for v in map(as_tensor, flatten(args)[0])]
            given = {x: v for x, v in zip(symbols, values, strict=True) if v.op != "symbol"}
            return cls(found, given, _built("the graph", found), anatomy, args)
        # A compiled function is followed as it was written.
        written = getattr(what, "__wrapped__", what) if callable(getattr(what, "graph", None)) else what
        found = sources(written, args, _CALLER)
        given = {x: v for x, v in found.bindings.items() if x is not v}
        return cls(found, given | known, _built("the graph", found))


def _are_input_and_state(args: tuple[Any, ...]) -> bool:
    return len(args) == 2 and all(arg is not None for arg in args)


def graph_of(subject: Subject) -> dict[str, Any]:
    """The graph with its values and gradients."""
    for symbol in _symbols(subject.sources):
        if symbol not in subject.bindings:
            name = symbol.attrs["name"]
            raise UsageError(
                f"{_CALLER}: symbol {name!r} ({symbol.type}) has no value to play with; give it one with "
                f"at={{{name}: …}}, or show a function and what to call it with: draw.page(f, value)"
            )
    result, why = run(subject.structure, subject.sources.results, subject.bindings)
    note = why or _differentiated(subject.sources, result)
    return _view("The graph", note, subject.structure, result)


def picture_of(subject: Subject, what: Any) -> tuple[str, list[tuple[str, list[int]]]] | None:
    """For a cell its picture as SVG, and the items that each part of it stands for, by the part's name in the SVG."""
    if subject.anatomy is None:
        return None
    number: dict[Node, int] = {}
    for item in subject.structure.items:
        number.setdefault(item.node, item.index)
    names = identifiers(subject.anatomy)
    parts = [(names[p], sorted(number[n] for n in p.nodes if n in number)) for p in subject.anatomy.parts]
    return cell(what, *subject.args, legend=True).svg(), parts


def stage_of(subject: Subject, title: str, what: Any) -> tuple[dict[str, Any], PageGraph]:
    """Another form of the graph, as data and as it is; with values, where its inputs are those of the subject."""
    found = sources(what, (), f"{_CALLER}: stage {title!r}")
    bindings = subject.bindings | (_inputs_of(subject, what) if isinstance(what, Graph) else {})
    built = _built(f"stage {title!r}", found)
    if not all(x in bindings for x in _symbols(found)):
        why = "The values of its inputs are not known here, so this graph shows none."
        return _view(title, why, built, None), built
    result, why = run(built, found.results, bindings)
    return _view(title, why or _differentiated(found, result), built, result), built


def _inputs_of(subject: Subject, graph: Graph) -> dict[Tensor, Tensor]:
    """Values for the inputs of another form of the graph: first the arguments, then Parameters and States by name."""
    given = list(subject.bindings.values())
    if [x.type for x in graph.inputs[: len(given)]] != [v.type for v in given]:
        return {}
    named = {name_of(i.node): i.node for i in subject.structure.items if i.kind in ("parameter", "state")}
    bound = dict(zip(graph.inputs, given, strict=False))
    for symbol in graph.inputs[len(given) :]:
        leaf = named.get(symbol.attrs["name"])
        if leaf is not None and leaf.type == symbol.type:
            bound[symbol] = leaf
    return bound


def _view(title: str, note: str, built: PageGraph, result: Run | None) -> dict[str, Any]:
    return {"title": title, "about": _about(built), "note": note, "graph": graph_data(built, result)}


def _built(title: str, found: Sources) -> PageGraph:
    built = page_graph_of(found.inputs, found.outputs, found.names)
    if len(built.sites) > MOST:
        raise UsageError(
            f"{_CALLER}: {title} has {len(built.sites):,} nodes to show, and a page holds {MOST:,}; show a part of it, "
            "or let draw.graph fold it"
        )
    return built


def _symbols(found: Sources) -> list[Tensor]:
    everything = topological([*found.inputs, *found.outputs])
    return [n for n in everything if isinstance(n, Tensor) and n.op == "symbol"]


def _differentiated(found: Sources, result: Run) -> str:
    named = [(pretty(n), y) for n, y in zip(found.names, found.outputs, strict=True) if y in result.seeds]
    terms = [n if y.shape == () else f"Σ {n}" for n, y in named[:4]]
    return f"Gradients are those of {' + '.join(terms)}{' + …' if len(named) > 4 else '.'}"


def _about(built: PageGraph) -> str:
    operations = sum(item.kind not in (*GIVEN, "carry", "slice", "result") for item in built.items)
    inputs = sum(item.kind == "input" for item in built.items)
    parameters = sum(item.kind == "parameter" for item in built.items)
    parts = [(inputs, "input"), (parameters, "parameter"), (len(built.loops), "loop")]
    said = ", ".join(f"{n:,} {word}{'s' * (n != 1)}" for n, word in parts if n)
    return f"{operations:,} operation{'s' * (operations != 1)}{', ' if said else ''}{said}"
