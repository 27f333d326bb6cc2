"""A fused kernel as NumPy statements: one call for each value, which writes into memory that exists already."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, Final

from tinygrad_lstm.codegen.program import Kernel, Program, Scalar, Store, View, identity
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.kernels.table import ufunc
from tinygrad_lstm_numpy.spaces import (
    Scratch,
    Shape,
    last_reads,
    narrow,
    overlap,
    resting,
    shapes_of,
    with_axis,
    written,
)
from tinygrad_lstm_numpy.views import Lines, Names, dense

__all__ = ["KernelPrinter"]

_CHUNK: Final = 1 << 15
"""A large kernel computes this many points at a time, so that several arrays of them fit into a level-2 cache."""


class KernelPrinter:
    """Prints kernels to a block, one after the other."""

    def __init__(self, program: Program, names: Names, kernels: Mapping[str, Callable[..., Any]]) -> None:
        self.program, self.names, self.kernels = program, names, kernels
        self.scratch = 0
        """The bytes that the kernels need besides the arena."""
        self._temporaries: dict[tuple[int, str, Shape], str] = {}

    def print(self, kernel: Kernel, block: Lines) -> None:
        """The statements of ``kernel``."""
        one = _OneKernel(self, kernel, block)
        one.print()
        self.scratch = max(self.scratch, one.scratch.size)

    def temporary(self, offset: int, dtype: DType, shape: Shape) -> str:
        """The name of a piece of the scratch memory."""
        key = (offset, dtype.name, shape)
        name = self._temporaries.get(key)
        if name is None:
            name = self._temporaries[key] = self.names.fresh("t")
            strides = dense(shape)
            self.names.once.add(
                f"{name} = view(scratch, {dtype.name!r}, {shape}, {strides}, {offset // dtype.itemsize})"
            )
        return name


class _OneKernel:
    """A kernel while it is printed.

    Attributes:
        shapes: the shape of each value, with size 1 along axes along which it is the same.
        rests: for each value whether it is computed from a reduction.
        last: where each value is read for the last time.
        name: the variable that holds each value that was printed.
        place: the scratch memory of the values that lie there.
        pending: stores that wait until everything is read, and the variables that they write.
        axis: the axis along which the kernel is cut into pieces, if it is.
        slices: the names of the parts of arrays that belong to a piece, by array.
    """

    def __init__(self, printer: KernelPrinter, kernel: Kernel, block: Lines) -> None:
        self.printer, self.names, self.block = printer, printer.names, block
        self.kernel = kernel if kernel.shape else with_axis(kernel)
        self.shape = self.kernel.shape
        self.rank = len(self.shape)
        self.scratch = Scratch()
        body = self.kernel.body
        self.shapes = shapes_of(self.kernel)
        self.rests = resting(self.kernel)
        self.last, self.wanted = last_reads(self.kernel)
        self.name: list[str] = [""] * len(body)
        self.place: dict[int, tuple[int, int]] = {}
        self.pending: list[tuple[Store, str]] = []
        self.axis = self._chunked_axis()
        self.chunk = self._chunk_size()
        self.slices: dict[str, str] = {}

    # Large kernels go through their first axis in pieces.

    def _chunked_axis(self) -> int | None:
        size = prod(self.shape)
        calls = sum(1 for k, s in enumerate(self.kernel.body) if self.wanted[k] and s.op not in ("load", "constant"))
        if size <= 2 * _CHUNK or calls < 2 or self._repeats():
            return None
        for axis in range(self.rank - self.kernel.reduced):
            if self.shape[axis] > 1:
                return axis
        return None

    def _repeats(self) -> bool:
        """Whether a reduction counts a value several times because it is the same along an axis."""
        for k, scalar in enumerate(self.kernel.body):
            if scalar.op == "reduce" and self.wanted[k]:
                arg = self.shapes[scalar.args[0]]
                if arg != self._over(arg, self._reduced, self.shapes[k]):
                    return True
        for store in self.kernel.stores:
            shape = self.shapes[store.value]
            if store.combine and shape != self._over(shape, self._summed(store), self._target(store).shape):
                return True
        return False

    @property
    def _reduced(self) -> Shape:
        return tuple(range(self.rank - self.kernel.reduced, self.rank))

    def _summed(self, store: Store) -> Shape:
        """The axes over which a combining store combines."""
        axes = tuple(a for a, n in enumerate(self.shape) if n != 1 and not store.view.strides[a])
        inner, shape = self._reduced, self.shapes[store.value]
        once = self.rests[store.value] and all(shape[a] == 1 for a in inner)
        if once and all(a in axes or self.shape[a] == 1 for a in inner):
            # The result of a reduction counts once, however many values were reduced to it.
            return tuple(a for a in axes if a not in inner)
        return axes

    def _over(self, shape: Shape, axes: Shape, out: Shape) -> Shape:
        """The shape to which the argument of a reduction is broadcast."""
        return tuple(self.shape[a] if a in axes else out[a] for a in range(self.rank))

    def _chunk_size(self) -> int:
        if self.axis is None:
            return 0
        return max(1, _CHUNK // (prod(self.shape) // self.shape[self.axis]))

    def print(self) -> None:
        """Append the statements: first values that are the same for all pieces, then a loop over the pieces."""
        body, stores = self.kernel.body, self.kernel.stores
        inner: list[int] = []
        for k in range(len(body)):
            if not self.wanted[k]:
                continue
            if self._moves(self.shapes[k]):
                inner.append(k)
            else:
                # Memory of values that are the same for all pieces is not reused before the last piece.
                self._value(k, keep=self.axis is not None)
        if self.axis is None:
            self._store_pending()
            return
        for store in stores:
            if store.combine is not None and not store.view.strides[self.axis]:
                self._fill(store)
        outer, self.block = self.block, Lines(self.block.indent + "    ")
        for k in inner:
            self._value(k)
        self._store_pending()
        length = self.shape[self.axis]
        outer.add(f"for i in range(0, {length}, {self.chunk}):")
        outer.lines += [f"{self.block.indent}{piece} = {made}" for made, piece in self.slices.items()]
        outer.lines += self.block.lines
        self.block = outer

    def _moves(self, shape: Shape) -> bool:
        """Whether a value of this shape differs from piece to piece; without pieces, False."""
        return self.axis is not None and shape[self.axis] > 1

    def _piece(self, name: str, shape: Shape, own: bool = False) -> str:
        """The part of an array that belongs to the piece; ``own`` memory is as long as a piece."""
        if not self._moves(shape):
            return name
        assert self.axis is not None
        lead = ":, " * self.axis
        if own:
            if self.shape[self.axis] % self.chunk == 0:
                return name
            made = f"{name}[{lead}: {self.shape[self.axis]} - i]"
        else:
            made = f"{name}[{lead}i : i + {self.chunk}]"
        if made not in self.slices:
            self.slices[made] = self.names.fresh("p")
        return self.slices[made]

    # Values

    def _value(self, k: int, keep: bool = False) -> None:
        """Append the statements of value ``k``; with ``keep`` its memory is not reused in this kernel."""
        scalar = self.kernel.body[k]
        if keep:
            self.last[k] = len(self.kernel.body)
        if scalar.op == "load":
            view = narrow(self.kernel.reads[scalar.attr])
            self.name[k] = self._piece(self.names.view(view), view.shape)
        elif scalar.op == "constant":
            self.name[k] = self.names.constant(scalar.attr, scalar.dtype.name)
        elif scalar.op == "index":
            self.name[k] = self._index(scalar)
        elif scalar.op in ("named", "stop_gradient", "copy"):
            self._alias(k, scalar.args[0])
        else:
            self._computed(k, scalar)
        if scalar.op in ("load", "constant", "index", "named", "stop_gradient", "copy"):
            self._stores_of(k, None)

    def _alias(self, k: int, source: int) -> None:
        """Let value ``k`` be the same variable as ``source``."""
        self.name[k] = self.name[source]
        if source in self.place:
            self.place[k] = self.place.pop(source)
        self.last[k] = max(self.last[k], self.last[source])

    def _index(self, scalar: Scalar) -> str:
        shape = tuple(n if axis == scalar.attr else 1 for axis, n in enumerate(self.shape))
        made = f"arange({self.shape[scalar.attr]}, dtype={scalar.dtype.name!r}).reshape({shape})"
        return self._piece(self.names.shared("n", made), shape)

    def _computed(self, k: int, scalar: Scalar) -> None:
        """Append the statements of a value that is computed, directly into the memory of a store where possible."""
        direct = self._direct(k)
        if direct is not None:
            view = self._target(direct)
            out = self._piece(self.names.view(view), view.shape)
            self._call(scalar, out, self._arguments(scalar))
            self._release(k)
        else:
            # A single call may write over an argument that nothing reads later; a value of several calls may not.
            if _single(scalar):
                self._release(k)
            shape = self._own_shape(self.shapes[k])
            place = self.scratch.take(prod(shape) * scalar.dtype.itemsize)
            out = self._piece(self.printer.temporary(place[0], scalar.dtype, shape), self.shapes[k], own=True)
            self._call(scalar, out, self._arguments(scalar))
            if not _single(scalar):
                self._release(k)
            self.place[k] = place
        self.name[k] = out
        self._stores_of(k, direct)

    def _own_shape(self, shape: Shape) -> Shape:
        if not self._moves(shape):
            return shape
        return tuple(min(n, self.chunk) if axis == self.axis else n for axis, n in enumerate(shape))

    def _arguments(self, scalar: Scalar) -> list[str]:
        return [self.name[a] for a in scalar.args]

    def _release(self, k: int) -> None:
        """Free the memory of the arguments that nothing reads after ``k``."""
        for a in set(self.kernel.body[k].args):
            if self.last[a] == k and a in self.place:
                self.scratch.free.append(self.place.pop(a))

    def _call(self, scalar: Scalar, out: str, args: Sequence[str]) -> None:
        """Append the calls that compute a value into ``out``."""
        add, op = self.block.add, scalar.op
        if op == "reduce":
            shape, axes = self.shapes[scalar.args[0]], self._reduced
            over = self._over(shape, axes, (*shape[: self.rank - len(axes)], *(1,) * len(axes)))
            self._reduction(scalar.attr, args[0], shape, axes, out, over, scalar.dtype)
        elif op == "sigmoid" and scalar.dtype.name != "float16":
            add(f"negative({args[0]}, out={out})")
            add(f"exp({out}, out={out})")
            add(f"add({out}, {self.names.constant(1.0, scalar.dtype.name)}, out={out})")
            add(f"reciprocal({out}, out={out})")
        elif op == "softplus":
            add(f"logaddexp({args[0]}, {self.names.constant(0.0, scalar.dtype.name)}, out={out})")
        elif op == "where":
            add(f"copyto({out}, {args[2]})")
            add(f"copyto({out}, {args[1]}, where={args[0]})")
        elif op == "cast" and scalar.dtype.kind in "iu" and self.kernel.body[scalar.args[0]].dtype.is_float:
            add(f"truncate({args[0]}, {out})")
        elif op == "cast":
            add(f'copyto({out}, {args[0]}, casting="unsafe")')
        elif op == "power" and self._constant(scalar.args[1]) == 2:
            add(f"square({args[0]}, out={out})")
        elif (name := ufunc(op)) is not None:
            add(f"{name}({', '.join(args)}, out={out})")
        else:
            self.names.values[f"f_{op}"] = self.printer.kernels[op]
            add(f"copyto({out}, f_{op}({', '.join(args)}))")

    def _constant(self, k: int) -> Any:
        scalar = self.kernel.body[k]
        return scalar.attr if scalar.op == "constant" else None

    def _reduction(self, how: str, arg: str, shape: Shape, axes: Shape, out: str, over: Shape, dtype: DType) -> None:
        if over != shape:
            # A value that is the same along an axis counts once for each place in a sum.
            arg = f"broadcast_to({arg}, {over})"
        start = f", initial={self.names.constant(identity(how, dtype), dtype.name)}" if 0 in over else ""
        self.block.add(f"{how}.reduce({arg}, {axes}, keepdims=True, out={out}{start})")

    # Stores

    def _direct(self, k: int) -> Store | None:
        """A store into whose memory the value can be computed directly, since the old content is no longer read."""
        for store in self.kernel.stores:
            if store.value != k or store.combine is not None or self._target(store).shape != self.shapes[k]:
                continue
            loads = [j for j, s in enumerate(self.kernel.body) if s.op == "load" and self.wanted[j]]
            scalar = self.kernel.body[k]
            early = scalar.op != "where"
            for j in loads:
                read_later = self.last[j] > k or (self.last[j] == k and not early)
                if read_later and self._overlap(self.kernel.reads[self.kernel.body[j].attr], store.view):
                    break
            else:
                # Nor may it overwrite what a deferred store still has to read.
                if not any(self._overlap_name(source, store) for _, source in self.pending):
                    return store
        return None

    def _overlap_name(self, source: str, store: Store) -> bool:
        for j, scalar in enumerate(self.kernel.body):
            if scalar.op == "load" and self.name[j] == source:
                return self._overlap(self.kernel.reads[scalar.attr], store.view)
        return False

    def _overlap(self, a: View, b: View) -> bool:
        return overlap(self.printer.program, a, b)

    def _stores_of(self, k: int, direct: Store | None) -> None:
        for store in self.kernel.stores:
            if store.value == k and store is not direct:
                if store.combine is not None:
                    self._combine(store)
                elif self._may_write_now(k, store) and self._moves(self.shapes[k]) == self._moves(
                    self._target(store).shape
                ):
                    self._copy(store, self.name[k])
                else:
                    self.pending.append((store, self.name[k]))
                    self.place.pop(k, None)
        if self.last[k] <= k and k in self.place:
            self.scratch.free.append(self.place.pop(k))

    def _may_write_now(self, k: int, store: Store) -> bool:
        for j, scalar in enumerate(self.kernel.body):
            if scalar.op == "load" and self.last[j] > k and self._overlap(self.kernel.reads[scalar.attr], store.view):
                return False
        return not any(self._overlap_name(source, store) for _, source in self.pending)

    def _store_pending(self) -> None:
        targets = [store for store, _ in self.pending]
        for k, (store, source) in enumerate(self.pending):
            if any(self._overlap_name(source, other) for other in targets if other is not store):
                # For example two carries that swap their values.
                self.pending[k] = (store, self._saved(store, source))
        for store, source in self.pending:
            self._copy(store, source)
        self.pending.clear()

    def _saved(self, store: Store, source: str) -> str:
        shape, dtype = self.shapes[store.value], self.kernel.body[store.value].dtype
        own = self._own_shape(shape)
        place = self.scratch.take(prod(own) * dtype.itemsize)
        name = self._piece(self.printer.temporary(place[0], dtype, own), shape, own=True)
        self.block.add(f"copyto({name}, {source})")
        return name

    def _target(self, store: Store) -> View:
        """The view that a store writes, with size 1 along axes of stride 0."""
        return written(store, self.shapes[store.value])

    def _copy(self, store: Store, source: str) -> None:
        view = self._target(store)
        self.block.add(f"copyto({self._piece(self.names.view(view), view.shape)}, {source})")

    def _combine(self, store: Store) -> None:
        """Append the statements of a combining store; a store over the pieces combines the results of each piece."""
        how, k = store.combine, store.value
        assert how is not None
        view = self._target(store)
        axes, shape, dtype = self._summed(store), self.shapes[k], self.kernel.body[k].dtype
        over = self._over(shape, axes, view.shape)
        target = self._piece(self.names.view(view), view.shape)
        if self.axis is not None and self.axis in axes:
            place = self.scratch.take(prod(view.shape) * dtype.itemsize)
            part = self.printer.temporary(place[0], dtype, view.shape)
            self._reduction(how, self.name[k], shape, axes, part, over, dtype)
            self.block.add(f"{how}({target}, {part}, out={target})")
            self.scratch.free.append(place)
        elif axes:
            self._reduction(how, self.name[k], shape, axes, target, over, dtype)
        else:
            self.block.add(f"copyto({target}, {self.name[k]})")

    def _fill(self, store: Store) -> None:
        assert store.combine is not None
        dtype = self.kernel.body[store.value].dtype
        name = self.names.view(self._target(store))
        self.block.add(f"{name}.fill({self.names.constant(identity(store.combine, dtype), dtype.name)})")


def _single(scalar: Scalar) -> bool:
    return ufunc(scalar.op) is not None or scalar.op == "softplus"
