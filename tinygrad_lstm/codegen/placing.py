"""Where results are written: at their final place wherever that is possible, instead of being copied there."""

from collections.abc import Mapping
from dataclasses import replace

from tinygrad_lstm.codegen.operations import Carried, Operation, Place, Reference, Region, Storage, row_major, whole
from tinygrad_lstm.codegen.references import canonical, is_whole, permutation, placed, regrouped
from tinygrad_lstm.codegen.regions import Built

__all__ = ["Readers", "fresh", "place", "readers_of"]

Readers = dict[Operation, list[tuple[Operation, Reference]]]
_ACCUMULATED = frozenset(("map", "contract"))
_PLACEABLE = frozenset(("map", "reduce", "join", "contract", "gather", "scatter", "call", "stack"))


def readers_of(built: Built) -> Readers:
    """For each operation that is wanted what reads it, and how; the others are marked dead."""
    readers: Readers = {}
    found: set[Operation] = set(built.inputs)
    pending = list(built.outputs)
    while pending:
        op = pending.pop()
        if op in found:
            continue
        found.add(op)
        for ref in op.args:
            readers.setdefault(ref.operation, []).append((op, ref))
            pending.append(ref.operation)
        pending += op.after
        if op.kind in ("last", "stack"):
            loop = op.attr
            pending.append(loop)
            pending += [write for stack, write in loop.attr.stacks if stack is op]
        elif op.kind == "loop":
            pending += [x.updated for x in op.attr.carried]
    regions = [built.region]
    while regions:
        region = regions.pop()
        for op in region.operations:
            op.dead = op not in found
            if op.kind == "loop" and not op.dead:
                regions.append(op.attr)
                op.attr.stacks = [(stack, write) for stack, write in op.attr.stacks if stack in found]
                for x in op.attr.carried:
                    x.stack = x.stack if x.stack in found else None
                    x.before = x.before if x.before in found else None
    return readers


def fresh(op: Operation) -> Place:
    """A place without gaps in a storage of its own."""
    return Place(Storage(op.size, op.dtype, op.region, owner=op), row_major(op.shape))


def place(built: Built, readers: Readers) -> None:
    """Settle the place of everything that has to lie at a certain one."""
    placing = _Placing(readers, built.lengths)
    for number, op in enumerate(built.outputs):
        storage = Storage(op.size, op.dtype, built.region, fixed=len(built.inputs) + number)
        op.place = Place(storage, row_major(op.shape))
    placing.region(built.region)


