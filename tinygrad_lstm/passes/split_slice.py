"""split_slice: a product whose parts are used for different things becomes one product for each part.

A part that nothing uses is not computed.
"""

from collections.abc import Iterable, Sequence

from tinygrad_lstm.graph.tensor import Node, Tensor, make_like
from tinygrad_lstm.passes.classes import Classes
from tinygrad_lstm.passes.contraction import contract, letters_of
from tinygrad_lstm.passes.rewriting import LoopParts, each_loop, slice_along, while_found

__all__ = ["split_slice"]

Bounds = tuple[int, ...]


def split_slice(outputs: Iterable[Tensor]) -> list[Tensor]:
    """``(d @ Wᵀ)[:, :H]`` for the carry and ``(d @ Wᵀ)[:, H:]`` for a stack become ``d @ W₁ᵀ`` and ``d @ W₂ᵀ``.

    >>> from tinygrad_lstm.passes.contraction import contractions
    >>> from tinygrad_lstm.passes.rewriting import everywhere
    >>> w, x = tl.symbol("w", (4, 7)), tl.symbol("x", (9, 2, 4))
    >>> f = lambda h, x: ((tl.tanh(h + x) @ w)[:, :4], (tl.tanh(h + x) @ w)[:, 4:])
    >>> last, ys = tl.scan(f, tl.zeros((2, 4)), x)
    >>> from tinygrad_lstm.passes.simplify import cse
    >>> tl.printed(*split_slice(everywhere(everywhere([last, ys], contractions), cse))).count("contract")
    2
    """
    return each_loop(outputs, lambda loop: while_found(loop, _one))


def _one(loop: LoopParts) -> dict[Tensor, Tensor]:
    """Replacements for the slices of the first product that can be split; empty when there is none."""
    classes = Classes(loop)
    results = set(loop.results)
    mapping: dict[Tensor, Tensor] = {}
    for node in reversed(classes.order):
        if node.op not in ("contract", "add") or node in results:
            continue
        readers = classes.readers[node]
        if not readers or any(r.op != "slice" or any(n != 1 for n in r.attrs["step"]) for r in readers):
            continue
        if node.op == "add" and any(x.type != node.type for x in node.inputs):
            continue
        start, stop = _window(readers)
        # The product is split where some of its parts feed a carry and others do not.
        if len({r in classes.feeding for r in readers}) == 2:
            parts = [_pushed(node, r, r.attrs["start"], r.attrs["stop"]) for r in readers]
        elif stop != node.type.shape or any(start):
            whole = _pushed(node, readers[0], start, stop)
            parts = [_within(r, whole, start) for r in readers]
        else:
            continue
        mapping.update(zip(readers, parts, strict=True))  # type: ignore[arg-type]  # slices are tensors
        break
    return mapping


def _window(slices: Sequence[Node]) -> tuple[Bounds, Bounds]:
    """The smallest slice, as start and stop, that contains all ``slices``."""
    start = tuple(map(min, zip(*[r.attrs["start"] for r in slices], strict=True)))
    stop = tuple(map(max, zip(*[r.attrs["stop"] for r in slices], strict=True)))
    return start, stop


def _within(part: Node, whole: Tensor, start: Bounds) -> Tensor:
    """The slice ``part`` of a node as a slice of ``whole``, which is the node from ``start`` on."""
    low = tuple(n - first for n, first in zip(part.attrs["start"], start, strict=True))
    high = tuple(n - first for n, first in zip(part.attrs["stop"], start, strict=True))
    return _sliced(part, whole, low, high)


def _pushed(node: Node, place: Node, start: Bounds, stop: Bounds) -> Tensor:
    """The slice of a sum or a product as a sum of slices, or as a product of slices."""
    if node.op == "add":
        return make_like(node, "add", *[_sliced(place, x, start, stop) for x in node.inputs])
    left, right, out = letters_of(node)
    window = dict(zip(out, zip(start, stop, strict=True), strict=True))
    sides = []
    for x, letters in zip(node.inputs, (left, right), strict=True):
        for axis, letter in enumerate(letters):
            if letter in window:
                x = slice_along(place, x, axis, *window[letter])
        sides.append(x)
    return contract(node, sides[0], sides[1], left, right, out)


def _sliced(place: Node, x: Tensor, start: Bounds, stop: Bounds) -> Tensor:
    for axis, (low, high) in enumerate(zip(start, stop, strict=True)):
        x = slice_along(place, x, axis, low, high)
    return x
