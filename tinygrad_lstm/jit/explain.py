"""What the compiler made of a function, and how: the graph after each pass, the program, the code, and the counts."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from math import prod
from pathlib import Path
from typing import Any, Final

from tinygrad_lstm.codegen.forms import printed_forms
from tinygrad_lstm.codegen.lowering import lowered
from tinygrad_lstm.codegen.program import Loop as ProgramLoop
from tinygrad_lstm.codegen.program import Program
from tinygrad_lstm.codegen.program_text import Counts, counts, printed_program
from tinygrad_lstm.errors import UsageError, printable
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.printed import printed_lines
from tinygrad_lstm.graph.tensor import Node
from tinygrad_lstm.jit.explain_page import Row, Section, explanation_page
from tinygrad_lstm.passes.classes import CARRIED, FIXED, SLICED, Classes
from tinygrad_lstm.passes.compiling import stages
from tinygrad_lstm.passes.rewriting import LoopParts
from tinygrad_lstm.runtime.backend import Estimator, load_backend
from tinygrad_lstm.runtime.files import as_path, write_whole

__all__ = ["Explanation", "PassResult", "explained", "held"]

_DOES: Final = {
    "traced": "as the function built it",
    "normal_form": "loops give what their gradients need, and keep the fewest bytes for them",
    "drop_names": "names are for readers",
    "fold_constants": "what is computed from constants is a constant",
    "simplify": "algebra that changes no value; a view of a view is one view",
    "inline_views": "a transposed weight is transposed in the loop, where a product absorbs it",
    "contractions": "products of matrices as sums over letters, without transposes",
    "cse": "equal expressions are computed once",
    "merge": "loops that compute the same run as one",
    "dead_code": "what no result needs goes",
    "lift": "what is the same at every step leaves the loop",
    "stack_matmuls": "products that share an operand, and sums of products, become one",
    "split_concat": "a product of joined arrays is split where they depend on different things",
    "split_slice": "a product is split where its parts are used for different things",
    "sink": "work that no carry waits for is done for all steps at once, after the loop",
    "hoist": "work that needs no carry is done for all steps at once, before the loop",
}
_FORMS: Final = {
    "operations": "what is computed; a view is a way to read, no operation; nothing has a place yet",
    "placed": "results that have to lie somewhere are written there, and copies to such places are gone",
    "fused": "operations that share a kernel, and those that are computed where they are read",
    "scheduled": "the steps in order, and the final place of every result that is stored",
}
_DEPENDS: Final = {FIXED: "fixed", SLICED: "sliced", CARRIED: "carried"}
_LEGEND: Final = """\
Lines of loop bodies end in what the value depends on, what it is for, and its bytes a step:
  fixed: the same at every step; sliced: computed from slices alone; carried: computed from a carry
  awaited: a carry of the next step waits for it; sum: a carry that only adds up"""


@dataclass(frozen=True, eq=False, slots=True)
class PassResult:
    """The graph after a pass.

    Attributes:
        name: of the pass; ``traced`` for the graph before all.
        nodes: how many there are, those in bodies included.
        products: products of matrices outside loops.
        steps: for each loop its scope and the products of matrices in one of its steps.
    """

    name: str
    graph: Graph
    nodes: int
    products: int
    steps: tuple[tuple[str, int], ...]


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Explanation:
    """How a function became a program. ``print`` shows the summary, Jupyter all as a page; ``text`` is all.

    Attributes:
        name: of the function.
        backend: which one the program is for.
        stages: the graph as it was traced, and after each pass that changed it.
        forms: the forms between the last graph and the program as text, by their names: operations, placed, fused,
            scheduled.
        program: buffers and steps; None for a backend that runs the graph op by op.
        source: the generated code.
        estimate: lines on the time that a run should take; none for a backend that cannot tell.
    """

    name: str
    backend: str
    stages: tuple[PassResult, ...]
    forms: Mapping[str, str]
    program: Program | None
    source: str
    estimate: tuple[str, ...] = ()

    @property
    def counts(self) -> Counts | None:
        """Products, kernels, other calls, bytes moved and memory for temporaries."""
        return None if self.program is None else counts(self.program)

    @property
    def memory(self) -> int:
        """Bytes that the program takes at most: arguments, results, constants and temporaries together."""
        return 0 if self.program is None else held(self.program)

    def summary(self) -> str:
        """What each pass changed and what the program consists of, in numbers."""
        rows = [("", "nodes", "GEMMs", "a step of each loop"), *[_numbers(stage) for stage in self.stages]]
        wide = [max(len(row[k]) for row in rows) for k in range(3)]
        lines = [f"{self.name} on {self.backend}", ""]
        for name, nodes, products, steps in rows:
            line = f"{name:{wide[0]}}  {nodes:>{wide[1]}}  {products:>{wide[2]}}  {steps}"
            lines.append(line.rstrip())
        return printable("\n".join([*lines, "", *self._figures()]))

    def __str__(self) -> str:
        return (
            f'{self.summary()}\n\nThe graphs, the program and the code: .text(), or .save("explain.html") for a page.'
        )

    def text(self) -> str:
        """The summary, the graph after each pass, the program and the generated code."""
        parts = [self.summary(), "", _LEGEND]
        for stage in self.stages:
            parts += ["", f"== {stage.name}", *[row.text for row in _rows(stage.graph, frozenset())]]
        for name, text in self.forms.items():
            parts += ["", f"== {name}", text]
        if self.program is not None:
            parts += ["", "== program", printed_program(self.program), "", "== generated code", self.source]
        return printable("\n".join(parts))

    def __repr__(self) -> str:
        return (
            f"<Explanation of {self.name} on {self.backend}: {len(self.stages)} graphs; print it, or save it as a page>"
        )

    def html(self) -> str:
        """One page that needs nothing else: the same as the text, with what each pass made marked."""
        sections: list[Section] = []
        known: frozenset[Node] = frozenset()
        for stage in self.stages:
            rows = _rows(stage.graph, known)
            sections.append(Section(stage.name, _DOES[stage.name], tuple(rows)))
            known = frozenset(row.node for row in rows if row.node is not None)
        for name, text in self.forms.items():
            sections.append(Section(name, _FORMS[name], tuple(_plain(text.splitlines()))))
        if self.program is not None:
            lines = printed_program(self.program).splitlines()
            sections.append(Section("program", "buffers and steps", tuple(_plain(lines))))
            sections.append(
                Section("generated code", f"{len(self.source)} characters", tuple(_plain(self.source.splitlines())))
            )
        table = [("", "nodes", "GEMMs", "a step of each loop"), *[_numbers(stage) for stage in self.stages]]
        return explanation_page(f"{self.name} on {self.backend}", self._figures(), table, _LEGEND, sections)

    def _repr_html_(self) -> str:
        return (
            f'<iframe title="{escape(self.name)}" srcdoc="{escape(self.html())}" '
            'style="width: 100%; height: 640px; border: 1px solid #90a4ae"></iframe>'
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, or for a name in ``.txt`` the text, and return the path.

        Raises:
            UsageError: when the name ends in neither, or the file cannot be written.
        """
        where = as_path(path, UsageError)
        forms = {".html": self.html, ".htm": self.html, ".txt": self.text}
        if where.suffix.lower() not in forms:
            raise UsageError(f"explain: {where.name!r} is neither a page nor text; end it in .html or .txt")
        try:
            write_whole(where, f"{forms[where.suffix.lower()]()}\n".encode())
        except (OSError, ValueError) as error:
            told = getattr(error, "strerror", None) or error
            raise UsageError(f"explain: cannot write {where}: {told}; choose another place") from None
        return where

    def _figures(self) -> list[str]:
        found = self.counts
        if found is None or self.program is None:
            return [f"{self.backend} runs the last graph op by op; the backends numpy, c and cupy compile it."]
        lines = [
            f"outside loops: {_steps(found)}; all in all: {_size(found.bytes_moved)} moved, "
            f"{_size(self.memory)} of memory at most, {_size(found.arena)} of it for temporaries"
        ]
        loops = [step for step in self.program.steps if isinstance(step, ProgramLoop)]
        for loop, inner in zip(loops, found.loops, strict=True):
            lines += _loop_figures(loop, inner, "")
        return [*lines, *self.estimate]


