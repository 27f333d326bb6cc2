"""split_concat: a product of joined arrays becomes a sum of products where the parts depend on different things."""

from collections.abc import Iterable

from tinygrad_lstm.graph.tensor import Node, Tensor, make_like
from tinygrad_lstm.passes.classes import SLICED, Classes
from tinygrad_lstm.passes.contraction import contract, letters_of
from tinygrad_lstm.passes.rewriting import LoopParts, each_loop, joined, joins_freely, slice_along, while_found

__all__ = ["split_concat"]


def split_concat(outputs: Iterable[Tensor]) -> list[Tensor]:
    """``[h, x_t] @ W → h @ W₁ + x_t @ W₂``, so that the half that needs no carry can leave the loop.

    >>> from tinygrad_lstm.passes.contraction import contractions
    >>> from tinygrad_lstm.passes.rewriting import everywhere
    >>> x, w = tl.symbol("x", (9, 2, 3)), tl.symbol("w", (7, 4))
    >>> f = lambda h, x: (tl.tanh(tl.concatenate([h, x], 1) @ w), None)
    >>> last, _ = tl.scan(f, tl.zeros((2, 4)), x)
    >>> tl.printed(*split_concat(everywhere([last], contractions))).count("contract")
    2
    """
    return each_loop(outputs, lambda loop: while_found(loop, _one))


def _one(loop: LoopParts) -> dict[Tensor, Tensor]:
    """A replacement for the first product that can be split; empty when there is none."""
    classes = Classes(loop)
    mapping: dict[Tensor, Tensor] = {}
    for node in classes.order:
        if node.op == "contract" and node not in mapping:
            result = _parts(node, classes)
            if result is not None:
                mapping[node] = result  # type: ignore[index]  # a contract is a tensor
                break
    return mapping


def _parts(node: Node, classes: Classes) -> Tensor | None:
    """A product as the sum, or the concatenation, of products of parts of an operand; None where it is not split."""
    letters = letters_of(node)
    for side in (0, 1):
        x = node.inputs[side]
        if x.op != "concatenate":
            continue
        axis = x.attrs["axis"]
        letter = letters[side][axis]
        # No carry needs this result: its parts may leave the loop and are joined there, where that pays.
        apart = (
            letter in letters[2]
            and node not in classes.feeding
            and classes.dep[x] == SLICED
            and not all(map(joins_freely, x.inputs))
        )
        if not apart and len({classes.dep[part] for part in x.inputs}) == 1:
            continue
        other, out = node.inputs[1 - side], letters[2]
        groups: list[list[Tensor]] = []
        for part in x.inputs:
            if groups and not apart and classes.dep[groups[-1][-1]] == classes.dep[part]:
                groups[-1].append(part)
            else:
                groups.append([part])
        products: list[Tensor] = []
        start = 0
        for group in groups:
            piece = joined(x, group, axis)
            size = piece.shape[axis]
            partner = other
            if letter in letters[1 - side]:
                partner = slice_along(node, other, letters[1 - side].index(letter), start, start + size)
            start += size
            pair = (piece, partner) if side == 0 else (partner, piece)
            products.append(contract(node, *pair, *letters))
        if letter in out:
            return make_like(node, "concatenate", *products, axis=out.index(letter))
        total = products[0]
        for product in products[1:]:
            total = make_like(node, "add", total, product)
        return total
    return None
