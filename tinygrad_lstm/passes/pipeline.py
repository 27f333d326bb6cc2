"""The passes that make an expression readable, in their order. The graph is verified after each of them."""

from collections.abc import Iterable, Sequence

from tinygrad_lstm.graph.function import verify
from tinygrad_lstm.graph.tensor import Node, Tensor
from tinygrad_lstm.passes.rewriting import Pass
from tinygrad_lstm.passes.simplify import drop_names, fold_constants, simplify

__all__ = ["Pass", "run_passes", "simplified", "simplified_gradients"]


def run_passes(outputs: Iterable[Tensor], passes: Sequence[Pass]) -> list[Tensor]:
    """``outputs`` after each of the passes in turn.

    Raises:
        GraphError: when a pass leaves a graph that is not well formed.
    """
    current = list(outputs)
    for rewriting in passes:
        current = rewriting(current)
        for y in current:
            verify(y)
    return current


def simplified_gradients(outputs: Iterable[Tensor]) -> list[Tensor]:
    """``outputs`` with the nodes of gradients simplified, and the nodes that the user wrote left as they are.

    >>> x = tl.symbol("x")
    >>> print(tl.printed(*simplified_gradients([tl.gradients(1.0 * x, x)])))
    %0: f32[] = constant 1.0
    return %0
    """
    folded = fold_constants(outputs, _of_gradient)
    return simplify(folded, _of_gradient)


def _of_gradient(node: Node) -> bool:
    return node.origin is not None


def simplified(*outputs: Tensor, keep_names: bool = False) -> list[Tensor]:
    """A pass that gives the form that a reader expects: constants folded, and no factors of 1.

    Args:
        keep_names: whether named values stay visible as such.

    >>> x = tl.symbol("x")
    >>> print(tl.printed(*simplified(tl.gradients(x**2, x))))
    %0: f32[] = constant 2.0
    %1: f32[] = symbol "x"
    %2: f32[] = multiply %0 %1
    return %2
    """
    names: list[Pass] = [] if keep_names else [drop_names]
    return run_passes(outputs, [*names, fold_constants, simplify])