def explained(name: str, backend: str, graph: Graph, program: Program | None, source: str, halves: bool) -> Explanation:
    """The explanation of a traced function; passes and lowering run again, and each result is kept.

    Args:
        halves: as for :func:`~tinygrad_lstm.codegen.lowering.lower`.

    >>> print(tl.jit(lambda x: tl.tanh(x) * 1.0).explain(tl.ones(3)).summary())
    <lambda> on numpy
    <BLANKLINE>
                 nodes  GEMMs  a step of each loop
    traced           4      0
    simplify         2      0
    <BLANKLINE>
    outside loops: 1 kernel; all in all: 24 B moved, 24 B of memory at most, 0 B of it for temporaries
    """
    graphs = [("traced", graph), *stages(graph)]
    forms = printed_forms(lowered(graphs[-1][1], halves)) if program is not None else {}
    shown = tuple([_stage(n, g) for n, g in graphs])
    estimate = _estimate(backend, program) if program is not None else ()
    return Explanation(name.rpartition("<locals>.")[2], backend, shown, forms, program, source, estimate)


def _estimate(name: str, program: Program) -> tuple[str, ...]:
    backend = load_backend(name)
    return tuple(backend.estimate(program)) if isinstance(backend, Estimator) else ()


def held(program: Program) -> int:
    """Bytes that a program takes at most."""
    return sum(b.size * b.dtype.itemsize for b in program.buffers if b.role != "temporary") + program.arena


