"""``observe``: what a model computes inside, by path and name."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.errors import GradientError, UnknownNameError, UsageError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.scopes import current_scope
from tinygrad_lstm.graph.structure import Structure, flatten, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.trace import followed
from tinygrad_lstm.nn.inner_values import InnerValue, inner_values, nudged, out_of_sight
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.reflexes import is_function
from tinygrad_lstm.runtime.evaluation import evaluated

__all__ = ["Correlation", "Correlations", "Observation", "ObservedValue", "observe"]

Array = NDArray[Any]


def observe(model: Callable[..., Any], *args: Any, **kwargs: Any) -> "Observation":
    """``model(*args, **kwargs)``, and every value inside that has a name, as arrays.

    Names are given by ``.named("f_t")``, as the cells do; a path is that of the module and scopes in which a value was
    made. Values in a loop are there for each step, along a first axis: in a recurrent layer ``(time, batch, hidden)``.
    Values of one path and name that are computed several times, as in a loop of Python, are stacked in their order.

    What is named in a branch of ``cond`` or in a ``while_loop`` is not among them, since it may be computed never, or
    any number of times.

    Args:
        model: a module or another function of tensors.

    Raises:
        UsageError: when nothing in the model has a name.

    >>> lstm = tl.nn.LSTM(3, 4, key=tl.random.key(0))
    >>> seen = tl.observe(lstm, tl.ones((5, 2, 3)))
    >>> seen["cells.0"].f_t.shape, seen["cells.0.cell state"].C_t.shape
    ((5, 2, 4), (5, 2, 4))
    >>> outputs, state = seen.result
    >>> slopes = seen.gradients(lambda result: (result[0][-1] ** 2).sum())
    >>> slopes["cells.0"].C_t.shape
    (5, 2, 4)
    """
    if not is_function(model):
        raise UsageError(
            f"observe takes a model and its arguments, observe(model, x), not {type(model).__name__}: it looks into "
            "what the model computes"
        )
    around = current_scope()
    depth = (len(around.path) if around is not None else 0) + isinstance(model, Module)
    leaves, structure = flatten(followed(model, *args, **kwargs))
    results = tuple(as_tensor(y) for y in leaves)
    named = inner_values(results, depth)
    if not named:
        for hidden, op in out_of_sight(results, depth):
            raise UsageError(_not_observed(hidden.name, op))
        raise UsageError(
            "observe: nothing that the model computes has a name; write .named('f_t') in its equations, and leave out "
            "detach() and whatever else cuts the history of its results"
        )
    computed = evaluated((*results, *[n.value for n in named]), None)
    made = _Made(results, structure, depth)
    return Observation(_joined(named, computed[len(results) :]), unflatten(structure, computed[: len(results)]), made)


@dataclass(frozen=True, eq=False)
class _Made:
    """The graph of the results, from which gradients are computed."""

    results: tuple[Tensor, ...]
    structure: Structure
    depth: int


@dataclass(frozen=True, eq=False)
class ObservedValue:
    """One observed value.

    Attributes:
        path: of the module and scopes that it was made in, joined by dots.
        name: its name.
        array: its values; in a loop the steps lie along the first axis.
        loop: the number of the outermost loop round it; None where there is none.
        given: whether it is what came in under another name, such as the input of a step.
    """

    path: str
    name: str
    array: Array
    loop: int | None
    given: bool


@dataclass(frozen=True, eq=False)
class Observation:
    """What :func:`observe` has seen.

    ``observed[path]`` is the part that was made in a module or scope. ``observed.name`` is the array of that name in
    it, and so is ``observed["name"]``, for names that Python does not take.

    Attributes:
        values: all of it, in the order in which it was computed.
        result: what the model gave, evaluated.
    """

    values: tuple[ObservedValue, ...]
    result: Any
    _made: _Made

    def __getitem__(self, key: str) -> Any:
        if not isinstance(key, str):
            raise UsageError(
                f"observed[…] takes a path or a name, not {key!r}; the steps are the first axis of an array"
            )
        inside = [v for v in self.values if v.path == key or v.path.startswith(f"{key}.")]
        if inside:
            return replace(self, values=tuple(inside))
        return self._array(key)

    def __getattr__(self, name: str) -> Array:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._array(name)

    def __iter__(self) -> Iterator[ObservedValue]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *[v.name for v in self.values if v.name.isidentifier()]]

    def __repr__(self) -> str:
        rows = [(v.path, v.name, f"{v.array.dtype}{list(v.array.shape)}") for v in self.values]
        wide = [max(_width(row[k]) for row in rows) for k in range(2)]
        lines = [
            f"{path}{' ' * (wide[0] - _width(path))}  {name}{' ' * (wide[1] - _width(name))}  {kind}".strip()
            for path, name, kind in rows
        ]
        return "\n".join(["Observation:", *[f"  {line}" for line in lines]])

    def _array(self, name: str) -> Array:
        same = unicodedata.normalize("NFKC", name)  # as Python reads the names of attributes
        found = [
            v for v in self.values if unicodedata.normalize("NFKC", v.name) == same or f"{v.path}.{v.name}" == name
        ]
        if len(found) == 1:
            return found[0].array
        if found:
            raise UnknownNameError(
                f"observe: {name} is at {_some([v.path for v in found])}; say which: "
                f"observed[{found[0].path!r}][{name!r}]"
            )
        for hidden, op in out_of_sight(self._made.results, self._made.depth):
            if name in (hidden.name, hidden.path, f"{hidden.path}.{hidden.name}"):
                raise UnknownNameError(_not_observed(name, op))
        raise UnknownNameError(
            f"observe: nothing is named {name!r}, and no path begins so; names are "
            f"{_some([v.name for v in self.values])}, and paths {_some([v.path for v in self.values])}"
        )

    def gradients(self, loss: Callable[[Any], Any] | None = None) -> "Observation":
        """The gradient of a loss by each observed value that holds floats, by the same paths and names.

        In a loop it is the gradient by the value at each step: where it is small, the loss hardly depends on what the
        value was there.

        Args:
            loss: from the result of the model to a scalar; None where the result is one.

        Raises:
            GradientError: when that is no scalar of floats.
        """
        made = self._made
        results, nudges = nudged(made.results, made.depth)
        result = unflatten(made.structure, results)
        leaves = flatten(result if loss is None else loss(result))[0]
        y = as_tensor(leaves[0]) if len(leaves) == 1 else None
        if y is None or y.shape != () or not y.dtype.is_float:
            given = f"{len(leaves)} values" if y is None else str(y.type)
            raise GradientError(
                f"observed.gradients: the loss is a scalar of floats, not {given}; give a function of the result, such "
                "as observed.gradients(lambda result: result.sum())"
            )
        slopes = evaluated(tuple(gradients(y, [n.value for n in nudges], allow_unused=True)), None)
        kept = {(v.path, v.name) for v in self.values}
        every = [v for v in _joined(nudges, slopes) if (v.path, v.name) in kept]
        return replace(self, values=tuple(every))

    def correlate(self, signal: Any, names: Sequence[str] | None = None, top: int = 10) -> "Correlations":
        """The units that follow a signal along the sequence, those that follow it most closely first.

        It is Pearson's correlation ``r = cov(unit, signal) / (σ(unit)·σ(signal))`` over all steps and sequences: 1 for
        a unit that is the signal but for scale and offset, −1 for its opposite.

        Args:
            signal: a number or a bool for each step, ``(time,)``, or ``(time, batch)``.
            names: which values to look at, such as ``["C_t"]``; by default all that were computed along the sequence.
            top: how many units to list.

        Raises:
            UsageError: when the signal is always the same, or no value goes along so many steps.

        >>> lstm = tl.nn.LSTM(1, 6, key=tl.random.key(0))
        >>> seen = tl.observe(lstm, tl.ones((20, 1, 1)))
        >>> found = seen.correlate(range(20), names=["C_t"], top=1)
        >>> found[0].name, abs(found[0].r) > 0.8
        ('C_t', True)
        """
        given = np.asarray(signal.numpy() if isinstance(signal, Tensor) else signal, dtype=np.float64)
        if given.ndim not in (1, 2):
            raise UsageError(f"correlate: the signal is (time,) or (time, batch), not of the shape {list(given.shape)}")
        if not np.isfinite(given).all() or not given.size or np.ptp(given) == 0:
            raise UsageError("correlate: the signal is the same at all steps or not finite, so nothing can follow it")
        along = [v for v in self.values if _goes_along(v, given) and (names is None or v.name in names)]
        if not along:
            lengths = sorted({v.array.shape[0] for v in self.values if v.loop is not None})
            raise UsageError(
                f"correlate: no {'value' if names is None else ' or '.join(names)} goes along a signal of the shape "
                f"{list(given.shape)}; the observed loops have {_some([str(n) for n in lengths]) or 'no'} steps"
            )
        found = [c for v in along for c in _correlations(v, given)]
        found.sort(key=lambda c: -abs(c.r))
        return Correlations(found[:top])


class Correlation(NamedTuple):
    """How closely one unit follows a signal: ``r`` between −1 and 1. The unit is the index behind time and batch."""

    path: str
    name: str
    unit: int | tuple[int, ...]
    r: float


class Correlations(tuple[Correlation, ...]):
    """Units, those that follow a signal most closely first; printed as a table."""

    __slots__ = ()

    def __repr__(self) -> str:
        wide = max((len(str(c.unit)) for c in self), default=0)
        lines = [f"{c.r:+.3f}".replace("-", "−") + f"  {c.name}[{str(c.unit).rjust(wide)}]  {c.path}" for c in self]
        return "\n".join(line.rstrip() for line in lines) or "no units"


def _joined(named: Sequence[InnerValue], computed: Sequence[Tensor]) -> tuple[ObservedValue, ...]:
    """The arrays of all values; those of one path, name and shape in one."""
    groups: dict[Any, list[tuple[InnerValue, Array]]] = {}
    for n, value in zip(named, computed, strict=True):
        groups.setdefault((n.path, n.name, value.type), []).append((n, value.numpy()))
    return tuple(
        ObservedValue(
            group[0][0].path,
            group[0][0].name,
            group[0][1] if len(group) == 1 else np.stack([array for _, array in group]),
            group[0][0].loop,
            group[0][0].given,
        )
        for group in groups.values()
    )


def _not_observed(name: str, op: str) -> str:
    if op == "branch":
        return (
            f"observe: {name} is in a branch of cond, which may not be computed, and so is not observed; let the "
            "branch return it, and name what cond gives"
        )
    return (
        f"observe: {name} is in a while_loop, which takes any number of steps, and so is not observed; let the loop "
        "carry it, and name what it ends with, or use scan"
    )


def _goes_along(value: ObservedValue, signal: Array) -> bool:
    shape = value.array.shape
    if value.given or len(shape) < 2 or shape[0] != len(signal):
        return False
    return signal.ndim == 1 or (len(shape) > 2 and shape[1] == signal.shape[1])


def _correlations(value: ObservedValue, signal: Array) -> Iterator[Correlation]:
    array = value.array.astype(np.float64)
    batched = array.ndim > 2
    lead = array.shape[: 1 + batched]
    given = np.broadcast_to(signal if signal.ndim == 2 or not batched else signal[:, None], lead).reshape(-1)
    units = array.reshape(given.size, -1)
    units, given = units - units.mean(0), given - given.mean()
    with np.errstate(all="ignore"):
        r = given @ units / (np.linalg.norm(units, axis=0) * np.linalg.norm(given))
    shape = array.shape[1 + batched :]
    for k in np.flatnonzero(np.isfinite(r)).tolist():
        place = tuple(int(i) for i in np.unravel_index(k, shape))
        yield Correlation(value.path, value.name, place[0] if len(place) == 1 else place, float(r[k]))


def _width(text: str) -> int:
    """How many columns a text takes: a tilde over a letter takes none."""
    return sum(not unicodedata.combining(c) for c in text)


def _some(words: Sequence[str]) -> str:
    """The different words, of which only the first few are named."""
    every = list(dict.fromkeys(words))
    return ", ".join(every[:6]) + (" …" if len(every) > 6 else "")
