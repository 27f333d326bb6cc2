"""Layers over time: the loop with its arrow back, the same unrolled, and the chain of the repeating module."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tinygrad_lstm.draw.cells.curves import Point
from tinygrad_lstm.draw.cells.equations import cell_in_words
from tinygrad_lstm.draw.cells.parts import Anatomy
from tinygrad_lstm.draw.cells.picture import fixed, identifiers, placed_cell
from tinygrad_lstm.draw.cells.placed import LOOKS, SIZES, Canvas
from tinygrad_lstm.draw.cells.placement import Spot, spread
from tinygrad_lstm.draw.cells.wires import Plan
from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.draw.layered import curve_of
from tinygrad_lstm.draw.markup import pretty, rich, split_name
from tinygrad_lstm.draw.options import check_look, check_title
from tinygrad_lstm.draw.themes import ThemeName, themed
from tinygrad_lstm.draw.time.recurrence import TimeLoop, loops_of, results_of
from tinygrad_lstm.errors import UsageError

__all__ = ["chain", "rolled", "unrolled"]

HALF_WIDTH, HALF_HEIGHT, CIRCLE, LOOP = 51.5, 33.5, 32.0, 14.0
PITCH: Final = 143.0
APART, SIDE, STUB = 114.0, 184.0, 56.0


def rolled(
    layer: Any, *, x: Any = None, title: str | None = None, theme: ThemeName = "light", transparent: bool = False
) -> Drawing:
    """A recurrent layer as one box with arrows back to itself: one for each state that it carries.

    The loops are read off the graph of the layer: layers above each other are boxes above each other, and one that
    goes backwards in time has its arrows the other way round.

    Args:
        layer: a layer such as ``tl.nn.LSTM``, a cell, a model with ``x``, or what one of them made of a sequence.
        x: an input that tells the shapes, when ``layer`` does not.
        title: for screen readers.
        theme: ``"light"`` or ``"dark"``.
        transparent: whether nothing is painted behind the picture.

    Raises:
        UsageError: when there is no loop in ``layer``.

    >>> tl.draw.rolled(tl.nn.RNN(3, 4)).description
    'The layer A reads x_t and its own h of the step before, and puts out h_t.'
    """
    check_title("draw.rolled", title)
    check_look("draw.rolled", theme, transparent)
    rows = _Rows(loops_of(results_of(layer, x, "draw.rolled"), "draw.rolled"))
    canvas = Canvas()
    rows.rolled(canvas, 0.0)
    return Drawing(themed(canvas.source(), theme, transparent), "nop2", title or "A recurrent layer", rows.words())


def unrolled(
    layer: Any,
    steps: int = 3,
    *,
    x: Any = None,
    beside_rolled: bool = False,
    title: str | None = None,
    theme: ThemeName = "light",
    transparent: bool = False,
) -> Drawing:
    """A recurrent layer with a copy for each step: ``steps`` of them, then the last one.

    Args:
        layer: as for :func:`rolled`.
        steps: how many steps to show before the last.
        x: an input that tells the shapes, when ``layer`` does not.
        beside_rolled: whether to show the rolled layer on the left, with an equals sign.
        title: for screen readers.
        theme: ``"light"`` or ``"dark"``.
        transparent: whether nothing is painted behind the picture.

    Raises:
        UsageError: when there is no loop in ``layer``, or ``steps`` is no number from 1 to 50.

    >>> tl.draw.unrolled(tl.nn.LSTM(3, 4), steps=2).description
    'The layer A reads x_t and its own h and C of the step before, and puts out h_t. Shown are 2 steps and the last.'
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= 50:
        raise UsageError(f"draw.unrolled: steps is an integer from 1 to 50, not {steps!r}")
    check_title("draw.unrolled", title, beside_rolled=beside_rolled)
    check_look("draw.unrolled", theme, transparent)
    rows = _Rows(loops_of(results_of(layer, x, "draw.unrolled"), "draw.unrolled"))
    canvas = Canvas()
    at = 0.0
    if beside_rolled:
        rows.rolled(canvas, at)
        look = {"label": "=", "shape": "plaintext", "style": "solid", "fontsize": "36"}
        width = rows.reach + HALF_WIDTH
        canvas.node("equals", Spot(width + 58, rows.y(0), 20, 20), look)
        at = width + 116 + HALF_WIDTH + rows.lanes
    rows.unrolled(canvas, at, steps)
    counted = f"{steps} step{'s' * (steps > 1)}"
    words = f"{rows.words()} Shown are {counted} and the last."
    return Drawing(
        themed(canvas.source(), theme, transparent),
        "nop2",
        title or f"A recurrent layer, unrolled over {counted}",
        words,
    )