def _stage(name: str, graph: Graph) -> PassResult:
    bodies = list(_bodies(graph))
    steps = tuple([(_scope(node), _products(body)) for node, body in bodies if node.op == "scan"])
    # What a call holds runs once, as if it stood outside.
    calls = sum(_products(body) for node, body in bodies if node.op != "scan")
    return PassResult(
        name, graph, len(graph.nodes()) + sum(len(b.nodes()) for _, b in bodies), _products(graph) + calls, steps
    )


def _bodies(graph: Graph) -> Iterator[tuple[Node, Graph]]:
    """All loops and calls with their bodies, however deep."""
    pending = [graph]
    while pending:
        for node in pending.pop().nodes():
            body = node.attrs.get("body")
            if isinstance(body, Graph):
                yield node, body
                pending.append(body)


def _products(graph: Graph) -> int:
    return sum(node.op in ("matmul", "contract") for node in graph.nodes())


def _scope(node: Node) -> str:
    return str(node.scope) if node.scope is not None else "loop"


def _numbers(stage: PassResult) -> tuple[str, str, str, str]:
    steps = ", ".join(f"{scope} {count}" for scope, count in stage.steps)
    return stage.name, str(stage.nodes), str(stage.products), steps


def _loop_figures(loop: ProgramLoop, inner: Counts, indent: str) -> list[str]:
    lines = [
        f"{indent}{_turns(loop)}{f' of {loop.scope}' if loop.scope else ' of a loop'}: "
        f"{_steps(inner)}; {_size(inner.bytes_moved)} moved"
    ]
    nested = [step for step in loop.steps if isinstance(step, ProgramLoop)]
    for below, its in zip(nested, inner.loops, strict=True):
        lines += _loop_figures(below, its, indent + "  ")
    return lines


def _turns(loop: ProgramLoop) -> str:
    """Whose figures those of a step are."""
    if loop.condition is None:
        return f"each of {_several(loop.length, 'step')}"
    return "where its condition holds, the part" if loop.length == 1 else "each step, as many as its condition allows,"


def _rows(graph: Graph, known: frozenset[Node]) -> list[Row]:
    """The lines of a graph; those of loop bodies with what the decisions of the passes depend on."""
    notes: dict[Node, str] = {}
    for node, body in _bodies(graph):
        if node.op == "scan":
            classes = Classes(LoopParts.of(node, set()))
            sums = {n for a in classes.accumulators.values() for n in a.path}
            for inner in body.nodes():
                if inner in classes.dep and not isinstance(inner.type, tuple):
                    use = "awaited, " if inner in classes.feeding else "sum, " if inner in sums else ""
                    notes[inner] = f"{_DEPENDS[classes.dep[inner]]}, {use}{_size(_bytes(inner))}"
    rows = []
    for text, own in printed_lines(graph):
        note = notes.get(own, "") if own is not None else ""
        heavy = own is not None and own.op in ("matmul", "contract", "scan")
        rows.append(Row(text + (f"  ; {note}" if note else ""), own, heavy, own is not None and own not in known))
    return rows


def _plain(lines: list[str]) -> list[Row]:
    return [Row(line, None, "@" in line or line.lstrip().startswith(("for ", "kernel")), False) for line in lines]


def _bytes(node: Any) -> int:
    return int(prod(node.type.shape) * node.type.dtype.itemsize)


def _steps(found: Counts) -> str:
    """How many steps there are of each kind, those that there are."""
    kinds = ((found.gemms, "GEMM"), (found.kernels, "kernel"), (found.calls, "other step"))
    return ", ".join(_several(count, noun) for count, noun in kinds if count) or "nothing"


def _several(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.3g} kB" if count < 999_500 else f"{count / 1e6:,.3g} MB"
