"""What a recurrent network does along a sequence: its gates, and how far back a gradient reaches."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import cycle
from typing import Any, Final, Literal, get_args

import numpy as np

from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.draw.cells.timestep import names_of
from tinygrad_lstm.draw.markup import pretty
from tinygrad_lstm.draw.options import check_look, check_title
from tinygrad_lstm.draw.themes import ThemeName
from tinygrad_lstm.draw.time.figures import Curves, Figure, HeatMap, decades_of
from tinygrad_lstm.draw.time.frames import Array, abreast, frame_of_curves, frame_of_map, step_width
from tinygrad_lstm.draw.time.recurrence import loops_of, results_of
from tinygrad_lstm.errors import ShapeError, UsageError
from tinygrad_lstm.functions.filling import zeros
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.structure import flatten, paths, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Variable
from tinygrad_lstm.nn.inner_values import inner_values
from tinygrad_lstm.nn.module import with_article
from tinygrad_lstm.nn.observing import Observation
from tinygrad_lstm.ops.loop import scan
from tinygrad_lstm.runtime.evaluation import evaluated

__all__ = ["ScaleChoice", "gates", "gradient_over_time"]

ScaleChoice = Literal["fixed", "own"]

USUAL: Final = ("f_t", "i_t", "o_t", "C_t")
MOST_UNITS: Final = 32
MOST_COLUMNS: Final = 1200
"""Of longer sequences each column is the mean of several steps."""


def gates(
    what: Any,
    words: Sequence[str] | None = None,
    *,
    x: Any = None,
    names: Sequence[str] | None = None,
    units: Sequence[int] | None = None,
    steps: range | None = None,
    scale: ScaleChoice = "fixed",
    loop: int = 0,
    batch: int = 0,
    title: str | None = None,
    theme: ThemeName = "light",
    transparent: bool = False,
) -> Figure:
    """Heat maps of the gates and of the state along a sequence, with its characters or words under them.

    The values are those that the body of the loop has named; the loop that made ``what`` is asked for them.

    Args:
        what: what a layer or a model has made of a sequence, such as its outputs; or the layer itself, with ``x``; or
            what ``tl.observe`` has seen, or a part of it.
        words: a text, for its characters, or a list of words: one for each step. The numbers of the steps by default.
        x: the sequence, when ``what`` is a layer.
        names: which values to show; by default f_t, i_t, o_t and C_t, for other cells all that have a name.
        units: the numbers of the units to show; by default all, and of more than 32 those that change most.
        steps: which steps to show, such as ``range(100, 200)``; by default all. They get narrower where they are
            many, and of more than 1200 each column is the mean of several.
        scale: the ends of the colours: ``"fixed"`` from 0 to 1 for gates, and as far below zero as above for others;
            ``"own"`` from the least to the greatest value of each panel where no value is of another sign.
        loop: which of several layers to look into, the lowest by default.
        batch: which sequence of the batch.
        title: over the figure.
        theme: ``"light"`` or ``"dark"``.
        transparent: whether nothing is painted behind it.

    Raises:
        UsageError: when there is no loop, or no such name, unit, step or sequence, or nothing in the sequence, or the
            number of words is not that of the steps.

    >>> lstm = tl.nn.LSTM(3, 8, key=tl.random.key(0))
    >>> outputs, state = lstm(tl.random.normal(tl.random.key(1), (5, 1, 3)))
    >>> tl.draw.gates(outputs, "hello")
    <Figure 'Gates of LSTM along the sequence': f_t, i_t, o_t, C_t>
    """
    check_title("draw.gates", title)
    check_look("draw.gates", theme, transparent)
    if x is None and callable(what) and not isinstance(what, Tensor | Variable):
        raise UsageError(
            f"draw.gates: {with_article(type(what).__name__)} has gates where it runs on an input; "
            "give it, draw.gates(layer, x=x)"
        )
    name, length, named = _observed(what, loop) if isinstance(what, Observation) else _along(what, x, loop)
    known = ", ".join(map(repr, get_args(ScaleChoice)))
    if scale not in get_args(ScaleChoice):
        raise UsageError(f"draw.gates: scale is one of {known}, not {scale!r}")
    chosen_steps = _steps(steps, length)
    labels = _labels("draw.gates", words, length, chosen_steps)
    if not named:
        raise UsageError("draw.gates: nothing in this loop has a name; write .named('f_t') in the cell's equations")
    usual = [name for name in USUAL if name in named]
    wanted = _wanted(names, named) if names is not None else usual if len(usual) == len(USUAL) else list(named)
    found = [named[name] for name in wanted]
    computed = iter(evaluated(tuple(value for value in found if isinstance(value, Tensor)), None))
    stacks = [next(computed).numpy() if isinstance(value, Tensor) else value for value in found]
    arrays = [_of_sequence(stack, batch)[:, chosen_steps.start : chosen_steps.stop] for stack in stacks]
    chosen = _units(arrays, units)
    every = -(-len(chosen_steps) // MOST_COLUMNS)
    panels = tuple(
        HeatMap(name, _thinned(array[chosen], every), tuple(chosen), scale == "own")
        for name, array in zip(wanted, arrays, strict=True)
    )
    said = [f"Heat maps of {', '.join(pretty(n) for n in wanted)} over {_counted(chosen_steps, length)}."]
    if len(chosen) < len(arrays[0]):
        said.append(f"Shown are {len(chosen)} of {len(arrays[0])} units.")
    title = title or f"Gates of {name} along the sequence"
    if every > 1:
        said.append(f"Each column is the mean of {every} steps.")
        title += f" (each column is the mean of {every} steps)"
        labels = labels[::every]
    columns = min(2, abreast(frame_of_map(len(chosen), labels)))
    return Figure(title, " ".join(said), panels, labels, columns, theme, transparent)


def _along(what: Any, x: Any, loop: int) -> tuple[str, int, dict[str, Any]]:
    """The name of a layer, its number of steps, and the stacks of what has a name in its loop, not computed yet."""
    results = results_of(what, x, "draw.gates")
    loops = loops_of(results, "draw.gates")
    chosen = loops[_number(loop, len(loops))]
    named: dict[str, Any] = {}
    for found in inner_values(results):
        if found.loop == loop and not found.given:
            named.setdefault(found.name, found.value)
    return chosen.anatomy.title, chosen.node.attrs["length"], named


def _observed(what: Observation, loop: int) -> tuple[str, int, dict[str, Any]]:
    """The same of what was observed, with arrays."""
    numbers = list(dict.fromkeys(v.loop for v in what if v.loop is not None and not v.given))
    if not numbers:
        raise UsageError("draw.gates: nothing of what was observed lies in a loop over time")
    chosen = [v for v in what if v.loop == numbers[_number(loop, len(numbers))] and not v.given]
    paths_of = [v.path.split(".") for v in chosen]
    common = [each[0] for each in zip(*paths_of, strict=False) if len(set(each)) == 1]
    named: dict[str, Any] = {}
    for value in chosen:
        named.setdefault(value.name, value.array)
    return ".".join(common) or "the loop", len(chosen[0].array), named


def _number(loop: Any, count: int) -> int:
    if isinstance(loop, bool) or not isinstance(loop, int) or not 0 <= loop < count:
        raise UsageError(f"draw.gates: loop is an integer from 0 to {count - 1}, not {loop!r}")
    return loop


def _steps(steps: Any, length: int) -> range:
    if steps is None:
        return range(length)
    said = f"draw.gates: steps is a range in 0 … {length}, such as range({length // 2}, {length})"
    if not isinstance(steps, range) or steps.step != 1:
        raise UsageError(f"{said}, not {steps!r}")
    if not 0 <= steps.start < steps.stop <= length:
        raise UsageError(f"{said}, and {steps!r} holds others or none")
    return steps


def _counted(steps: range, length: int) -> str:
    count = f"{length} step{'s' * (length != 1)}"
    return count if len(steps) == length else f"the steps {steps.start} … {steps.stop - 1} of {length}"


def _thinned(array: Array, every: int) -> Array:
    """The means of so many steps each; of the rest at the end its own."""
    if every == 1:
        return array
    starts = np.arange(0, array.shape[1], every)
    with np.errstate(invalid="ignore"):
        total: Array = np.add.reduceat(array, starts, axis=1)
    return total / np.diff([*starts, array.shape[1]])


def _distance(count: int) -> int:
    """How far apart the numbers of steps stand, so that each has room: a round number."""
    if count < 12:
        return 1
    apart, factors = 5, cycle((2, 2, 2.5))
    while apart * step_width(count) < 40:
        apart = int(apart * next(factors))
    return apart


def _labels(caller: str, words: Sequence[str] | None, steps: int, shown: range) -> tuple[str, ...]:
    """What stands under the steps that are shown."""
    if words is None:
        apart = _distance(len(shown))
        return tuple(str(k) if k % apart == 0 else "" for k in shown)
    wanted = f"{caller}: there are {steps} steps, so words is a text or list of {steps}"
    try:
        labels = tuple(words)
    except TypeError:
        raise UsageError(f"{wanted}, not {words!r}") from None
    wrong = next((label for label in labels if not isinstance(label, str)), None)
    if wrong is not None:
        raise UsageError(f"{wanted} strings, and {wrong!r} is none")
    if len(labels) != steps:
        raise UsageError(f"{wanted}, not {len(labels)}")
    return labels[shown.start : shown.stop]


def _of_sequence(array: Any, batch: int) -> Array:
    """One sequence of ``(steps, batch, units)`` as ``(units, steps)``."""
    if not array.size:
        raise UsageError(
            f"draw.gates: the values along the sequence have the shape {list(array.shape)}, so there is nothing to "
            "draw; give a sequence with at least one step and a batch of at least one"
        )
    flat = array.reshape(array.shape[0], array.shape[1] if array.ndim > 2 else 1, -1)
    if isinstance(batch, bool) or not isinstance(batch, int) or not 0 <= batch < flat.shape[1]:
        raise UsageError(f"draw.gates: batch is an integer from 0 to {flat.shape[1] - 1}, not {batch!r}")
    return np.asarray(flat[:, batch], dtype=np.float64).T


def _wanted(names: Sequence[str], named: Mapping[str, Any]) -> list[str]:
    there, first = f"there are {', '.join(named)}", next(iter(named))
    if isinstance(names, str) or not isinstance(names, Iterable) or not (wanted := list(names)):
        raise UsageError(f"draw.gates: names is a list of names, such as [{first!r}], not {names!r}; {there}")
    unknown = next((name for name in wanted if name not in named), None)
    if unknown is not None:
        raise UsageError(f"draw.gates: nothing in this loop is named {unknown!r}; {there}")
    return wanted


def _units(arrays: list[Array], units: Sequence[int] | None) -> list[int]:
    count = min(len(array) for array in arrays)
    if units is not None:
        said = f"draw.gates: units is a list of integers from 0 to {count - 1}, such as [0] or range({min(count, 4)})"
        if not isinstance(units, Iterable) or not (chosen := list(units)):
            raise UsageError(f"{said}, not {units!r}")
        for unit in chosen:
            if isinstance(unit, bool) or not isinstance(unit, int | np.integer) or not 0 <= unit < count:
                raise UsageError(f"{said}, and {unit!r} is none of them")
        return [int(unit) for unit in chosen]
    if count <= MOST_UNITS:
        return list(range(count))
    change = sum(np.ptp(array[:count], axis=1) for array in arrays)
    return sorted(np.argsort(-np.asarray(change), kind="stable")[:MOST_UNITS].tolist())


def gradient_over_time(
    layers: Any,
    x: Any,
    words: Sequence[str] | None = None,
    *,
    loss: Callable[[Tensor], Tensor] | None = None,
    title: str | None = None,
    theme: ThemeName = "light",
    transparent: bool = False,
) -> Figure:
    """How much a loss at the end depends on each earlier state: ``‖∂L/∂h_t‖`` and ``‖∂L/∂C_t‖``, layer beside layer.

    Where the curve falls by a power of ten at each step, the gradient vanishes and the network cannot learn what
    happened long ago; along the cell state of an LSTM it falls as slowly as the forget gates let it.

    Args:
        layers: a cell, or a layer of one cell; or several of them in a dict, by the names to show.
        x: the sequence, ``(steps, batch, input_size)``.
        words: a text or list of words, one for each step; the numbers of the steps by default.
        loss: of the last hidden state ``(batch, hidden_size)``; the sum of its numbers by default.
        title: over the figure.
        theme: ``"light"`` or ``"dark"``.
        transparent: whether nothing is painted behind it.

    Raises:
        UsageError: when there is no layer, or one of several cells, or the number of words is not that of the steps.
        ShapeError: when ``x`` has another rank or no steps, or does not fit a cell.

    >>> key = tl.random.key(0)
    >>> layers = {"RNN": tl.nn.RNN(3, 8, key=key), "LSTM": tl.nn.LSTM(3, 8, key=key)}
    >>> tl.draw.gradient_over_time(layers, tl.random.normal(key, (20, 1, 3)))
    <Figure 'The gradient of a late loss by each earlier state': RNN, LSTM>
    """
    check_title("draw.gradient_over_time", title)
    if loss is not None and not callable(loss):
        raise UsageError(f"draw.gradient_over_time: loss is a function of the last hidden state, not {loss!r}")
    check_look("draw.gradient_over_time", theme, transparent)
    sequence = as_tensor(x)
    if sequence.ndim != 3:
        raise ShapeError(
            f"draw.gradient_over_time: x has the shape {list(sequence.shape)}, wanted is [time, batch, input]"
        )
    if not sequence.shape[0]:
        raise ShapeError(
            f"draw.gradient_over_time: x has the shape {list(sequence.shape)}, and a gradient needs at least one step"
        )
    if callable(layers):
        layers = {type(layers).__name__: layers}
    if not isinstance(layers, Mapping) or not layers:
        raise UsageError(
            "draw.gradient_over_time: layers is one layer, or a dict of layers by name: {'RNN': rnn, 'LSTM': lstm}"
        )
    labels = _labels("draw.gradient_over_time", words, sequence.shape[0], range(sequence.shape[0]))
    found = {name: _norms(name, layer, sequence, loss) for name, layer in layers.items()}
    decades = decades_of([norm for norms in found.values() for norm in norms.values()])
    panels = tuple(Curves(name, norms, decades) for name, norms in found.items())
    words_of = []
    for name, norms in found.items():
        ends = [f"{pretty(state)} from {norm[-1]:.2g} down to {norm[0]:.2g}" for state, norm in norms.items()]
        words_of.append(f"{name}: {', '.join(ends)}")
    description = f"Norms of the gradient from the last state to the first. {'; '.join(words_of)}."
    said = title or "The gradient of a late loss by each earlier state"
    # Beside each other where a page is wide enough.
    columns = len(panels) if abreast(frame_of_curves(labels)) >= len(panels) else 1
    return Figure(said, description, panels, labels, columns, theme, transparent)


def _norms(name: str, layer: Any, sequence: Tensor, loss: Callable[[Tensor], Tensor] | None) -> dict[str, Array]:
    """The norm of the gradient by each state before each step."""
    cells = [*getattr(layer, "cells", [layer]), *getattr(layer, "reverse_cells", [])]
    if len(cells) != 1 or not callable(cells[0]) or not callable(getattr(cells[0], "zeros", None)):
        what = type(layer).__name__ + (f" of {len(cells)} cells" if len(cells) != 1 else "")
        raise UsageError(f"draw.gradient_over_time: {name!r} is no cell and no layer of one cell, but {what}")
    cell = cells[0]
    start, structure = flatten(cell.zeros(sequence.shape[1]))
    start = [as_tensor(v) for v in start]
    names = names_of(paths(structure))
    floats = [k for k, v in enumerate(start) if v.dtype.is_float]
    # Zeros that are added to the states: what the loss loses by them is its gradient by the states.
    nudges = [zeros((sequence.shape[0], *start[k].shape), start[k].dtype, start[k].device) for k in floats]

    def step(state: list[Tensor], now: list[Tensor]) -> tuple[list[Tensor], None]:
        x_t, *added = now
        moved = list(state)
        for k, nudge in zip(floats, added, strict=True):
            moved[k] = state[k] + nudge
        # A cell may give an output behind its state.
        return flatten(cell(x_t, unflatten(structure, moved)))[0][: len(start)], None

    last, _ = scan(step, start, [sequence, *nudges])
    hidden = last[names.index("h") if "h" in names else 0]
    slopes = evaluated(tuple(gradients(hidden.sum() if loss is None else loss(hidden), nudges)), None)
    return {
        f"{names[k]}_t": np.sqrt(np.square(slope.numpy().astype(np.float64)).sum(axis=tuple(range(1, slope.ndim))))
        for k, slope in zip(floats, slopes, strict=True)
    }
