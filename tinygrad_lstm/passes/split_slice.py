"""split_slice: a product whose parts are used for different things becomes a product for each part."""

from collections.abc import Iterable
from typing import Any

from tinygrad_lstm.graph.tensor import Node, Tensor, make_like
from tinygrad_lstm.graph.walk import substitute
from tinygrad_lstm.passes.building import slice_along
from tinygrad_lstm.passes.classes import Classes
from tinygrad_lstm.passes.contraction import contract, letters_of
from tinygrad_lstm.passes.loops import Loop, each_loop

__all__ = ["split_slice"]


def split_slice(outputs: Iterable[Tensor]) -> list[Tensor]:
    """``(d @ Wᵀ)[:, :H]`` for the carry and ``(d @ Wᵀ)[:, H:]`` for a stack become ``d @ W₁ᵀ`` and ``d @ W₂ᵀ``.

    >>> import tinygrad_lstm as tl
    >>> from tinygrad_lstm.passes.contraction import contractions
    >>> from tinygrad_lstm.passes.loops import everywhere
    >>> w, x = tl.symbol("w", (4, 7)), tl.symbol("x", (9, 2, 4))
    >>> f = lambda h, x: ((tl.tanh(h + x) @ w)[:, :4], (tl.tanh(h + x) @ w)[:, 4:])
    >>> last, ys = tl.scan(f, tl.zeros((2, 4)), x)
    >>> from tinygrad_lstm.passes.cse import cse
    >>> tl.printed(*split_slice(everywhere(everywhere([last, ys], contractions), cse))).count("contract")
    2
    """
    return each_loop(outputs, _split)


def _split(loop: Loop) -> dict[int, Tensor] | None:
    changed = False
    while mapping := _one(loop):
        loop.replace_results(substitute(loop.results, mapping))
        changed = True
    if not changed:
        return None
    items = loop.items()
    return {k: items[k] for k in loop.used}


def _one(loop: Loop) -> dict[Tensor, Tensor]:
    """Replacements for the first node that there is something to split in."""
    classes = Classes(loop)
    results = set(loop.results)
    mapping: dict[Tensor, Tensor] = {}
    for node in reversed(classes.order):
        if node.op not in ("contract", "add") or node in results:
            continue
        readers = classes.readers[node]
        # What is behind the product decides: its parts go to different classes.
        if len({r in classes.feeding for r in readers}) < 2 or any(r.op != "slice" for r in readers):
            continue
        if any(n != 1 for r in readers for n in r.attrs["step"]):
            continue
        if node.op == "add" and any(x.type != node.type for x in node.inputs):
            continue
        for reader in readers:
            mapping[reader] = _pushed(node, reader)  # type: ignore[index]  # a slice is a tensor
        break
    return mapping


def _pushed(node: Node, reader: Any) -> Tensor:
    """The slice of a sum or product as a sum or product of slices."""
    start, stop = reader.attrs["start"], reader.attrs["stop"]
    if node.op == "add":
        return make_like(node, "add", *[_sliced(reader, x, start, stop) for x in node.inputs])
    left, right, out = letters_of(node)
    window = dict(zip(out, zip(start, stop, strict=True), strict=True))
    sides = []
    for x, letters in zip(node.inputs, (left, right), strict=True):
        for axis, letter in enumerate(letters):
            if letter in window:
                x = slice_along(reader, x, axis, *window[letter])
        sides.append(x)
    return contract(node, sides[0], sides[1], left, right, out)


def _sliced(place: Node, x: Tensor, start: tuple[int, ...], stop: tuple[int, ...]) -> Tensor:
    for axis, (low, high) in enumerate(zip(start, stop, strict=True)):
        x = slice_along(place, x, axis, low, high)
    return x
