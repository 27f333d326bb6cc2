"""A closed piece of graph as one op: ``call``. It computes what its body computes, in one step of an evaluation."""

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_lstm.errors import ShapeError
from tinygrad_lstm.graph.convert import as_tensor, is_scalar
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.registry import NodeType, define
from tinygrad_lstm.graph.structure import flatten, paths, unflatten
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.trace import name_body, trace

__all__ = ["call_items", "called"]


def _call(*types: Any, body: Graph) -> NodeType:
    for k, (type_, inner) in enumerate(zip(types, body.inputs, strict=True)):
        if type_ != inner.type:
            raise ShapeError(f"operand {k} is {type_} where the body takes {inner.type}")
    return tuple(y.type for y in body.outputs)


define("call", _call, label="call", kind="loop")


def call_items(body: Graph, operands: Sequence[Tensor]) -> list[Tensor]:
    """All results of ``body`` for these operands, read from one node."""
    node: Any = make("call", *operands, body=body)
    return [make("item", node, index=k) for k in range(len(body.outputs))]


def called(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``f(*args, **kwargs)`` as one node; ``f`` is called on symbols.

    Numbers are passed as they are, so that they keep giving way to the types that they meet, and serve as counts.
    Keyword arguments are passed so too.
    """
    leaves, structure = flatten(args)
    places = [k for k, v in enumerate(leaves) if not is_scalar(v)]
    arguments = [as_tensor(leaves[k]) for k in places]

    def call(symbols: list[Any]) -> Any:
        stand = dict(zip(places, symbols, strict=True))
        return f(*unflatten(structure, [stand.get(k, v) for k, v in enumerate(leaves)]), **kwargs)

    names = paths(structure, "argument")
    traced = trace(call, [x.type for x in arguments], [names[k] for k in places], name_body("call"))
    results, result_structure = flatten(traced.result)
    body, operands = traced.closed(results)
    return unflatten(result_structure, call_items(body, [*arguments, *operands]))
