"""A compiled program: buffers, and steps that read and write views of them. Every printer reads this form.

A step is a fused kernel, a product of matrices, a gather or scatter, a loop of steps, or the call of one op that no
printer knows. Nothing is allocated while it runs: each temporary has its place in one arena.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Final, Literal

from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.tensor import Node

__all__ = [
    "UNBOUNDED",
    "Buffer",
    "Call",
    "Gather",
    "Gemm",
    "Kernel",
    "Loop",
    "Node",
    "Program",
    "Scalar",
    "Scatter",
    "Step",
    "Store",
    "View",
    "identity",
    "share_bytes",
    "written_buffers",
]

Combine = Literal["add", "maximum", "minimum"]
UNBOUNDED: Final = 2**62
"""The length of a loop that only its condition ends."""


def identity(combine: str, dtype: DType) -> float | int | bool:
    """The neutral element of a combination, which is also the combination of no values.

    >>> from tinygrad_lstm.graph.dtypes import float32, int32
    >>> identity("add", int32), identity("maximum", float32), identity("minimum", int32)
    (0, -inf, 2147483647)
    """
    if combine == "add":
        return {"f": 0.0, "b": False}.get(dtype.kind, 0)
    largest = combine == "minimum"
    if dtype.kind == "f":
        return inf if largest else -inf
    if dtype.kind == "b":
        return largest
    bits = 8 * dtype.itemsize
    low, high = (0, 2**bits - 1) if dtype.kind == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return high if largest else low


@dataclass(frozen=True, slots=True)
class Buffer:
    """A piece of memory.

    Attributes:
        size: number of elements.
        role: ``input`` and ``output`` belong to the caller, row-major and whole; ``constant`` holds a leaf's value;
            ``temporary`` lies in the arena.
        offset: for a temporary, bytes from the start of the arena, a multiple of 64. Buffers that live at different
            times may overlap.
        value: for a constant, its array.
    """

    size: int
    dtype: DType
    role: Literal["input", "output", "constant", "temporary"]
    offset: int = 0
    value: Any = None


@dataclass(frozen=True, slots=True)
class View:
    """Part of a buffer, seen as an array: element ``i`` lies at ``offset + Σ i_k·strides_k + Σ t·stride`` over loops.

    Attributes:
        buffer: its number in the program.
        strides: in elements, as many as axes; 0 repeats, below 0 goes backwards.
        loops: pairs of a loop's number and the elements that the view moves on with each of its time indices. The
            time index counts from 0 also where the loop runs from the last to the first.
    """

    buffer: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    loops: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value of a kernel's body, a scalar at each point of its space.

    Attributes:
        op: the name of an elementwise op; or ``load`` (of ``Kernel.reads[attr]``), ``constant`` (``attr``), ``index``
            (the position along axis ``attr`` of the space), ``reduce`` (its argument over the reduced axes, combined
            by ``attr``: add, maximum, minimum).
        args: positions of earlier values in the body.
    """

    op: str
    args: tuple[int, ...]
    dtype: DType
    attr: Any = None


@dataclass(frozen=True, slots=True)
class Store:
    """A value of the body that a kernel writes to memory.

    Attributes:
        value: its position in the body.
        view: one axis for each of the kernel's space. Stride 0 along the reduced axes where the value is a result of
            ``reduce`` or computed from such alone.
        combine: None writes. Otherwise the target is first filled with the :func:`identity`, and every point of the
            space is combined into it; it has stride 0 along the axes that are summed.
    """

    value: int
    view: View
    combine: Combine | None = None


@dataclass(frozen=True, slots=True)
class Kernel:
    """A fused loop nest: elementwise ops, and reductions over the trailing axes.

    Attributes:
        shape: the space, outermost axis first. Its points are independent but for reductions and combining stores.
        reduced: how many trailing axes ``reduce`` runs over. What depends on a reduction is computed when it is
            complete, in a further pass over the reduced axes. ``lower`` leaves
            none of them empty.
        reads: the views that ``load`` reads, one axis for each of the space; stride 0 broadcasts.
        body: the values, arguments before what reads them.
        stores: the values that are written. A store may write where a load reads, but only at the same point.
        scope: the scope in which the work was written, for readers.
    """

    shape: tuple[int, ...]
    reduced: int
    reads: tuple[View, ...]
    body: tuple[Scalar, ...]
    stores: tuple[Store, ...]
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Gemm:
    """``out = left @ right``, or ``out += left @ right``.

    Shapes ``(…, m, k) · (…, k, n) → (…, m, n)`` with equal leading axes (stride 0 repeats), of float32 or float64; of
    float16, summed in float32, where ``lower`` was asked for halves. Of the last two axes of each operand one has
    stride 1; the last axis of ``out`` has stride 1. ``out`` overlaps neither.
    """

    left: View
    right: View
    out: View
    accumulate: bool = False
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Gather:
    """``out[i, j, k] = source[i, indices[j], k]``; indices below 0 count from the end, others out of range raise.

    ``source`` is seen with axes (before, taken, after), ``indices`` with one axis, ``out`` with (before, index, after).
    """

    source: View
    indices: View
    out: View
    node: Node


@dataclass(frozen=True, slots=True)
class Scatter:
    """``out = 0; out[i, indices[j], k] += updates[i, j, k]``, in the order of ``j``; indices as in :class:`Gather`."""

    updates: View
    indices: View
    out: View
    node: Node


@dataclass(frozen=True, slots=True)
class Call:
    """One op, computed by the backend's own kernel on arrays; the result is copied to ``out``."""

    node: Node
    attrs: Mapping[str, Any]
    reads: tuple[View, ...]
    out: View


@dataclass(frozen=True, slots=True)
class Loop:
    """``steps`` once for each time index, 0 … length − 1, or from the last to the first.

    Attributes:
        condition: one bool. Before each step it is read, and if it is false, neither this step is made nor any other.
            No view moves with such a loop.
    """

    number: int
    length: int
    reverse: bool
    steps: "tuple[Step, ...]"
    scope: str = ""
    condition: View | None = None


Step = Kernel | Gemm | Gather | Scatter | Call | Loop


@dataclass(frozen=True, slots=True)
class Program:
    """The whole computation.

    Attributes:
        inputs: for each input of the graph its buffer.
        outputs: for each output of the graph its buffer, which no other output shares.
        output_shapes: the shape of each output.
        arena: the bytes that all temporaries together need.
    """

    buffers: tuple[Buffer, ...]
    steps: tuple[Step, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    output_shapes: tuple[tuple[int, ...], ...]
    arena: int


def share_bytes(a: Buffer, b: Buffer) -> bool:
    """Whether two buffers are temporaries that have bytes of the arena in common."""
    if a.role != "temporary" or b.role != "temporary":
        return False
    return a.offset < b.offset + b.size * b.dtype.itemsize and b.offset < a.offset + a.size * a.dtype.itemsize


def written_buffers(step: Step) -> Iterator[int]:
    """The numbers of the buffers that a step writes to."""
    match step:
        case Loop():
            for inner in step.steps:
                yield from written_buffers(inner)  # recursion as deep as loops are nested
        case Kernel():
            yield from (store.view.buffer for store in step.stores)
        case _:
            yield step.out.buffer
