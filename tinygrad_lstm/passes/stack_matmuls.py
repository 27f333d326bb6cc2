"""stack_matmuls: products that share an operand, and sums of products, become one product.

Four gates over one ``[h, x]`` are one product with the four weights side by side. Only products of one class are
joined, so that what another pass split stays split, and only where copying costs no more than it saves.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.tensor import Node, Tensor, make_like, rebuilt
from tinygrad_lstm.passes.classes import FIXED, Classes
from tinygrad_lstm.passes.contraction import contract, letters_of
from tinygrad_lstm.passes.rewriting import LoopParts, each_loop, joined, joins_freely, slice_along

__all__ = ["stack_matmuls"]

Class = Callable[[Node], tuple[int, bool]]
Test = Callable[[Node], bool]

_FEW = 2000
"""Groups of products of different depths are searched, pair by pair, only among at most this many products."""


def stack_matmuls(outputs: Iterable[Tensor], inside: bool = True) -> list[Tensor]:
    """``h @ W₁`` and ``h @ W₂`` become slices of ``h @ [W₁, W₂]``; ``a @ U + b @ V`` becomes ``[a, b] @ [U; V]``.

    Args:
        inside: whether in the bodies of loops too, or at the top level alone.

    >>> from tinygrad_lstm.passes.contraction import contractions
    >>> h, u, v = tl.symbol("h", (8, 3)), tl.symbol("u", (3, 4)), tl.symbol("v", (3, 4))
    >>> print(tl.printed(*stack_matmuls(contractions([h @ u, h @ v]))).count("contract"))
    1
    """
    outputs = each_loop(outputs, _in_body) if inside else list(outputs)
    return _stacked(outputs, lambda node: (0, False), lambda node: False)


def _in_body(loop: LoopParts) -> dict[int, Tensor] | None:
    changed = False
    while True:
        classes = Classes(loop)
        after = _round(loop.results, classes.of, lambda node, c=classes: c.dep[node] == FIXED, free=True)  # type: ignore[misc]
        if after is None:
            break
        loop.replace_results(after)
        changed = True
    if not changed:
        return None
    items = loop.items()
    return {k: items[k] for k in loop.used}


def _stacked(outputs: list[Tensor], class_of: Class, is_fixed: Test) -> list[Tensor]:
    while (after := _round(outputs, class_of, is_fixed)) is not None:
        outputs = after
    return outputs


@dataclass(frozen=True, slots=True)
class _Member:
    """A product in a group: the side of the shared operand, and the letter along which the others are joined."""

    node: Any
    side: int
    letter: str

    @property
    def own(self) -> Tensor:
        return self.node.inputs[1 - self.side]  # type: ignore[no-any-return]  # inputs are tensors


def _round(outputs: list[Tensor], class_of: Class, is_fixed: Test, free: bool = False) -> list[Tensor] | None:
    """``outputs`` with groups of products joined, None if there are none; with ``free``, only if nothing is copied."""
    order = topological(outputs)
    place = {node: k for k, node in enumerate(order)}
    products = [node for node in order if node.op == "contract"]
    if len(products) < 2:
        return None
    # Products of one depth do not depend on each other, so all their groups can be joined at once.
    depth = _depths(order)
    joins = _groups(products, class_of, is_fixed, free, depth.__getitem__, lambda group: group)
    if not joins:
        sums = _sums(order, outputs, class_of, is_fixed)
        if sums:
            return _with_sums(outputs, order, sums, lambda t: _sum_rank(t, place, is_fixed))
        if len(products) <= _FEW:
            before = _ancestors(order, products)
            joins = _groups(products, class_of, is_fixed, free, lambda node: 0, lambda g: _independent(g, before))[:1]
    if not joins:
        return None
    for group in joins:
        group.sort(key=lambda m: _rank(m.own, place, is_fixed) if free else place[m.node])
    return _with_groups(outputs, joins)


def _depths(order: Sequence[Node]) -> dict[Node, int]:
    """For each node the length of the longest chain of products that ends in it."""
    depths: dict[Node, int] = {}
    for node in order:
        depths[node] = max([depths[x] for x in node.inputs], default=0) + (node.op == "contract")
    return depths


def _groups(
    products: Sequence[Node],
    class_of: Class,
    is_fixed: Test,
    free: bool,
    apart: Callable[[Node], int],
    chosen: "Callable[[list[_Member]], list[_Member]]",
) -> "list[list[_Member]]":
    """Groups of products that share an operand and that it pays to join; each product is in at most one of them."""
    alike: dict[Any, list[_Member]] = {}
    for node in products:
        for side in (0, 1):
            for key, letter in _keys(node, side):
                classes = (class_of(node), class_of(node.inputs[1 - side])[0])
                alike.setdefault((*key, classes, apart(node)), []).append(_Member(node, side, letter))
    taken: set[Node] = set()
    groups = []
    for group in alike.values():
        own = list({m.node: m for m in group if m.node not in taken}.values())
        members = chosen(own) if len(own) > 1 else own
        if len(members) > 1 and _pays(members, is_fixed, free):
            groups.append(members)
            taken.update(m.node for m in members)
    return groups


def _with_groups(outputs: list[Tensor], groups: "list[list[_Member]]") -> list[Tensor]:
    """``outputs`` with one product for each group, computed once the operands of all its members are."""
    group_of = {m.node: group for group in groups for m in group}
    new: dict[Node, Any] = {}
    stack: list[Any] = list(outputs)[::-1]
    while stack:
        node = stack[-1]
        if node in new:
            stack.pop()
            continue
        group = group_of.get(node)
        needed: Sequence[Node] = node.inputs if group is None else [x for m in group for x in m.node.inputs]
        missing: list[Any] = [x for x in needed if x not in new]
        if missing:
            stack.extend(missing)
        elif group is None:
            new[node] = rebuilt(node, new)
        else:
            new.update(_side_by_side(group, new))
    return [new[y] for y in outputs]


def _rank(x: Node, place: dict[Node, int], is_fixed: Test) -> int:
    """A key to order the arrays that are joined, the same everywhere, so that one joined array serves several products.

    Weights keep the order of the graph and computed values are reversed. A gradient computes its values last to first,
    so that the weights are joined in the order of the forward pass in both directions.
    """
    return place[x] if is_fixed(x) else -place[x]


def _ancestors(order: Sequence[Node], products: Sequence[Node]) -> dict[Node, int]:
    """For each node, the products that it depends on, itself included, as bits of a number."""
    bit = {node: 1 << k for k, node in enumerate(products)}
    masks: dict[Node, int] = {}
    for node in order:
        mask = bit.get(node, 0)
        for x in node.inputs:
            mask |= masks[x]
        masks[node] = mask
    return masks


def _keys(node: Any, side: int) -> list[tuple[Any, str]]:
    """Keys that are equal for products that can be joined, each with the letter along which they are joined."""
    letters = letters_of(node)
    shared, own, out = letters[side], letters[1 - side], letters[2]
    free = [c for c in out if c not in shared]
    sizes = dict(zip(own, node.inputs[1 - side].shape, strict=True))
    names = {c: str(shared.index(c)) for c in shared} | {c: f"f{k}" for k, c in enumerate(free)}
    form = (tuple(names[c] for c in own), tuple(names[c] for c in out))
    return [
        ((node.inputs[side], form, names[c], tuple(sizes[f] for f in free if f != c)), c) for c in free[:1]
    ]  # fmt: skip


def _independent(group: list[_Member], before: dict[Node, int]) -> list[_Member]:
    """Members of a group that do not depend on each other, each product once."""
    chosen: list[_Member] = []
    for member in group:
        if any(member.node is m.node for m in chosen):
            continue
        own = before[member.own]
        mask = before[member.node]
        if all(not (own & _bit(m, before)) and not (before[m.own] & _bit(member, before)) for m in chosen) and mask:
            chosen.append(member)
    return chosen


def _bit(member: _Member, before: dict[Node, int]) -> int:
    """The product's own bit: the one that none of its inputs has."""
    mask = before[member.node]
    for x in member.node.inputs:
        mask &= ~before[x]
    return mask


