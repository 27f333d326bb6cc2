"""Part 7: the same compiled step on the GPU and on the CPU: below which size the CPU is faster."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from benchmarks.gpu_day.clock import timed
from benchmarks.gpu_day.part import Check, Context
from benchmarks.gpu_day.systems import Shape, cpu_systems
from tinygrad_lstm.errors import BackendError
from tinygrad_lstm.runtime.backend import load_backend

__all__ = ["checks"]

_SHAPES: Final = tuple(Shape(50, 16, units) for units in (64, 16, 256, 8, 32, 128, 512))
"""The shapes, from the middle outwards, so that an early end leaves the most useful ones."""


def checks(context: Context) -> Iterator[Check]:
    """Each shape on each of the three backends."""
    shapes = [Shape(2, 2, 4)] if context.small else _SHAPES
    for shape in shapes:
        for name, make in cpu_systems().items():
            yield Check(f"{shape}: {name}", partial(step, name, make, shape, 3 if context.small else 20))


def step(name: str, make: Any, shape: Shape, rounds: int) -> dict[str, Any]:
    """The time of one step, or that the backend ``c`` finds no compiler."""
    backend: Any = load_backend("cupy")
    try:
        return dict(timed(make(shape), rounds, backend.cupy if name.startswith("cupy") else None))
    except BackendError as error:
        if not name.startswith("c,"):
            raise
        return {"note": str(error)}