class _Placing:
    def __init__(self, readers: Readers, lengths: Mapping[int, int]) -> None:
        self.readers = readers
        self.lengths = lengths
        self.rewritten: set[Storage] = set()
        self.added_to: dict[Operation, Operation] = {}
        """What is added to, and the product that is."""

    def region(self, region: Region) -> None:
        living = list(region.living())
        for op in living:
            if op.kind == "loop":
                for carried in op.attr.carried:
                    if self.wants_history(carried):
                        self.history(op.attr, carried)
        for op in reversed(living):
            if op.dead:
                continue
            if op.kind == "join":
                self.join(op)
            elif op.kind == "map" and op.name == "copy" and op.place is not None:
                self.elide(op)
            elif op.kind == "map" and op.name == "add":
                self.accumulate(op)
            elif op.kind == "loop":
                self.loop(op)

    def wants_history(self, carried: Carried) -> bool:
        """Whether the carry is best read from the stack of its own values."""
        if carried.stack is None or carried.stack.place is not None:
            return False
        return carried.before is not None or not any(
            op.kind == "map" and op.name == "copy" for op, _ in self.readers.get(carried.stack, ())
        )

    def history(self, body: Region, carried: Carried) -> None:
        """One buffer with a row more than steps: the loop reads a row and writes the next one."""
        stack = carried.stack
        assert stack is not None
        assert body.parent is not None
        row = stack.size // body.length
        storage = Storage(stack.size + row, stack.dtype, body.parent)
        first, rest = (body.length * row, 0) if body.reverse else (0, row)
        inner = carried.symbol.shape
        stack.place = Place(storage, row_major(stack.shape), rest)
        carried.symbol.place = Place(storage, row_major(inner), row - rest, ((body.number, row),))
        carried.last.place = Place(storage, row_major(inner), 0 if body.reverse else body.length * row)
        carried.initial.place = Place(storage, row_major(carried.initial.shape), first)
        carried.updated.dead = True
        if carried.before is not None:
            carried.before.place = Place(storage, row_major(stack.shape), row - rest)
            for ref in carried.before.args:
                ref.operation.dead = True
            carried.before.args = []
            carried.before.attr = body.loop

    def join(self, op: Operation) -> None:
        """The parts are written into the whole."""
        if op.place is None:
            op.place = fresh(op)
        elif not op.args:
            return
        for part in [ref.operation for ref in op.args]:
            part.after += [x for x in op.after if x is not part and x not in part.after]
        if len(op.attr) == 3:
            low, step, source = op.attr
            zero, part = (ref.operation for ref in op.args)
            zero.place = replace(op.place, strides=canonical(op.shape, op.place.strides)[1])
            offset = op.place.offset + sum(a * s for a, s in zip(low, op.place.strides, strict=True))
            strides = [s * k for s, k in zip(op.place.strides, step, strict=True)]
            part.place = Place(op.place.storage, canonical(source, tuple(strides))[1], offset, op.place.loops)
            return
        axis, spans = op.attr
        for ref, (start, stop) in zip(op.args, spans, strict=True):
            shape = tuple([stop - start if k == axis else n for k, n in enumerate(op.shape)])
            strides_ = canonical(shape, op.place.strides)[1]
            offset = op.place.offset + start * op.place.strides[axis]
            ref.operation.place = Place(op.place.storage, strides_, offset, op.place.loops)

    def loop(self, op: Operation) -> None:
        """Carries have one place that each step rewrites; stacks are written row by row."""
        body: Region = op.attr
        for x in body.carried:
            if x.symbol.place is None:
                storage = Storage(x.symbol.size, x.symbol.dtype, op.region)
                self.rewritten.add(storage)
                own = row_major(x.symbol.shape)
                x.symbol.place = x.last.place = Place(storage, own)
                x.initial.place = Place(storage, row_major(x.initial.shape))
                new = Storage(x.symbol.size, x.symbol.dtype, body, alias=storage)
                x.updated.place = Place(new, row_major(x.updated.shape))
        for stack, write in body.stacks:
            if stack.place is None:
                stack.place = fresh(stack)
            at = stack.place
            loops = (*at.loops, (body.number, at.strides[0]))
            write.place = Place(at.storage, canonical(stack.shape[1:], at.strides[1:])[1], at.offset, loops)
        self.region(body)

    def elide(self, copy: Operation) -> None:
        """Let what is copied be written where the copy would go."""
        (ref,) = copy.args
        source, target = ref.operation, copy.place
        assert target is not None
        if source.kind == "stack" and source.place is not None and is_whole(ref) and source.region is copy.region:
            self.further_stack(copy, source)
            return
        if source.region is not copy.region or source.place is not None or source.kind not in _PLACEABLE:
            return
        strides = _seen_by_source(ref, target)
        others = [(op, r) for op, r in self.readers.get(source, ()) if op is not copy and not op.dead]
        if strides is None or (others and target.storage in self.rewritten):
            return
        at = replace(target, strides=strides)
        if source.kind == "contract" and 1 not in strides and source.size > 1:
            return
        if any(placed(r, at, self.lengths) is None for _, r in others):
            return
        source.place = at
        source.after += copy.after
        self.supersede(copy, source)
        for reader, _ in self.readers.get(copy, ()):
            reader.args = [whole(source) if r.operation is copy else r for r in reader.args]
            self.readers[source].append((reader, whole(source)))

    def supersede(self, op: Operation, other: Operation) -> None:
        """Let ``other`` do the work of ``op``: also for what waits for it, such as the product that is added to it."""
        op.dead = True
        product = self.added_to.pop(op, None)
        if product is not None:
            self.added_to[other] = product
            product.onto = other
            product.after = [other if x is op else x for x in product.after]
        for x in other.region.carried:
            if x.updated is op:
                x.updated = other

    def accumulate(self, op: Operation) -> None:
        """A sum that is stored, of a product and what is used for nothing else: the product is added in its place."""
        if any(reader.fusible for reader, _ in self.readers.get(op, ()) if not reader.dead):
            return
        first, second = op.args
        for product, other in ((first, second), (second, first)):
            left, right = product.operation, other.operation
            if left.kind != "contract" or right.kind not in _ACCUMULATED or left is right:
                continue
            if all(self.only_for(op, ref) for ref in (product, other)):
                at = op.place or fresh(left)
                strides = at.strides if op.place is None else regrouped(op.shape, at.strides, left.shape)
                if strides is None or (1 not in strides and left.size > 1):
                    return
                seen = regrouped(left.shape, strides, right.shape)
                if seen is None:
                    return
                left.place = replace(at, strides=strides)
                right.place = replace(at, strides=seen)
                left.onto = right
                self.added_to[right] = left
                left.after += [right, *op.after]
                right.after += op.after
                self.supersede(op, left)
                readers = self.readers[left] = []
                for reader, ref in self.readers.get(op, ()):
                    reader.args = [replace(r, operation=left) if r.operation is op else r for r in reader.args]
                    readers.append((reader, replace(ref, operation=left)))
                return

    def only_for(self, op: Operation, ref: Reference) -> bool:
        """Whether a whole result is read by one operation of its region alone, and may lie anywhere."""
        source = ref.operation
        living = [reader for reader, _ in self.readers[source] if not reader.dead]
        return source.region is op.region and source.place is None and living == [op] and is_whole(ref)

    def further_stack(self, copy: Operation, stack: Operation) -> None:
        """A copy of what a loop stacks is stacked by the loop itself."""
        body: Region = stack.attr.attr
        (value,) = (write.args[0] for other, write in body.stacks if other is stack)
        if body.length == 1:
            return
        write = Operation("map", value.shape, value.operation.dtype, body, [value], "copy")
        body.operations.append(write)
        self.readers.setdefault(value.operation, []).append((write, value))
        copy.kind, copy.args, copy.attr, copy.name = "stack", [], stack.attr, ""
        body.stacks.append((copy, write))


def _seen_by_source(ref: Reference, target: Place) -> tuple[int, ...] | None:
    """The strides of the target for the axes of the copied operation."""
    axes = permutation(ref)
    if axes is not None:
        return tuple([target.strides[k] if k >= 0 else 0 for k in axes])
    if is_whole(ref):
        return regrouped(ref.shape, target.strides, ref.operation.shape)
    return None
