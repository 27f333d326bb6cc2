"""What a layer over time does with a cell: its first state, what the parts of the state are called, and one step."""

from collections.abc import Sequence
from typing import Any

from tinygrad_lstm.errors import ShapeError, StructureError, UsageError
from tinygrad_lstm.functions.filling import zeros_like
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.structure import Structure, flatten, paths, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.ops.logic import where
from tinygrad_lstm.ops.shape import reshape

__all__ = [
    "listed_cells",
    "spread_over",
    "state_names",
    "state_types",
    "step",
    "step_keys",
    "step_of_many",
    "zero_state",
]


def listed_cells(kind: str, what: str, cells: Any) -> list[Any]:
    """The cells as a list; raises for what is no cell."""
    found = list(cells) if isinstance(cells, list | tuple) else [cells]
    if not found:
        raise UsageError(f"{kind}: {what} is a cell, or a list of at least one")
    for cell in found:
        name = type(cell).__name__
        if isinstance(cell, type):
            raise UsageError(f"{kind}: {cell.__name__} is a class; give it a cell that was made of it")
        if getattr(cell, "over_time", False):
            raise UsageError(f"{kind}: {name} is a layer over time already; give it a cell, such as {name}.cells[0]")
        if not callable(cell) or not callable(getattr(cell, "zeros", None)):
            raise UsageError(
                f"{kind}: {what} holds {name if callable(cell) else repr(cell)}, and a cell is called as "
                "cell(x, state) and has a method zeros(batch), its state before the first step"
            )
    return found


def zero_state(cell: Any, batch: int) -> tuple[list[Tensor], Structure]:
    """The tensors of a cell's state before the first step."""
    # A cell may refuse a batch of 0; what it gives for 1 has the other sizes.
    leaves, structure = flatten(cell.zeros(max(batch, 1)))
    states = [as_tensor(v) for v in leaves]
    return [s if batch else s[:0] for s in states], structure


def state_types(kind: str, cells: Sequence[Any]) -> tuple[list[TensorType], Structure]:
    """The types of the state of all cells, for a batch of 1; raises where it is none, or two cells differ."""
    first, structure = zero_state(cells[0], 1)
    types = [s.type for s in first]
    name = type(cells[0]).__name__
    if not types or any(t.shape[:1] != (1,) for t in types):
        given = ", ".join(map(str, types)) or "nothing"
        raise ShapeError(f"{kind}: zeros(1) of {name} gives {given}; each tensor of a state starts with the batch")
    for cell in cells[1:]:
        leaves, other = zero_state(cell, 1)
        mine, others = ([str(t) for t in found] for found in (types, [s.type for s in leaves]))
        if not structure.fits(other) or mine != others:
            raise StructureError(
                f"{kind}: the state of one cell is {structure.filled(mine)} and that of another is "
                f"{other.filled(others)}, which cannot lie side by side; put one Recurrent behind the other"
            )
    return types, structure


def state_names(structure: Structure) -> list[str]:
    """What the tensors of a state are called: by their fields or keys, else h and c, or s0, s1, …"""
    found = [path.rpartition(".")[2].rpartition("[")[2].rstrip("]").strip("'\"") for path in paths(structure)]
    if all(name.isidentifier() for name in found) and len(set(found)) == len(found):
        return found
    return ["h", "c"][: len(found)] if len(found) <= 2 else [f"s{k}" for k in range(len(found))]


def step_keys(cell: Any, steps: int) -> Tensor | None:
    """Keys for what a cell draws in each of so many steps; None for a cell that draws nothing."""
    found = getattr(cell, "step_keys", None)
    return found(steps) if callable(found) else None


def step(cell: Any, state: Any, x_t: Tensor, key: Tensor | None = None) -> tuple[Any, Tensor]:
    """One step of a cell: its new state, and its output."""
    new = cell(x_t, state) if key is None else cell(x_t, state, key)
    structure = flatten(state)[1]
    if flatten(new)[1].fits(structure):
        leaves, names = flatten(new)[0], state_names(structure)
        return new, as_tensor(leaves[names.index("h") if "h" in names else 0])
    if isinstance(new, tuple) and len(new) == 2 and flatten(new[0])[1].fits(structure):
        return new[0], as_tensor(new[1])
    raise StructureError(
        f"{type(cell).__name__}: a step gives {flatten(new)[1]} where the state is {structure}; return the next state, "
        "or the pair (next state, output)"
    )


def step_of_many(cell: Any, state: Any, now: tuple[Tensor, Tensor | None, Tensor | None]) -> tuple[Any, Tensor]:
    """A step that reads its input, whether each sequence has not ended, and a key.

    A sequence that has ended keeps its state, and its output is 0.
    """
    x_t, valid, key = now
    new, output = step(cell, state, x_t, key)
    if valid is None:
        return new, output
    old, structure = flatten(state)
    kept = [
        where(spread_over(valid, before.ndim), as_tensor(after, like=before), before)
        for after, before in zip(flatten(new)[0], old, strict=True)
    ]
    return unflatten(structure, kept), where(spread_over(valid, output.ndim), output, zeros_like(output))


def spread_over(valid: Tensor, rank: int) -> Tensor:
    """``valid`` with axes of size 1 behind its own, to choose between arrays of that rank."""
    return reshape(valid, (*valid.shape, *(1,) * (rank - valid.ndim)))
