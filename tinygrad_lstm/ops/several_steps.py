"""A loop whose body takes several steps at once: ``unroll`` of ``scan``."""

from collections.abc import Iterable, Sequence
from typing import Any

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.function import Graph, fresh_symbol, substitute
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import TensorType, whole
from tinygrad_lstm.ops.shape import concatenate, reshape

__all__ = ["Steps", "at_once", "several_at_once"]

Steps = tuple[list[Tensor], list[Tensor]]
"""The carries that leave some steps, and what these steps stack."""


def at_once(unroll: Any, length: int) -> int:
    """How many steps a body takes: ``unroll``, where True stands for all."""
    count = max(length, 1) if unroll is True else whole(1 if unroll is False else unroll)
    if count is None or count < 1:
        raise UsageError(f"scan: unroll is the number of steps that the body takes at once, or True, not {unroll!r}")
    return count


def several_at_once(
    loop: Any,
    body: Graph,
    init: list[Tensor],
    sequences: list[Tensor],
    operands: list[Tensor],
    length: int,
    reverse: bool,
    count: int,
) -> list[Tensor]:
    """The results of a loop that takes ``count`` steps at a time; those that are left over stand behind it.

    Args:
        loop: from body, first carries, ``xs``, operands, length and direction to the results of a loop.
    """
    n = len(init)
    groups, rest = divmod(length, count)
    carries, stacks = init, []
    if groups:
        first = rest if reverse else 0
        grouped = [
            reshape(_part(x, first, first + groups * count), (groups, count, *x.shape[1:])) for x in sequences
        ]  # fmt: skip
        results = loop(_together(body, n, len(sequences), count, reverse), carries, grouped, operands, groups, reverse)
        carries = results[:n]
        stacks.append([reshape(y, (groups * count, *y.shape[2:])) for y in results[n:]])
    if rest:
        times = range(rest - 1, -1, -1) if reverse else range(groups * count, length)
        carries, ys = _steps(body, carries, sequences, operands, times)
        stacks.insert(0 if reverse else len(stacks), ys)
    return [*carries, *[parts[0] if len(parts) == 1 else concatenate(parts) for parts in zip(*stacks, strict=True)]]


def _together(body: Graph, carries: int, xs: int, count: int, reverse: bool) -> Graph:
    """A body that takes ``count`` steps of ``body``."""
    types = [x.type for x in body.inputs]
    for k in range(carries, carries + xs):
        types[k] = TensorType((count, *types[k].shape), types[k].dtype, types[k].device)
    symbols = [
        fresh_symbol(str(x.attrs["name"]), t, str(x.attrs["owner"])) for x, t in zip(body.inputs, types, strict=True)
    ]
    times = range(count - 1, -1, -1) if reverse else range(count)
    new, ys = _steps(body, symbols[:carries], symbols[carries : carries + xs], symbols[carries + xs :], times)
    return Graph(tuple(symbols), (*new, *ys))


def _steps(
    body: Graph,
    carries: Sequence[Tensor],
    sequences: Sequence[Tensor],
    operands: Sequence[Tensor],
    times: Iterable[int],
) -> Steps:
    """The steps at ``times``, one after the other; what they stack is in the order of time."""
    now = list(carries)
    rows: dict[int, list[Tensor]] = {}
    for t in times:
        slices = [reshape(_part(x, t, t + 1), x.shape[1:]) for x in sequences]
        found = substitute(body.outputs, dict(zip(body.inputs, [*now, *slices, *operands], strict=True)))
        now, rows[t] = found[: len(now)], found[len(now) :]
    columns = zip(*[rows[t] for t in sorted(rows)], strict=True)
    return now, [concatenate([reshape(y, (1, *y.shape)) for y in column]) for column in columns]


def _part(x: Tensor, start: int, stop: int) -> Tensor:
    if (start, stop) == (0, x.shape[0]):
        return x
    tail = x.shape[1:]
    return make("slice", x, start=(start, *(0,) * len(tail)), stop=(stop, *tail), step=(1,) * x.ndim)
