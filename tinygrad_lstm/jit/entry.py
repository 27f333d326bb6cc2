"""What ``jit`` keeps of a function traced for one form of its arguments: a program, and what it reads and changes."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import ref

import numpy as np

from tinygrad_lstm.codegen.lowering import lower
from tinygrad_lstm.codegen.program import Call, Loop, Program, Step
from tinygrad_lstm.errors import DTypeError, EvaluationError
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.structure import unflatten
from tinygrad_lstm.graph.tensor import Tensor, make_leaf, make_leaves
from tinygrad_lstm.graph.variables import Variable, moments
from tinygrad_lstm.jit.effects import Effects
from tinygrad_lstm.jit.explain import held
from tinygrad_lstm.jit.interpreted import Interpreted
from tinygrad_lstm.jit.naming import Named, weakly
from tinygrad_lstm.passes.compiling import optimize
from tinygrad_lstm.runtime.backend import Backend, Compiler, Executable
from tinygrad_lstm.runtime.evaluation import evaluated
from tinygrad_lstm.runtime.failures import exhausted, lacking
from tinygrad_lstm.runtime.interpreter import without_kernel
from tinygrad_lstm.runtime.locks import once

__all__ = ["Compiled", "Entry"]


class Compiled:
    """What is made of a traced graph. Two traces that give the same graph share it."""

    def __init__(self, owner: str, graph: Graph, backend: Backend) -> None:
        self.owner, self.graph, self.backend = owner, graph, backend
        self.compiles = isinstance(backend, Compiler)

    @once
    def optimized(self) -> Graph:
        return optimize(self.graph)

    @once
    def program(self) -> Program | None:
        return lower(self.optimized, self.halves) if self.compiles else None

    @property
    def halves(self) -> bool:
        """Whether the backend wants float16 in kernels and products."""
        return getattr(self.backend, "halves", False)

    @once
    def executable(self) -> Executable:
        if isinstance(self.backend, Compiler) and self.program is not None:
            graph = self.graph
            device = next((x.type.device for x in (*graph.inputs, *graph.outputs)), self.backend.default_device())
            self._check_kernels(self.program.steps)
            try:
                with self.backend.running(device):
                    return self.backend.compile(self.program)
            except KeyError as error:
                (op,) = error.args or (None,)
                if op not in OPS:
                    raise
                raise without_kernel(op, self.backend) from error
            except (MemoryError, ValueError) as error:
                if not exhausted(error):
                    raise
                raise self.too_large() from error
        return Interpreted(self.optimized, self.backend)

    def _check_kernels(self, steps: Iterable[Step]) -> None:
        """Refuse a program that calls a kernel which the backend does not have."""
        pending = list(steps)
        while pending:
            step = pending.pop()
            if isinstance(step, Loop):
                pending += step.steps
            elif isinstance(step, Call):
                try:
                    self.backend.kernels[step.node.op]
                except KeyError:
                    raise without_kernel(step.node.op, self.backend) from None

    def too_large(self) -> EvaluationError:
        """Memory is missing."""
        what, size = ("the program", held(self.program)) if self.program is not None else (None, 0)
        return EvaluationError(f"{self.owner}: {lacking(what, size)}")


class Entry:
    """A function traced for one form of its arguments. It keeps nothing of the user's alive.

    Args:
        effects: what the function does.
        compiled: what was made of its graph.
        named: the function, and the arguments that belong to the form.
    """

    def __init__(self, effects: Effects, compiled: Compiled, named: Iterable[Any]) -> None:
        self.graph, self._structure = effects.graph, effects.structure
        self._results = [r if isinstance(r, int) else _kept(r.value) for r in effects.results]
        self._returned = [kept for kept in self._results if isinstance(kept, ref)]
        self.compiled = compiled
        self._named = Named(named)
        self._moment = next(moments)
        graph = effects.graph
        # Equal types are one object, so that from the second call on they compare at once.
        same = {x.type: x.type for x in (*graph.outputs, *graph.inputs)}
        self._types = [same[y.type] for y in graph.outputs]
        first = len(effects.arguments)
        self._arguments = [(k, x.type) for k, x in zip(effects.arguments, graph.inputs, strict=False)]
        self._variables = [
            (ref(c), same[x.type]) for c, x in zip(effects.variables, graph.inputs[first:], strict=False)
        ]
        first += len(effects.variables)
        self._gradients = [(ref(p), same[x.type]) for p, x in zip(effects.gradients, graph.inputs[first:], strict=True)]
        self._presence = [(ref(p), had) for p, had in effects.presence]
        self._writes = [(ref(c), place) for c, place in effects.writes]
        self._gradient_writes = [(ref(p), place) for p, place in effects.gradient_writes]
        places = [place for _, place in (*effects.writes, *effects.gradient_writes)] + list(effects.results)
        # A leaf belongs to one variable: what is also returned, or held by another, is no leaf of this one.
        self._own = {place for _, place in effects.writes if isinstance(place, int) and places.count(place) == 1}

    @once
    def executable(self) -> Executable:
        """What the backend made of the program."""
        return self.compiled.executable

    @property
    def stale(self) -> bool:
        """Whether a variable that it reads or changes is gone, or was replaced for good."""
        variables: list[Variable | None] = [variable() for variable, _ in (*self._variables, *self._writes)]
        variables += [p() for p, _ in (*self._gradients, *self._presence, *self._gradient_writes)]
        return any(variable is None or variable.replaced > self._moment for variable in variables)

    def contents(self) -> list[Any] | None:
        """The arrays of what is read besides the arguments.

        None if a Parameter or State is gone or of another type than the trace met, or if a module or a variable has
        another in its place by now.
        """
        if not self._named.same() or any(returned() is None for returned in self._returned):
            return None
        arrays = []
        for known, type_ in self._variables:
            variable = known()
            if variable is None or variable.replaced > self._moment:
                return None
            leaf = variable.leaf
            if leaf.type is not type_ and leaf.type != type_:
                return None
            arrays.append(leaf.value)
        for parameter, had in self._presence:
            p = parameter()
            if p is None or (p.grad is not None) is not had:
                return None
        for parameter, type_ in self._gradients:
            p = parameter()
            if p is None or p.grad is None or p.grad.type != type_:
                return None
            arrays.append(self._array(p.grad, type_))
        return arrays

    def run(self, leaves: Sequence[Any], contents: Sequence[Any]) -> Any:
        """The result for one call, whose changes are made.

        Args:
            leaves: the tensors, arrays and numbers in the arguments; the program's inputs are picked by position.
            contents: what :meth:`contents` gave.
        """
        compiled = self.compiled
        try:
            arrays = [self._array(leaves[k], type_) for k, type_ in self._arguments]
            arrays += contents
            # What evaluation gives may be a view of another array, such as a transposed one.
            if compiled.compiles and not all(a.flags.c_contiguous for a in arrays):
                with compiled.backend.running(self.graph.inputs[0].device):
                    arrays = [a if a.flags.c_contiguous else a.copy() for a in arrays]
            values = self.executable(arrays)
            made = make_leaves(values, self._types)
            results = [made[r] if isinstance(r, int) else r() for r in self._results]
        except (MemoryError, ValueError) as error:
            if not exhausted(error):
                raise
            raise compiled.too_large() from error
        # From here on nothing fails: all changes are made, or none.
        for known, place in self._writes:
            leaf = made[place] if isinstance(place, int) else place.value
            variable = known()
            if variable is not None:
                variable.hold(leaf if place in self._own else make_leaf(leaf.value, leaf.type))
        for parameter, place in self._gradient_writes:
            p = parameter()
            if p is not None:
                p.grad = made[place] if isinstance(place, int) else place.value
        return results[0] if self._structure.kind == "leaf" else unflatten(self._structure, results)

    def _array(self, leaf: Any, type_: Any) -> Any:
        """The backend's array for one input."""
        if leaf.__class__ is Tensor:
            if leaf.value is None:
                evaluated((leaf,))
            return leaf.value
        array = leaf if isinstance(leaf, np.ndarray) else _number(leaf, type_.dtype)
        backend = self.compiled.backend
        # A program only reads its inputs; what is evaluated op by op may share memory with them.
        return array if self.compiled.compiles and backend.device_kind == "cpu" else backend.put(array, type_.device)


def _kept(value: Any) -> Callable[[], Any]:
    """What gives a constant result. Of an array each caller may change his own."""
    if isinstance(value, np.ndarray):
        return value.copy
    return weakly(value) if isinstance(value, Variable) or hasattr(type(value), "named_variables") else lambda: value


def _number(value: Any, dtype: DType) -> Any:
    try:
        with np.errstate(over="ignore"):  # a float may be too large for float32, and is infinite then
            return np.asarray(value, dtype=dtype.name)
    except OverflowError:
        raise DTypeError(f"jit: the integer {value} does not fit into {dtype}; give a float") from None
