"""contractions: products of matrices become sums over letters, ``contract``, which absorb the transposes around them.

``matmul`` of ``(b, k)`` and ``(k, n)`` is ``contract[ab,bc->ac]``. A transposed operand is the same operand with its
letters in another order. Batching over time, or summing over time, is one more letter.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.tensor import Node, Tensor, make_like, rebuilt
from tinygrad_lstm.ops.linalg import LETTERS, renamed

__all__ = ["contract", "contractions", "letters_of"]


def contract(place: Node, a: Tensor, b: Tensor, left: str, right: str, out: str) -> Tensor:
    """``Σ a·b`` over the letters that ``out`` lacks, with the letters renamed in the order in which they occur."""
    left, right, out = renamed(left, right, out)
    return make_like(place, "contract", a, b, left=left, right=right, out=out)


def letters_of(node: Node) -> tuple[str, str, str]:
    """The letters of the left operand, of the right operand and of the result."""
    return node.attrs["left"], node.attrs["right"], node.attrs["out"]


def contractions(outputs: Iterable[Tensor]) -> list[Tensor]:
    """``matmul → contract``; in ``contract(xᵀ, y)`` and ``contract(x, y)ᵀ`` the transpose becomes an order of letters.

    >>> x, w = tl.symbol("x", (2, 3)), tl.symbol("w", (4, 3))
    >>> print(tl.printed(*contractions([x @ tl.transpose(w)])))
    %0: f32[2,3] = symbol "x"
    %1: f32[4,3] = symbol "w"
    %2: f32[2,4] = contract %0 %1 left=ab right=cb out=ac
    return %2
    """
    outputs = list(outputs)
    order = topological(outputs)
    readers = Counter(x for node in order for x in node.inputs)
    readers.update(outputs)
    new: dict[Node, Any] = {}
    for node in order:
        candidate = rebuilt(node, new)
        if node.op == "matmul":
            candidate = _absorbed(_from_matmul(candidate))
        elif node.op == "contract":
            candidate = _absorbed(candidate)
        elif node.op == "transpose":
            candidate = _transposed(candidate, alone=readers[node.inputs[0]] == 1)
        new[node] = candidate
    return [new[y] for y in outputs]


def _from_matmul(node: Tensor) -> Tensor:
    """A ``matmul`` as a ``contract``, with a letter for each leading axis and for rows, columns and the inner axis."""
    a, b = node.inputs
    batch = len(node.shape) - 2
    names = LETTERS[:batch]
    m, k, n = list(LETTERS[batch : batch + 3])
    sides = []
    for operand, last in ((a, m + k), (b, k + n)):
        lead = operand.shape[:-2]
        own = names[batch - len(lead) :]
        # A leading axis of size 1 that broadcasts has no letter.
        kept = [i for i, size in enumerate(lead) if size == node.shape[batch - len(lead) + i]]
        if len(kept) < len(lead):
            operand = make_like(node, "reshape", operand, shape=(*[lead[i] for i in kept], *operand.shape[-2:]))
        sides.append((operand, "".join(own[i] for i in kept) + last))
    (a, left), (b, right) = sides
    # A leading axis of the result that both operands have at size 1 is not broadcast, and stays a letter of both.
    return contract(node, a, b, left, right, names + m + n)


def _absorbed(node: Tensor) -> Tensor:
    """A ``contract`` that reads its operands from before their transposes and broadcasts.

    A broadcast along a letter that is summed, or that the other operand lacks, stays.
    """
    sides: list[list[Any]] = [list(pair) for pair in zip(node.inputs, letters_of(node)[:2], strict=True)]
    out = node.attrs["out"]
    changed = False
    for k, side in enumerate(sides):
        while side[0].op in ("transpose", "broadcast_to"):
            x, letters = side
            if x.op == "transpose":
                side[0] = x.inputs[0]
                side[1] = "".join(letters[x.attrs["axes"].index(i)] for i in range(len(letters)))
            else:
                source = x.inputs[0]
                lead = len(letters) - len(source.shape)
                grown = [i for i, n in enumerate(x.shape) if i < lead or source.shape[i - lead] != n]
                other = sides[1 - k][1]
                if any(letters[i] not in out or letters[i] not in other for i in grown):
                    break
                if any(i >= lead for i in grown):
                    shape = tuple(n for i, n in enumerate(source.shape, lead) if i not in grown)
                    source = make_like(x, "reshape", source, shape=shape)
                side[0] = source
                side[1] = "".join(letter for i, letter in enumerate(letters) if i not in grown)
            changed = True
    if not changed:
        return node
    (a, left), (b, right) = sides
    return contract(node, a, b, left, right, out)


def _transposed(node: Tensor, alone: bool) -> Tensor:
    """A ``transpose`` merged with the transpose, or with the contract that has no other reader, that it reads."""
    (x,) = node.inputs
    if x.op == "transpose":
        axes = tuple(x.attrs["axes"][i] for i in node.attrs["axes"])
        if axes == tuple(range(len(axes))):
            return x.inputs[0]
        return make_like(node, "transpose", x.inputs[0], axes=axes)
    if x.op != "contract" or not alone:
        return node
    left, right, out = letters_of(x)
    a, b = x.inputs
    return contract(node, a, b, left, right, "".join(out[i] for i in node.attrs["axes"]))
