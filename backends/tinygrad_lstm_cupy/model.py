"""The least time that a program should take on a GPU, computed from the program and from published figures.

Three sums: what starting each launch costs; the products of matrices, each by its multiplications and additions or by
its bytes, whichever takes longer; and the bytes that the other kernels read and write. It is a bound and no forecast:
a product too small to fill the GPU takes longer, and arrays that stay in a cache may take less than memory does. A
measurement beside it says where the time goes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from tinygrad_lstm.codegen.program import Call, View
from tinygrad_lstm_cupy.cuda import PrintedCuda, Product, Repeat, RunItem, turns

__all__ = ["Estimate", "Figures", "estimated", "figures_of"]

LAUNCH: Final = 0.9e-6
NODE: Final = 0.5e-6
"""Seconds that a launch, and a node of a CUDA graph, cost beyond the work of the kernel.

"Getting Started with CUDA Graphs" (NVIDIA, 2019, https://developer.nvidia.com/blog/cuda-graphs/): on a V100 a kernel of
2.9 µs takes 3.8 µs as one of many launches from C++, and 3.4 µs as a node of a graph. What Python adds to a launch is
published nowhere, so it is not in the bound.
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures that NVIDIA publishes for a GPU.

    Attributes:
        name: its common name.
        marks: words that all occur in the driver's name of the GPU.
        peaks: products of matrices of each element type, in multiplications and additions a second, without sparsity;
            ``tf32`` is for float32 whose operands are rounded to TF32.
        bandwidth: bytes of its memory a second.
    """

    name: str
    marks: tuple[str, ...]
    peaks: Mapping[str, float]
    bandwidth: float


def _peaks(float64: float, float32: float, tf32: float, float16: float) -> Mapping[str, float]:
    tera = {"float64": float64, "float32": float32, "tf32": tf32, "float16": float16}
    return MappingProxyType({name: 1e12 * peak for name, peak in tera.items()})


# NVIDIA's data sheets "H200 Tensor Core GPU" (2024), "H100 Tensor Core GPU" (2023) and "A100 Tensor Core GPU" (2021).
# Those of Hopper give TF32 and float16 with sparsity, which is twice what a dense product can reach. Products of
# float64 use tensor cores too.
_HOPPER: Final = _peaks(67, 67, 989 / 2, 1979 / 2)
FIGURES: Final = (
    Figures("H200", ("H200",), _HOPPER, 4.8e12),
    Figures("H100 PCIe", ("H100", "PCIe"), _peaks(51, 51, 756 / 2, 1513 / 2), 2.0e12),
    Figures("H100 NVL", ("H100", "NVL"), _peaks(60, 60, 835 / 2, 1671 / 2), 3.9e12),
    Figures("H100", ("H100",), _HOPPER, 3.35e12),
    Figures("A100 80 GB", ("A100", "80GB"), _peaks(19.5, 19.5, 156, 312), 2.039e12),
    Figures("A100 40 GB", ("A100",), _peaks(19.5, 19.5, 156, 312), 1.555e12),
)
_OTHERWISE: Final = FIGURES[3]


def figures_of(device: str) -> Figures | None:
    """The figures of a GPU, by the driver's name of it; None if they are not listed here.

    >>> figures_of("NVIDIA H200").bandwidth
    4800000000000.0
    >>> figures_of("NVIDIA H100 80GB HBM3").name, figures_of("NVIDIA H100 PCIe").name, figures_of("Abacus 0")
    ('H100', 'H100 PCIe', None)
    """
    return next((f for f in FIGURES if all(mark in device for mark in f.marks)), None)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The least time of one run, part by part; times are in seconds.

    Attributes:
        figures: the figures that were used.
        launches: kernels and products.
        recorded: whether they are nodes of one graph, rather than launches of their own.
        operations: multiplications and additions of the products.
        products: the time of the products.
        moved: bytes that the kernels read and write.
        kernels: the time of the kernels that are no products.
        calls: operations without a kernel of their own, whose time is not known.
        foreign: the name of the GPU, where figures of another one stand in for it.
    """

    figures: Figures
    launches: int
    recorded: bool
    operations: int
    products: float
    moved: int
    kernels: float
    calls: int = 0
    foreign: str = ""

    @property
    def starting(self) -> float:
        """The time to start all launches.

        >>> Estimate(FIGURES[0], 4000, True, 0, 0.0, 0, 0.0).starting
        0.002
        """
        return self.launches * (NODE if self.recorded else LAUNCH)

    @property
    def total(self) -> float:
        """The sum of all three, since on one stream nothing runs at the same time."""
        return self.starting + self.products + self.kernels

    def lines(self) -> list[str]:
        """The estimate for readers."""
        what = "nodes of a graph" if self.recorded else "launches"
        each = NODE if self.recorded else LAUNCH
        whose = self.figures.name + (f", as those of {self.foreign} are not known" if self.foreign else "")
        lines = [
            f"should take at least {_time(self.total)}, by the published figures of the {whose}:",
            f"  {self.launches:,} {what} of {1e6 * each:g} µs: {_time(self.starting)}",
            f"  products, {self.operations / 1e9:.3g} GFLOP: {_time(self.products)}",
            f"  kernels, {self.moved / 1e6:.3g} MB: {_time(self.kernels)}",
        ]
        return [*lines, f"  and {self.calls:,} calls of array functions, not known"] if self.calls else lines


def estimated(printed: PrintedCuda, device: str, recorded: bool, tf32: bool = False) -> Estimate:
    """The estimate for a program.

    Args:
        printed: the program as launches.
        device: the driver's name of the GPU.
        recorded: whether the program is replayed as a graph.
        tf32: whether products of float32 round their operands to TF32.

    A product of 1024 × 1024 matrices takes 2·1024³ operations at 67 TFLOP/s; adding one to each element of 4 MB reads
    and writes 8 MB at 4.8 TB/s:

    >>> from tinygrad_lstm_cupy.cuda import print_cuda
    >>> x = tl.zeros((1024, 1024))
    >>> product = estimated(print_cuda(tl.jit(lambda x: x @ x).program(x)), "NVIDIA H200", recorded=False)
    >>> print("\\n".join(product.lines()))
    should take at least 33 µs, by the published figures of the H200:
      1 launches of 0.9 µs: 0.9 µs
      products, 2.15 GFLOP: 32.1 µs
      kernels, 0 MB: 0 µs
    >>> sum_ = estimated(print_cuda(tl.jit(lambda x: x + 1).program(x)), "NVIDIA H200", recorded=False)
    >>> sum_.moved, round(1e6 * sum_.kernels, 3)
    (8388608, 1.748)
    """
    found = figures_of(device)
    figures = found or _OTHERWISE
    tally = _Tally(figures, printed, tf32)
    tally.add(printed.items, 1)
    return Estimate(
        figures, printed.launches, recorded, tally.operations, tally.products, tally.moved,
        tally.moved / figures.bandwidth, tally.calls, "" if found else device,
    )  # fmt: skip


class _Tally:
    def __init__(self, figures: Figures, printed: PrintedCuda, tf32: bool) -> None:
        self._figures, self._printed, self._tf32 = figures, printed, tf32
        self.operations = self.moved = self.calls = 0
        self.products = 0.0

    def add(self, items: Sequence[RunItem], times: int) -> None:
        """Count ``items``, which run ``times`` times."""
        for item in items:
            match item:
                case Repeat():
                    self.add(item.items, times * turns(item))
                case Product():
                    operations = 2 * math.prod(item.size) * item.batch
                    peak = "tf32" if self._tf32 and item.dtype.name == "float32" else item.dtype.name
                    # A product that is added to its place reads that too.
                    views = (item.left, item.right, item.out, *([item.out] if item.accumulate else []))
                    seconds = max(operations / self._figures.peaks[peak], self._bytes(views) / self._figures.bandwidth)
                    self.operations += times * operations
                    self.products += times * seconds
                case Call():
                    self.calls += times
                case _:
                    self.moved += times * self._bytes(item.views)

    def _bytes(self, views: Sequence[View]) -> int:
        """The bytes of views, each element once, however often a view repeats it."""
        return sum(
            math.prod(n for n, stride in zip(v.shape, v.strides, strict=True) if stride)
            * self._printed.buffers[v.buffer].dtype.itemsize
            for v in views
        )


def _time(seconds: float) -> str:
    """
    >>> _time(2.5e-6), _time(1.2345e-3), _time(0.0)
    ('2.5 µs', '1.23 ms', '0 µs')
    """
    return f"{1e6 * seconds:.3g} µs" if seconds < 0.9995e-3 else f"{1e3 * seconds:.3g} ms"
