"""A graph as plain data, for other tools: nodes, edges, and loops with their bodies inside."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final

import numpy as np

from tinygrad_lstm.draw.graphs.measures import Measures
from tinygrad_lstm.draw.graphs.numbering import Numbering, number_nodes
from tinygrad_lstm.draw.graphs.sources import Sources
from tinygrad_lstm.draw.graphs.unrolling import Path
from tinygrad_lstm.draw.graphs.vertices import place_of
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node, name_of

__all__ = ["SCHEMA", "as_data", "as_json", "kind_of", "summary"]

SCHEMA: Final = "tinygrad_lstm.graph/1"
MOST_ELEMENTS: Final = 256
"""Arrays of more elements are exported as their statistics alone."""

_ESCAPED: Final = re.compile("[<\ud800-\udfff\u2028\u2029]")
"""Lone surrogates have no bytes in UTF-8; without the others the text can stand in a ``<script>``."""
_SAID_ELSEWHERE: Final = frozenset(("body", "device", "dtype", "label", "name", "owner", "value"))


def as_data(graph: Sources, title: str = "", measures: Measures | None = None) -> dict[str, Any]:
    """The graph as dicts, lists, numbers and text, which JSON can hold.

    Nodes stand in an order in which they can be computed, and bear the numbers of the printed form. The same graph
    gives the same data.

    Args:
        title: of the whole.
        measures: values and gradients to put on the nodes.

    Returns:
        A dict of

        - ``schema``: ``"tinygrad_lstm.graph/1"``; ``title``;
        - ``inputs``: ids of the symbols that belong to the graph in any case;
        - ``outputs``: for each result ``node`` (an id) and ``name``;
        - ``nodes``: for each node

          - ``id``: ``"%7"``, and in the body of the loop ``%7`` ``"%7.3"``;
          - ``op``: a key of the table of primitives; ``label``: what a picture writes on it;
          - ``kind``: ``input`` (a symbol), ``parameter``, ``state``, ``constant``, ``data`` (an array without a name),
            ``op``, ``named``, ``projection`` (one result of a loop), or ``loop``;
          - ``name``: what the user called it, or null;
          - ``shape``, ``dtype`` (such as ``float32``), ``device``; null for a loop, which has ``types`` instead, the
            printed types of its results;
          - ``attributes``: what else determines the op, such as an axis; ``number`` for a constant;
          - ``scope``: the names of its scopes, the outermost first; ``roles``: of the same, null for none; ``role``: of
            the innermost scope that has one, or null;
          - ``line``: ``"file.py:12"`` in the user's code, or null;
          - ``expression``: the mathematics in one line, long operands by their ids;
          - ``gradient``: whether it helps to compute a gradient; ``origin``: the id of the forward node it belongs to;
          - ``loop``, on loops alone: ``length``, ``reverse``, ``carries`` and ``xs`` (how many of the operands are
            carries, and how many are stepped through), and ``body``: ``inputs`` (ids, in the order of the operands),
            ``outputs`` (ids: the new carries, then what is stacked), ``nodes``, ``edges``. A loop of the op ``call`` is
            evaluated once; it has ``body`` alone;
          - ``slot``, on projections alone: the number of the result, or the id of the body's value that is stacked;
          - ``measured`` and ``measured_gradient``, where ``measures`` has them: ``shape`` (in a body with the steps of
            the loops round it in front), ``min``, ``max``, ``mean``, ``rms``, ``finite``, and ``data`` (nested lists),
            which is null above 256 elements. Numbers that are not finite are texts: ``"nan"``, ``"inf"``, ``"-inf"``;

        - ``edges``: ``source``, ``target``, ``slot`` (which operand of the target).

    >>> from tinygrad_lstm.draw.graphs.sources import sources
    >>> data = as_data(sources(tl.tanh(tl.symbol("x", (2,)))))
    >>> [(node["id"], node["op"], node["expression"]) for node in data["nodes"]]
    [('%0', 'symbol', 'x'), ('%1', 'tanh', 'tanh(x)')]
    >>> data["edges"], data["outputs"]
    ([{'source': '%0', 'target': '%1', 'slot': 0}], [{'node': '%1', 'name': 'result'}])
    """
    numbers = number_nodes(graph.inputs, graph.outputs)
    work = _Export(numbers, measures or Measures())
    # The bodies come after what they stand in.
    parts = {path: work.part(path) for path in numbers.parts}
    for path in numbers.parts:
        if path:
            work.data[path[:-1], path[-1]]["loop"] = work.loop(path, *parts[path])
    nodes, edges = parts[()]
    return {
        "schema": SCHEMA,
        "title": title,
        "inputs": [numbers.ids[(), x] for x in graph.inputs],
        "outputs": [{"node": numbers.ids[(), y], "name": n} for y, n in zip(graph.outputs, graph.names, strict=True)],
        "nodes": nodes,
        "edges": edges,
    }


def as_json(graph: Sources, title: str = "", measures: Measures | None = None) -> str:
    """:func:`as_data` as JSON of several lines; names keep their letters, except those that end a ``<script>``.

    >>> from tinygrad_lstm.draw.graphs.sources import sources
    >>> as_json(sources(tl.symbol("</script>")))[:48]
    '{\\n "schema": "tinygrad_lstm.graph/1",\\n "title": '
    """
    text = json.dumps(as_data(graph, title, measures), ensure_ascii=False, indent=1, allow_nan=False)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n"


class _Export:
    def __init__(self, numbers: Numbering, measures: Measures) -> None:
        self.numbers = numbers
        self.measures = measures
        self.data: dict[tuple[Path, Node], dict[str, Any]] = {}

    def part(self, path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Nodes and edges of the top level, or of a body."""
        order, ids = self.numbers.parts[path], self.numbers.ids
        texts = self.numbers.texts(path)
        nodes = [self.node(node, path, texts[node]) for node in order]
        edges = [
            {"source": ids[path, x], "target": ids[path, node], "slot": slot}
            for node in order
            for slot, x in enumerate(node.inputs)
        ]
        return nodes, edges

    def node(self, node: Any, path: Path, text: str) -> dict[str, Any]:
        scopes = node.scope.path if node.scope is not None else ()
        roles = [s.role for s in scopes]
        plural = isinstance(node.type, tuple)
        data: dict[str, Any] = {
            "id": self.numbers.ids[path, node],
            "op": node.op,
            "label": OPS[node.op].label,
            "kind": kind_of(node),
            "name": name_of(node),
            "shape": None if plural else list(node.type.shape),
            "dtype": None if plural else node.type.dtype.name,
            "device": None if plural else node.type.device,
            "attributes": _attributes(node),
            "scope": [s.name for s in scopes],
            "roles": roles,
            "role": next((r for r in reversed(roles) if r is not None), None),
            "line": f"{PurePath(place[0]).name}:{place[1]}" if (place := place_of(node)) is not None else None,
            "expression": text,
            "gradient": node.origin is not None,
            "origin": self.numbers.origin_id(path, node),
        }
        if plural:
            data["types"] = [str(t) for t in node.type]
        if node.op == "item":
            data["slot"] = node.attrs["index"]
        elif node.op == "stacked":
            data["slot"] = self.numbers.id_of((*path, node.inputs[0]), node.attrs["value"])
        if (path, node) in self.measures.values:
            data["measured"] = summary(self.measures.values[path, node])
        if (path, node) in self.measures.gradients:
            data["measured_gradient"] = summary(self.measures.gradients[path, node])
        self.data[path, node] = data
        return data

    def loop(self, path: Path, nodes: list[dict[str, Any]], edges: list[dict[str, Any]]) -> dict[str, Any]:
        """What is special to the last loop of ``path``."""
        loop, ids = path[-1], self.numbers.ids
        body: Graph = loop.attrs["body"]
        steps = ("length", "reverse", "carries", "xs")
        described: dict[str, Any] = {k: loop.attrs[k] for k in steps} if loop.op == "scan" else {}
        inside = {"inputs": [ids[path, x] for x in body.inputs], "outputs": [ids[path, y] for y in body.outputs]}
        return {**described, "body": {**inside, "nodes": nodes, "edges": edges}}


