"""The second form: results that have to lie at a certain place, and copies to these places that are not needed.

Some results have a place: outputs of the graph, parts of joins and pads, carries of loops and rows of their stacks. In
the first form a copy brings each value there. Where possible, the operation that computes the value writes it there
directly: the copy is then *written by* that operation and has no work of its own. The readers of the copy still read
it, at its place, through their references. All other results may lie anywhere; their places are chosen when the steps
are in order.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace

from tinygrad_lstm.codegen.operations import Block, Carried, Operation, Operations, Readers, Reference, row_major
from tinygrad_lstm.codegen.references import Place, Storage, axis_order, canonical, fresh, is_whole, regrouped, seen_at

__all__ = ["Addition", "Placed", "place"]

_ACCUMULATED = frozenset(("map", "contract"))
_PLACEABLE = frozenset(("map", "reduce", "join", "pad", "contract", "gather", "scatter", "call", "stack"))


@dataclass(frozen=True, eq=False, slots=True)
class Addition:
    """A sum that a product computes: it is added to what its place holds already.

    Attributes:
        onto: the operation that writes the other term to this place.
        sum: the operation whose work the product does.
    """

    onto: Operation
    sum: Operation


@dataclass(frozen=True, eq=False, slots=True)
class Placed:
    """Operations, and the places of results that have to lie at a certain one.

    Attributes:
        form: the operations that have work to do; copies that others write are not among them.
        places: where results have to lie, also results that another operation writes.
        written_by: for each operation that is no longer in ``form``, the one that writes its result.
        after: for each operation what must run before, although its result is not read.
        additions: the products that are added to what their place holds.
        in_stack: carries that lie in the stack of their own values: a step reads a row and writes the next one.
        readers: for each operation, also those that others write, its readers with their references.
    """

    form: Operations
    places: Mapping[Operation, Place]
    written_by: Mapping[Operation, Operation]
    after: Mapping[Operation, tuple[Operation, ...]]
    additions: Mapping[Operation, Addition]
    in_stack: frozenset[Carried]
    readers: Readers

    def writer(self, op: Operation) -> Operation:
        """The operation that writes a result: its own, or the one that does its work."""
        return self.written_by.get(op, op)


def place(form: Operations) -> Placed:
    """The form with a place for everything that has to lie at a certain one."""
    return _Placing(form).placed()


class _Placing:
    """Gives places, block by block and from readers to what they read."""

    def __init__(self, form: Operations) -> None:
        self.form = form
        self.readers = form.readers()
        self.operations = {block: list(region.operations) for block, region in form.regions.items()}
        self.stacks = {block: list(region.stacks) for block, region in form.regions.items()}
        self.after = {op: list(op.after) for ops in self.operations.values() for op in ops if op.after}
        self.places: dict[Operation, Place] = {}
        self.written_by: dict[Operation, Operation] = {}
        self.unwanted: set[Operation] = set()
        self.additions: dict[Operation, Addition] = {}
        self.in_stack: set[Carried] = set()
        self.rewritten: set[Storage] = set()

    def placed(self) -> Placed:
        """The second form, after all blocks."""
        for number, op in enumerate((*self.form.inputs, *self.form.outputs)):
            storage = Storage(op.size, op.dtype, self.form.top, fixed=number)
            self.places[op] = Place(storage, row_major(op.shape))
        self.block(self.form.top)
        written_by = {op: self.writer(op) for op in self.written_by}
        gone = written_by.keys() | self.unwanted

        def final(op: Operation) -> Operation:
            return written_by.get(op, op)

        regions = {}
        for block, region in self.form.regions.items():
            kept = tuple([op for op in self.operations[block] if op not in gone])
            regions[block] = replace(region, operations=kept, stacks=tuple(self.stacks[block]))
        return Placed(
            replace(self.form, regions=regions),
            self.places,
            written_by,
            {op: tuple([final(x) for x in after]) for op, after in self.after.items() if op not in gone},
            {op: replace(x, onto=final(x.onto)) for op, x in self.additions.items()},
            frozenset(self.in_stack),
            {op: reading for op, reading in self.remaining(gone) if reading},
        )

    def remaining(self, gone: Set[Operation]) -> Iterator[tuple[Operation, list[tuple[Operation, Reference]]]]:
        """Each result with its readers that have work left."""
        for op, reading in self.readers.items():
            if any(reader in gone for reader, _ in reading):
                yield op, [pair for pair in reading if pair[0] not in gone]
            else:
                yield op, reading

    def writer(self, op: Operation) -> Operation:
        while op in self.written_by:
            op = self.written_by[op]
        return op

    def gone(self, op: Operation) -> bool:
        return op in self.written_by or op in self.unwanted

    def readings(self, op: Operation) -> list[tuple[Operation, Reference]]:
        """The readers of a result that have work left, with their references."""
        return [(reader, ref) for reader, ref in self.readers.get(op, ()) if not self.gone(reader)]

    def wait(self, op: Operation, others: list[Operation]) -> None:
        known = self.after.setdefault(op, [])
        known += [x for x in others if x is not op and x not in known]

    def block(self, block: Block) -> None:
        """Give places to the operations of a block, readers before what they read."""
        loops = [op for op in self.operations[block] if op.kind == "loop"]
        for op in loops:
            for carried in self.form.regions[op.attr].carried:
                if self.fits_in_stack(carried):
                    self.put_in_stack(op, carried)
        for op in self.operations[block][::-1]:
            if self.gone(op):
                continue
            if op.kind == "join":
                self.join(op)
            elif op.kind == "pad":
                self.pad(op)
            elif op.kind == "map" and op.name == "copy" and op in self.places:
                self.elide(op)
            elif op.kind == "map" and op.name == "add":
                self.accumulate(op)
            elif op.kind == "loop":
                self.loop(op)

    # Loops

    def fits_in_stack(self, carried: Carried) -> bool:
        """Whether the carry may lie in the stack of its own values."""
        if carried.stack is None or carried.stack in self.places:
            return False
        return carried.before is not None or not any(
            op.kind == "map" and op.name == "copy" for op, _ in self.readers.get(carried.stack, ())
        )

    def put_in_stack(self, loop: Operation, carried: Carried) -> None:
        """Place a carry in its stack, which gets one row more than steps: each step reads a row and writes the next."""
        stack, body = carried.stack, loop.attr
        assert stack is not None
        row = stack.size // body.length
        storage = Storage(stack.size + row, stack.dtype, loop.block)
        first, rest = (body.length * row, 0) if body.reverse else (0, row)
        inner = row_major(carried.symbol.shape)
        self.places[stack] = Place(storage, row_major(stack.shape), rest)
        self.places[carried.symbol] = Place(storage, inner, row - rest, ((body.number, row),))
        self.places[carried.last] = Place(storage, inner, 0 if body.reverse else body.length * row)
        self.places[carried.initial] = Place(storage, row_major(carried.initial.shape), first)
        self.in_stack.add(carried)
        (write,) = (write for other, write in self.stacks[body] if other is stack)
        self.written_by[carried.updated] = write
        if carried.before is not None:
            self.places[carried.before] = Place(storage, row_major(stack.shape), row - rest)
            self.unwanted.update(ref.operation for ref in carried.before.args)
            self.written_by[carried.before] = loop

    def loop(self, op: Operation) -> None:
        """Give each carry a place that every step rewrites, and each row of a stack its place in the stack."""
        body: Block = op.attr
        for x in self.form.regions[body].carried:
            if x in self.in_stack:
                continue
            storage = Storage(x.symbol.size, x.symbol.dtype, op.block)
            self.rewritten.add(storage)
            self.places[x.symbol] = self.places[x.last] = Place(storage, row_major(x.symbol.shape))
            self.places[x.initial] = Place(storage, row_major(x.initial.shape))
            new = Storage(x.symbol.size, x.symbol.dtype, body)
            self.places[x.updated] = Place(new, row_major(x.updated.shape))
        for stack, write in self.stacks[body]:
            at = self.places.setdefault(stack, fresh(stack))
            loops = (*at.loops, (body.number, at.strides[0]))
            strides = canonical(stack.shape[1:], at.strides[1:])[1]
            self.places[write] = Place(at.storage, strides, at.offset, loops)
        self.block(body)

    # Parts

    def join(self, op: Operation) -> None:
        """Place the parts of a join in the whole."""
        at = self.places.setdefault(op, fresh(op))
        axis, spans = op.attr
        for ref, (start, stop) in zip(op.args, spans, strict=True):
            self.wait(ref.operation, self.after.get(op, []))
            shape = tuple([stop - start if k == axis else n for k, n in enumerate(op.shape)])
            strides = canonical(shape, at.strides)[1]
            self.places[ref.operation] = Place(at.storage, strides, at.offset + start * at.strides[axis], at.loops)

    def pad(self, op: Operation) -> None:
        """Place what is padded within the zeros."""
        at = self.places.setdefault(op, fresh(op))
        low, step, source = op.attr
        zero, part = (ref.operation for ref in op.args)
        for x in (zero, part):
            self.wait(x, self.after.get(op, []))
        self.places[zero] = replace(at, strides=canonical(op.shape, at.strides)[1])
        offset = at.offset + sum(a * s for a, s in zip(low, at.strides, strict=True))
        strides = tuple([s * k for s, k in zip(at.strides, step, strict=True)])
        self.places[part] = Place(at.storage, canonical(source, strides)[1], offset, at.loops)

    # Copies and sums

    def elide(self, copy: Operation) -> None:
        """Write the source of a copy at the place of the copy, where its readers can read it there."""
        (ref,) = copy.args
        source, target = ref.operation, self.places[copy]
        if source.block is not copy.block or source.kind not in _PLACEABLE or self.gone(source):
            return
        if source in self.places:
            if source.kind == "stack" and is_whole(ref):
                self.further_stack(copy, source)
            return
        strides = _seen_by_source(ref, target)
        others = [r for op, r in self.readings(source) if op is not copy]
        if strides is None or (others and target.storage in self.rewritten):
            return
        at = replace(target, strides=strides)
        if source.kind == "contract" and 1 not in strides and source.size > 1:
            return
        if any(seen_at(r, at, self.form.lengths) is None for r in others):
            return
        self.places[source] = at
        self.wait(source, self.after.get(copy, []))
        self.written_by[copy] = source

    def further_stack(self, copy: Operation, stack: Operation) -> None:
        """Let the loop write a second stack in place of a copy of a stack."""
        body: Block = stack.attr.attr
        target = self.places[copy]
        strides = regrouped(copy.shape, target.strides, stack.shape)
        if body.length == 1 or strides is None:
            return
        (value,) = (write.args[0] for other, write in self.stacks[body] if other is stack)
        write = Operation("map", value.shape, value.operation.dtype, body, (value,), "copy")
        again = Operation("stack", stack.shape, stack.dtype, stack.block, attr=stack.attr, node=stack.node)
        self.operations[body].append(write)
        self.readers.setdefault(value.operation, []).append((write, value))
        self.stacks[body].append((again, write))
        self.operations[copy.block][self.operations[copy.block].index(copy)] = again
        self.places[again] = replace(target, strides=strides)
        self.wait(again, self.after.get(copy, []))
        self.written_by[copy] = again

    def accumulate(self, op: Operation) -> None:
        """Let a product be added to the other term of a sum, at the sum's place, if nothing else reads the terms."""
        if any(reader.fusible for reader, _ in self.readings(op)):
            return
        first, second = op.args
        for product, other in ((first, second), (second, first)):
            left, right = product.operation, other.operation
            if left.kind != "contract" or right.kind not in _ACCUMULATED or left is right:
                continue
            if all(self.only_for(op, ref) for ref in (product, other)):
                at = self.places.get(op, fresh(left))
                strides = at.strides if op not in self.places else regrouped(op.shape, at.strides, left.shape)
                if strides is None or (1 not in strides and left.size > 1):
                    return
                seen, own = regrouped(left.shape, strides, right.shape), regrouped(left.shape, strides, op.shape)
                if seen is None or own is None:
                    return
                self.places[op] = replace(at, strides=own)
                self.places[left] = replace(at, strides=strides)
                self.places[right] = replace(at, strides=seen)
                self.additions[left] = Addition(right, op)
                self.wait(left, [right, *self.after.get(op, [])])
                self.wait(right, self.after.get(op, []))
                self.written_by[op] = left
                return

    def only_for(self, op: Operation, ref: Reference) -> bool:
        """Whether ``op`` is the only reader of a whole result, which may lie anywhere."""
        source = ref.operation
        reading = [reader for reader, _ in self.readings(source)]
        return (
            source.block is op.block
            and source not in self.places
            and not self.gone(source)
            and reading == [op]
            and is_whole(ref)
        )


def _seen_by_source(ref: Reference, target: Place) -> tuple[int, ...] | None:
    """The strides of the target over the axes of the operation that is copied; None where there are none."""
    axes = axis_order(ref)
    if axes is not None:
        return tuple([target.strides[k] if k >= 0 else 0 for k in axes])
    if is_whole(ref):
        return regrouped(ref.shape, target.strides, ref.operation.shape)
    return None