def chain(
    layer: Any,
    *,
    x: Any = None,
    loop: int = 0,
    legend: bool = False,
    title: str | None = None,
    theme: ThemeName = "light",
    transparent: bool = False,
) -> Drawing:
    """The chain of the repeating module: the step of a layer between its neighbours, with all that is inside.

    Args:
        layer: as for :func:`rolled`.
        x: an input that tells the shapes, when ``layer`` does not.
        loop: which of several layers to open, the lowest by default.
        legend: whether to say below what the shapes mean.
        title: for screen readers.
        theme: ``"light"`` or ``"dark"``.
        transparent: whether nothing is painted behind the picture.

    Raises:
        UsageError: when there is no loop in ``layer``, or none of that number.

    >>> tl.draw.chain(tl.nn.LSTM(3, 4)).title
    'The chain of LSTM: one step between its neighbours'
    """
    check_title("draw.chain", title, legend=legend)
    check_look("draw.chain", theme, transparent)
    loops = loops_of(results_of(layer, x, "draw.chain"), "draw.chain")
    if isinstance(loop, bool) or not isinstance(loop, int) or not 0 <= loop < len(loops):
        raise UsageError(f"draw.chain: loop is an integer from 0 to {len(loops) - 1}, not {loop!r}")
    opened = loops[loop]
    anatomy = opened.anatomy
    title = title or f"The chain of {anatomy.title}: one step between its neighbours"
    placed = placed_cell(anatomy)
    canvas = Canvas()
    times = ("t+1", "t-1") if opened.reverse else ("t-1", "t+1")
    _neighbours(canvas, anatomy, placed, times)
    if legend:
        left, _, right, bottom = placed.box
        canvas.legend((left + right) / 2, bottom + 138)
    return Drawing(themed(canvas.source(), theme, transparent), "nop2", title, cell_in_words(anatomy))


def _neighbours(canvas: Canvas, anatomy: Anatomy, placed: Plan, times: tuple[str, str]) -> None:
    """The opened cell, with a closed one on either side where the states come from and go to."""
    left, top, right, bottom = placed.box
    middle = (top + bottom) / 2
    entering = {before: placed.spots[before].y for before, _ in anatomy.states}
    leaving = {after: placed.spots[after].y for _, after in anatomy.states}
    inputs = spread([p for p in anatomy.parts if p.kind == "input"], 57, 74)
    outputs = spread(anatomy.shown, 0, 70)
    last = max(outputs.values())
    wide = max(SIDE, last + 80, *(x + 57 for x in inputs.values()))
    boxes = (left - APART - wide, left - APART), (right + APART, right + APART + wide)
    for (start, end), name, time in zip(boxes, ("before", "after"), times, strict=True):
        spot = Spot((start + end) / 2, middle, wide / 2, (bottom - top) / 2)
        canvas.box(name, spot, f"{anatomy.title} at {time}", label="A", size=39)
        places = {part: start + x for part, x in inputs.items()}
        places |= {part: end - 40 - (last - x) for part, x in outputs.items()}
        for part, x in places.items():
            at = placed.spots[part]
            below = part.kind == "input"
            said = part.label
            if split_name(said) is not None:
                said = said.removesuffix("_t") + f"_{{{time}}}"
            ident = f"{name}_{identifiers(anatomy)[part]}"
            canvas.node(ident, Spot(x, at.y, at.w, at.h), circle(part.kind, said))
            ends = (ident, name) if below else (name, ident)
            ways = ((x, at.y - at.h), (x, bottom)) if below else ((x, top), (x, at.y + at.h))
            canvas.wire(*ends, ways)
    for k, y in enumerate(entering.values()):
        canvas.point(f"from{k}", boxes[0][0] - STUB, y)
        canvas.wire(f"from{k}", "before", ((boxes[0][0] - STUB, y), (boxes[0][0], y)))
    for k, y in enumerate(leaving.values()):
        canvas.point(f"to{k}", boxes[1][1] + STUB, y)
        canvas.wire("after", f"to{k}", ((boxes[1][1], y), (boxes[1][1] + STUB, y)))
    wires = []
    for wire in placed.wires:
        way = list(wire.way)
        if wire.source in entering:
            side = (boxes[0][1], way[0][1])
            way[: 4 if wire.curved else 1] = curve_of([side, way[3]]) if wire.curved else [side]
        if wire.target in leaving:
            side = (boxes[1][0], way[-1][1])
            way[-4 if wire.curved else -1 :] = curve_of([way[-4], side]) if wire.curved else [side]
        wires.append(replace(wire, way=tuple(way)))
    spots = {part: spot for part, spot in placed.spots.items() if part not in entering and part not in leaving}
    stand_ins = {**dict.fromkeys(entering, "before"), **dict.fromkeys(leaving, "after")}
    fixed(canvas, anatomy, replace(placed, spots=spots, wires=tuple(wires)), instead=stand_ins)