def kind_of(node: Node) -> str:
    """What a node is to a reader: see :func:`as_data`."""
    if node.op == "leaf":
        label = node.attrs.get("label")
        return label.kind if label is not None else "data"
    kinds = {"symbol": "input", "constant": "constant", "arange": "constant", "named": "named"}
    by_kind = {"loop": "loop", "projection": "projection"}
    return kinds.get(node.op) or by_kind.get(OPS[node.op].kind, "op")


def _attributes(node: Node) -> dict[str, Any]:
    if node.op == "constant":
        return {"number": _number(node.attrs["value"])}
    skipped = (
        {*_SAID_ELSEWHERE, "carries", "xs", "index", "reverse"} if OPS[node.op].kind in _LOOPS else _SAID_ELSEWHERE
    )
    return {k: _plain(v) for k, v in node.attrs.items() if k not in skipped}


_LOOPS: Final = ("loop", "projection")


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return _number(value)
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, DType):
        return value.name
    # The text of any other object may hold its address.
    return value if isinstance(value, str) else getattr(value, "__name__", type(value).__name__)


def _number(value: Any) -> Any:
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)


def summary(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Statistics of an array, and its elements where they are few.

    >>> summary(np.array([3.0, 4.0]))["rms"]
    3.5355339059327378
    """
    wide = array.astype(np.float64)
    with np.errstate(all="ignore"):
        found: Mapping[str, Any] = {
            "min": wide.min() if wide.size else 0.0,
            "max": wide.max() if wide.size else 0.0,
            "mean": wide.mean() if wide.size else 0.0,
            "rms": np.sqrt(np.mean(wide * wide)) if wide.size else 0.0,
        }
    few = array.size <= MOST_ELEMENTS
    return {
        "shape": list(array.shape),
        **{k: _number(float(v)) for k, v in found.items()},
        "finite": bool(np.isfinite(wide).all()),
        "data": _nested(array.tolist()) if few else None,
    }


def _nested(value: Any) -> Any:
    return [_nested(v) for v in value] if isinstance(value, list) else _number(value)