def _copies(x: Node, is_fixed: Test) -> int:
    """The bytes that joining ``x`` with others copies at each step; 0 for what is joined once, outside the loop."""
    return 0 if is_fixed(x) or joins_freely(x) else _bytes(x)


def _bytes(x: Any) -> int:
    return int(prod(x.shape) * x.dtype.itemsize)


def _pays(group: list[_Member], is_fixed: Test, free: bool) -> bool:
    saved = 0 if free else (len(group) - 1) * _bytes(group[0].node.inputs[group[0].side])
    return sum(_copies(m.own, is_fixed) for m in group) <= saved


def _side_by_side(group: list[_Member], new: dict[Node, Any]) -> dict[Node, Tensor]:
    """The members of a group as slices of one product, over operands that are rebuilt already."""
    first = group[0]
    letters = letters_of(first.node)
    axis = letters[1 - first.side].index(first.letter)
    own = joined(first.node, [new[m.own] for m in group], axis)
    shared = new[first.node.inputs[first.side]]
    # The letters of the first product fit all: the others differ only in the size of one letter.
    a, b = (shared, own) if first.side == 0 else (own, shared)
    product = contract(first.node, a, b, *letters)
    along = letters[2].index(first.letter)
    mapping: dict[Node, Tensor] = {}
    start = 0
    for member in group:
        stop = start + member.own.shape[axis]
        mapping[member.node] = slice_along(member.node, product, along, start, stop)
        start = stop
    return mapping