@dataclass(frozen=True)
class _Lane:
    """A vertical connection: from a row (−1 the input) to a row (the number of rows for the output)."""

    source: int
    target: int
    beside: float
    """How far from the middle it runs; 0 for a straight line."""


class _Rows:
    """The loops from the lowest row to the highest."""

    def __init__(self, loops: list[TimeLoop]) -> None:
        self.loops = loops
        self.carries = max(len(loop.states) for loop in loops)
        self.pitch = 2 * HALF_HEIGHT + 53 + (LOOP * (self.carries + 1) if len(loops) > 1 else 0)
        self.reach = HALF_WIDTH + 32 + LOOP * (self.carries - 1)
        first, last = loops[0].anatomy, loops[-1].anatomy
        inputs = [p.label for p in first.parts if p.kind == "input"]
        self.input = _letter(inputs[0], "x") if len(inputs) == 1 else "x"
        self.output = _letter(last.shown[0].label, "h")
        self.lanes = 0.0
        self.wires = list(self._wires())

    def y(self, row: int) -> float:
        """The middle of a row, of the circles of the input, or of the output."""
        if row < 0:
            return 117.0
        if row == len(self.loops):
            return -self.pitch * (row - 1) - 120.0 - LOOP * (self.carries - 1) - 28.0 * (row > 1)
        return -self.pitch * row

    def _wires(self) -> Iterator[_Lane]:
        pairs = []
        for k, loop in enumerate(self.loops):
            below = list(loop.reads) or [-1] * loop.steps_through
            pairs += [(source, k) for source in below]
        pairs += [(k, len(self.loops)) for k, loop in enumerate(self.loops) if loop.shown]
        # What passes a row goes round it: values for higher rows on the left, results on the right.
        left: dict[int, int] = {}
        right: dict[int, int] = {}
        for source, target in pairs:
            if target == source + 1:
                yield _Lane(source, target, 0.0)
            elif target == len(self.loops):
                yield _Lane(source, target, 14.0 * right.setdefault(source, len(right) + 1))
            else:
                yield _Lane(source, target, -14.0 * left.setdefault(source, len(left) + 1))
        most = max(len(left), len(right))
        self.lanes = 14.0 * most + 8.0 if most else 0.0

    def label(self, row: int) -> str:
        """The letter in the box."""
        if len(self.loops) == 1:
            return "A"
        level = self.level(row)
        return f"A{'′' * self.loops[row].reverse}" + (f"_{level}" if self.level(len(self.loops) - 1) > 1 else "")

    def level(self, row: int) -> int:
        """Over how many loops a row stands, itself included, along what it reads."""
        levels: list[int] = []
        for loop in self.loops[: row + 1]:
            levels.append(1 + max([levels[r] for r in loop.reads], default=0))
        return levels[row]

    def words(self) -> str:
        said = []
        for k, loop in enumerate(self.loops):
            own = " and ".join(loop.states)
            sources = [f"the values of {pretty(self.label(r))}" for r in loop.reads]
            sources = sources or [pretty(f"{self.input}_t")] * loop.steps_through
            when = "after" if loop.reverse else "before"
            reads = " and ".join([*sources, f"its own {own} of the step {when}"])
            out = f", and puts out {pretty(self.output + '_t')}" if loop.shown else ""
            said.append(f"The layer {pretty(self.label(k))} reads {reads}{out}.")
        return " ".join(said)

    def column(self, canvas: Canvas, x: float, key: str, time: str, *, crossed: tuple[bool, bool] | None) -> None:
        """One step: boxes, the circles below and above, and the wires between them.

        Args:
            crossed: whether states cross the wires on the left and on the right; None for the rolled layer.
        """
        outside = self.reach if crossed is None else HALF_WIDTH
        rows = len(self.loops)
        for k in range(rows):
            letter, _, below = self.label(k).partition("_")
            words = f'<{letter}<SUB><FONT POINT-SIZE="16">{below}</FONT></SUB>>' if below else letter
            spot = Spot(x, self.y(k), HALF_WIDTH, HALF_HEIGHT)
            canvas.box(f"A{k}_{key}", spot, self.loops[k].anatomy.title, label=words)
        ends = {-1: ("input", f"{self.input}_{{{time}}}"), rows: ("output", f"{self.output}_{{{time}}}")}
        for row, (kind, name) in ends.items():
            if any(row in (lane.source, lane.target) for lane in self.wires):
                canvas.node(self.name(row, key), Spot(x, self.y(row), CIRCLE, CIRCLE), circle(kind, name))
        for lane in self.wires:
            start = self.y(lane.source) - (CIRCLE if lane.source < 0 else HALF_HEIGHT)
            end = self.y(lane.target) + (CIRCLE if lane.target == rows else HALF_HEIGHT)
            way: list[Point] = [(x, start), (x, end)]
            gaps: list[Point] = []
            if lane.beside:
                side = x + (outside + abs(lane.beside)) * (1 if lane.beside > 0 else -1)
                bend = min(self.tops(lane.source)) - 12 if crossed is None and lane.source >= 0 else start - 15
                way = [(x, start), (x, bend), (side, bend), (side, end + 24), (x, end + 24), (x, end)]
                if crossed is not None and crossed[lane.beside > 0]:
                    gaps = [(side, y) for k in range(lane.source + 1, lane.target) for y in self.heights(k)]
            canvas.wire(self.name(lane.source, key), self.name(lane.target, key), way, gaps=gaps)

    def name(self, row: int, key: str) -> str:
        """The identifier of a box or circle."""
        return f"x_{key}" if row < 0 else f"h_{key}" if row == len(self.loops) else f"A{row}_{key}"

    def heights(self, row: int) -> list[float]:
        """Where the states of a row run: the last one, which is the conveyor, highest."""
        count = len(self.loops[row].states)
        return [self.y(row) + (count - 1 - 2 * k) * min(14.0, 48.0 / count) for k in range(count)]

    def tops(self, row: int) -> list[float]:
        """How high the arrows of a rolled row go."""
        count = len(self.loops[row].states)
        return [self.y(row) - HALF_HEIGHT - 27 - LOOP * (count - 1 - k) for k in range(count)]

    def rolled(self, canvas: Canvas, x: float) -> None:
        """The boxes with the arrows back."""
        self.column(canvas, x, "rolled", "t", crossed=None)
        for k, loop in enumerate(self.loops):
            way = -1 if loop.reverse else 1
            for j, (y, top, state) in enumerate(zip(self.heights(k), self.tops(k), loop.states, strict=True)):
                far = HALF_WIDTH + 32 + LOOP * (len(loop.states) - 1 - j)
                points = [(HALF_WIDTH, y), (far, y), (far, top), (-far, top), (-far, y), (-HALF_WIDTH, y)]
                canvas.wire(f"A{k}_rolled", f"A{k}_rolled", [(x + way * px, py) for px, py in points])
                if _are_letters(loop.states):
                    canvas.text(f"s{k}_{j}_rolled", x + way * (HALF_WIDTH + 16), y - 9, state, 11)

    def unrolled(self, canvas: Canvas, x: float, steps: int) -> None:
        """The steps 0, 1, …, and the last one."""
        pitch = PITCH + 16.0 * (self.carries > 1) + 2 * self.lanes
        times = [*map(str, range(steps)), "t"]
        keys = [*map(str, range(steps)), "last"]
        for j, (key, time) in enumerate(zip(keys, times, strict=True)):
            self.column(canvas, x + pitch * j, key, time, crossed=(j > 0, j < steps))
        for k, loop in enumerate(self.loops):
            for j in range(steps):
                a, b = keys[j], keys[j + 1]
                start, end = x + pitch * j + HALF_WIDTH, x + pitch * (j + 1) - HALF_WIDTH
                for n, (y, state) in enumerate(zip(self.heights(k), loop.states, strict=True)):
                    way = [(start, y), (end, y)]
                    if loop.reverse:
                        a, b, way = keys[j + 1], keys[j], way[::-1]
                    canvas.wire(f"A{k}_{a}", f"A{k}_{b}", way, dashed=j + 1 == steps)
                    if j == 0 and _are_letters(loop.states):
                        canvas.text(f"s{k}_{n}", (start + end) / 2 - 6, y - 10, state, 11)


def _letter(label: str, default: str) -> str:
    """What a value is called at all times; ``default`` where its name is no letter."""
    name = label.removesuffix("_t")
    return name if len(name) <= 3 else default


def _are_letters(states: Sequence[str]) -> bool:
    """Whether several arrows are to bear names, and short ones."""
    return len(states) > 1 and all(len(state) <= 3 for state in states)


def circle(kind: str, name: str) -> dict[str, str]:
    """The look of an input or output."""
    return {"label": rich(name, SIZES[kind]), "fontsize": f"{SIZES[kind]:g}", "class": kind, **LOOKS[kind]}
