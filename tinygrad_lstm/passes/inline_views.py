"""inline_views: transposes of operands move into the body of the loop, where a product of matrices absorbs them."""

from collections.abc import Iterable

from tinygrad_lstm.graph.function import substitute
from tinygrad_lstm.graph.tensor import Tensor, remake
from tinygrad_lstm.passes.rewriting import LoopParts, each_loop

__all__ = ["inline_views"]


def inline_views(outputs: Iterable[Tensor]) -> list[Tensor]:
    """A loop over ``Wᵀ`` becomes a loop over ``W`` that transposes it.

    >>> w, x, h = tl.symbol("w", (4, 4)), tl.symbol("x", (9, 2, 4)), tl.symbol("h", (2, 4))
    >>> last, _ = tl.scan(lambda h, x: (tl.tanh(h @ tl.transpose(w) + x), None), h, x)
    >>> "transpose %4.3" in tl.printed(last), "transpose %4.3" in tl.printed(*inline_views([last]))
    (False, True)
    """
    return each_loop(outputs, _inlined)


def _inlined(loop: LoopParts) -> dict[int, Tensor] | None:
    mapping: dict[Tensor, Tensor] = {}
    for symbol, given in list(zip(loop.operands, loop.operand_values, strict=True)):
        if given.op in ("transpose", "named"):
            source = loop.operand(given.inputs[0])
            mapping[symbol] = remake(given, (source,))
    if not mapping:
        return None
    loop.replace_results(substitute(loop.results, mapping))
    items = loop.items()
    return {k: items[k] for k in loop.used}