@dataclass(frozen=True, slots=True)
class _Sum:
    """A sum: all its terms, and those of them, products, that become one product along a summed letter."""

    leaves: list[Any]
    terms: list[Any]
    letter: str


def _sums(order: Sequence[Node], outputs: list[Tensor], class_of: Class, is_fixed: Test) -> dict[Node, _Sum]:
    """The sums in which products can be joined, by their last addition; no sum is part of another."""
    readers = Counter(x for node in order for x in node.inputs)
    readers.update(outputs)
    inner: set[Node] = set()
    sums: dict[Node, _Sum] = {}
    for node in reversed(order):
        if node.op != "add" or node in inner:
            continue
        leaves = _leaves(node, readers, inner)
        groups: dict[Any, list[Any]] = {}
        for leaf in leaves:
            if leaf.op == "contract" and readers[leaf] == 1:
                for key in _sum_keys(leaf):
                    classes = (class_of(leaf), *[class_of(x)[0] for x in leaf.inputs])
                    groups.setdefault((*key, classes), []).append(leaf)
        for (_, _, letter, *_), terms in groups.items():
            if len(terms) > 1 and _sum_pays(terms, is_fixed):
                sums[node] = _Sum(leaves, terms, letter)
                break
    return sums


def _with_sums(
    outputs: list[Tensor], order: Sequence[Node], sums: dict[Node, _Sum], rank: Callable[[Any], int]
) -> list[Tensor]:
    new: dict[Node, Any] = {}
    for node in order:
        if node in sums:
            new[node] = _end_to_end(node, sums[node], new, rank)
            continue
        new[node] = rebuilt(node, new)
    return [new[y] for y in outputs]


def _leaves(root: Node, readers: Mapping[Any, int], inner: set[Node]) -> list[Any]:
    """The terms of a sum: the operands of a tree of additions that nothing else reads. It adds these to ``inner``."""
    leaves: list[Any] = []
    pending: list[Any] = [root]
    while pending:
        node = pending.pop()
        same = node.op == "add" and node.type == root.type and all(x.type == root.type for x in node.inputs)
        if same and (node is root or readers[node] == 1):
            if node is not root:
                inner.add(node)
            pending.extend(reversed(node.inputs))
        else:
            leaves.append(node)
    return leaves


def _sum_keys(node: Any) -> list[Any]:
    """Keys that are equal for products whose sum is one product along a summed letter; that letter is third in them."""
    left, right, out = letters_of(node)
    summed = [c for c in left if c not in out]
    sizes = dict(zip(left, node.inputs[0].shape, strict=True)) | dict(zip(right, node.inputs[1].shape, strict=True))
    names = {c: f"o{k}" for k, c in enumerate(out)} | {c: f"s{k}" for k, c in enumerate(summed)}
    form = (tuple(names[c] for c in left), tuple(names[c] for c in right))
    return [(*form, c, tuple(sizes[s] for s in summed if s != c)) for c in summed[:1]]


def _sum_pays(terms: list[Any], is_fixed: Test) -> bool:
    copied = sum(_copies(x, is_fixed) for t in terms for x in t.inputs)
    return copied <= 2 * (len(terms) - 1) * _bytes(terms[0])


def _sum_rank(term: Any, place: dict[Node, int], is_fixed: Test) -> int:
    varying = [x for x in term.inputs if not is_fixed(x)]
    return min(_rank(x, place, is_fixed) for x in varying or term.inputs)


def _end_to_end(node: Node, total: _Sum, new: dict[Node, Any], rank: Callable[[Any], int]) -> Tensor:
    ordered = sorted(total.terms, key=rank)
    letters = letters_of(ordered[0])
    sides = [
        joined(node, [new[t.inputs[k]] for t in ordered], letters[k].index(total.letter)) for k in (0, 1)
    ]  # fmt: skip
    result = contract(ordered[0], sides[0], sides[1], *letters)
    chosen = set(total.terms)
    for leaf in total.leaves:
        if leaf not in chosen:
            result = make_like(node, "add", result, new[leaf])
    return result
