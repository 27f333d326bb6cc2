"""fold_constants: what is computed from scalar constants alone becomes a constant."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tinygrad_lstm.graph.convert import constant
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node, Tensor
from tinygrad_lstm.kernels.table import kernels
from tinygrad_lstm.passes.rewriting import rewrite

__all__ = ["fold_constants"]


def fold_constants(outputs: Iterable[Tensor], where: Callable[[Node], bool] | None = None) -> list[Tensor]:
    """``2 − 1 → 1``, in the element type of the graph and with the kernels of the interpreter.

    Args:
        where: which nodes may be replaced; all by default.

    >>> two = tl.full((), 2.0)
    >>> print(tl.printed(*fold_constants([two - 1])))
    %0: f32[] = constant 1.0
    return %0
    """
    table = kernels(np)

    def folded(node: Any) -> Node | None:
        if not node.inputs or OPS[node.op].kind != "elementwise":
            return None
        if any(x.op != "constant" for x in node.inputs):
            return None
        arrays = [np.asarray(x.attrs["value"], dtype=x.dtype.name) for x in node.inputs]
        with np.errstate(all="ignore"):
            value = table[node.op](*arrays, **node.attrs)
        return constant(np.asarray(value).item(), node.dtype, node.device)

    return rewrite(outputs, folded, where)
