"""The forms between a graph and its program as text, one line for each operation, kernel or step."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from tinygrad_lstm.codegen.lowering import Lowering
from tinygrad_lstm.codegen.operations import Block, Operation, Operations, Reference, row_major
from tinygrad_lstm.codegen.ordering import Unit
from tinygrad_lstm.codegen.placing import Placed
from tinygrad_lstm.codegen.references import Place, Storage
from tinygrad_lstm.codegen.scheduling import Scheduled
from tinygrad_lstm.graph.types import Shape

__all__ = ["printed_forms"]


def printed_forms(lowering: Lowering) -> dict[str, str]:
    """The text of each form, by its name.

    >>> from tinygrad_lstm.codegen.lowering import lowered
    >>> from tinygrad_lstm.graph.function import Graph
    >>> x = tl.symbol("x", (2, 3))
    >>> for name, text in printed_forms(lowered(Graph((x,), (tl.tanh(x).T,)))).items():
    ...     print(f"{name}:\\n{text}")
    operations:
    %0: f32[2,3] input x
    %1: f32[2,3] tanh %0
    %2: f32[3,2] copy %1[3,2 step 1,3]
    placed:
    %0: f32[2,3] input x at s0
    %1: f32[2,3] tanh %0 at s1[2,3 step 1,2]
    %2: f32[3,2] at s1, written by %1
    s0: f32[6] input
    s1: f32[6] output
    fused:
    kernel [2,3]: %1
      loads %0
    scheduled:
    kernel [2,3]
      %1 at s1[2,3 step 1,2]
    """
    names = _Names(lowering.operations)
    return {
        "operations": "\n".join(_operations(lowering.operations, names, lambda op: "")),
        "placed": "\n".join([*_placed(lowering.placed, names), *names.storages()]),
        "fused": "\n".join(_fused(lowering, names)),
        "scheduled": "\n".join(_scheduled(lowering.scheduled, names)),
    }


class _Names:
    """Names of operations and storages, which are the same in all forms."""

    def __init__(self, form: Operations) -> None:
        self.known: dict[Operation, str] = {}
        self.memory: dict[Storage, str] = {}
        for block in _blocks(form):
            for op in form.regions[block].operations:
                self.of(op)

    def of(self, op: Operation) -> str:
        if op.kind == "constant":
            return f"{op.attr}"
        return self.known.setdefault(op, f"%{len(self.known)}")

    def storage(self, storage: Storage) -> str:
        return self.memory.setdefault(storage, f"s{len(self.memory)}")

    def storages(self) -> Iterator[str]:
        for storage, name in self.memory.items():
            what = "" if storage.fixed is None else " input" if self.is_input(storage) else " output"
            yield f"{name}: {storage.dtype.short}[{storage.size}]{what}"

    def is_input(self, storage: Storage) -> bool:
        return storage.fixed is not None and storage.fixed < sum(op.kind == "input" for op in self.known)

    def reference(self, ref: Reference) -> str:
        if ref.operation.kind == "constant":
            return self.of(ref.operation)
        return self.of(ref.operation) + _strided(ref, ref.operation.shape)

    def place(self, op: Operation, at: Place) -> str:
        return self.storage(at.storage) + _strided(Reference(op, op.shape, at.strides, at.offset, at.loops), op.shape)


def _strided(ref: Reference, shape: Shape) -> str:
    """``[2,3 step 6,1 from 4 + 12·t0]``; the empty text for a whole array without gaps."""
    parts = []
    if ref.shape != shape or ref.strides != row_major(ref.shape):
        parts.append(",".join(map(str, ref.shape)))
        if ref.strides != row_major(ref.shape):
            parts.append("step " + ",".join(map(str, ref.strides)))
    start = [str(ref.offset)] if ref.offset else []
    start += [f"{stride}·t{loop}" for loop, stride in ref.loops]
    if start:
        parts.append("from " + " + ".join(start))
    return f"[{' '.join(parts)}]" if parts else ""


def _blocks(form: Operations) -> Iterator[Block]:
    pending = [form.top]
    while pending:
        block = pending.pop()
        yield block
        pending += [op.attr for op in reversed(form.regions[block].operations) if op.kind == "loop"]


def _operations(form: Operations, names: _Names, note: Callable[[Operation], str]) -> list[str]:
    """The lines of all blocks, those of a loop indented below it."""
    lines: list[str] = []
    pending: list[tuple[Operation, str]] = [(op, "") for op in reversed(form.regions[form.top].operations)]
    while pending:
        op, indent = pending.pop()
        if op.kind == "constant":
            continue
        lines.append(f"{indent}{_operation(op, names)}{note(op)}")
        if op.kind == "loop":
            region = form.regions[op.attr]
            for c in region.carried:
                becomes = f"{names.of(c.symbol)} starts as {names.of(c.initial)}, becomes {names.of(c.updated)}"
                lines.append(f"{indent}  carry {becomes}, ends as {names.of(c.last)}")
            for stack, write in region.stacks:
                lines.append(f"{indent}  rows of {names.of(stack)} are {names.of(write)}")
            pending += [(inner, indent + "  ") for inner in reversed(region.operations)]
    return lines


def _operation(op: Operation, names: _Names) -> str:
    """One operation: its name, shape, kind, what determines it, and its arguments."""
    head = f"{names.of(op)}: {op.dtype.short}[{','.join(map(str, op.shape))}] "
    args = ", ".join([names.reference(ref) for ref in op.args])
    match op.kind:
        case "input":
            text = f"input {op.node.attrs.get('name', '') if op.node is not None else ''}"
        case "map":
            text = f"{op.name} {args}"
        case "reduce":
            text = f"reduce {op.name} over {','.join(map(str, op.attr))} of {args}"
        case "contract":
            text = f"product {op.attr[0]},{op.attr[1]}→{op.attr[2]} of {args}"
        case "loop":
            text = f"loop {_loop(op.attr)} from {args}"
        case "stack" | "last":
            text = f"{op.kind} of {names.of(op.attr)}"
        case "call":
            text = f"call {op.node.op if op.node is not None else ''} {args}"
        case _:
            text = f"{op.kind} {args}"
    return (head + text).rstrip()


def _loop(block: Block) -> str:
    if block.conditional:
        return f"t{block.number} {'if' if block.length == 1 else 'while'} its first carry is true"
    return f"t{block.number} = " + (f"{block.length - 1} … 0" if block.reverse else f"0 … {block.length - 1}")


def _placed(placed: Placed, names: _Names) -> list[str]:
    """The text of the second form."""

    def note(op: Operation) -> str:
        at = placed.places.get(op)
        text = f" at {names.place(op, at)}" if at is not None else ""
        if op in placed.additions:
            text += f", added to {names.of(placed.additions[op].onto)}"
        waited = placed.after.get(op)
        return text + (f", after {_several(waited, names)}" if waited else "")

    lines = _operations(placed.form, names, note)
    for op, writer in placed.written_by.items():
        at = placed.places.get(op)
        where = f"at {names.place(op, at)}, " if at is not None else ""
        shape = ",".join(map(str, op.shape))
        lines.append(f"{names.of(op)}: {op.dtype.short}[{shape}] {where}written by {names.of(writer)}")
    return lines


def _several(operations: Iterable[Operation], names: _Names) -> str:
    return " ".join([names.of(op) for op in operations])


def _space(shape: Shape, reduced: int) -> str:
    outer = len(shape) - reduced
    inner = f" | {','.join(map(str, shape[outer:]))}" if reduced else ""
    return f"[{','.join(map(str, shape[:outer]))}{inner}]"


def _fused(lowering: Lowering, names: _Names) -> Iterator[str]:
    fused = lowering.fused
    for block in _blocks(fused.placed.form):
        indent = "  " * block.depth
        if block.parent is not None:
            yield f"{'  ' * (block.depth - 1)}loop {_loop(block)}"
        inline = [op for op in fused.placed.form.regions[block].operations if op in fused.inline]
        if inline:
            yield f"{indent}computed where they are read: {_several(inline, names)}"
        for draft in fused.kernels[block]:
            yield f"{indent}kernel {_space(draft.space, draft.reduced)}: {_several(draft.members, names)}"
            if draft.reads:
                yield f"{indent}  loads {', '.join([names.reference(ref) for ref in draft.reads])}"


def _scheduled(scheduled: Scheduled, names: _Names) -> list[str]:
    """The text of the fourth form: units in order, and the place of each result."""
    lines: list[str] = []
    pending: list[tuple[Unit | str, str]] = []

    def push(units: Sequence[Unit | str], indent: str) -> None:
        pending.extend((unit, indent) for unit in reversed(units))

    push(scheduled.units[scheduled.fused.placed.form.top], "")
    while pending:
        unit, indent = pending.pop()
        if isinstance(unit, str):
            lines.append(indent + unit)
            continue
        op = unit.operations[0]
        if unit.draft is None and op.kind == "loop":
            body = op.attr
            lines.append(f"{indent}loop {_loop(body)}")
            carried = scheduled.fused.placed.form.regions[body].carried
            moved = [
                f"{names.of(c.updated)} is copied to {names.of(c.symbol)}" for c in carried if c in scheduled.copied
            ]
            push([*scheduled.units[body], *moved], indent + "  ")
            continue
        if unit.draft is not None:
            lines.append(f"{indent}kernel {_space(unit.draft.space, unit.draft.reduced)}")
        else:
            lines.append(indent + (op.kind if op.kind != "contract" else "product"))
        for x in unit.operations:
            if x in scheduled.places:
                at = scheduled.places[x]
                over = scheduled.memory(at.storage)
                lying = f", over {names.storage(over)}" if over is not at.storage else ""
                lines.append(f"{indent}  {names.of(x)} at {names.place(x, at)}{lying}")
    return lines
