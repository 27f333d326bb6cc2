"""A graph as JSON and as Mermaid."""

import json
import re

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import draw, nn
from tinygrad_lstm.draw.graphs.exports import as_data
from tinygrad_lstm.draw.graphs.measures import measure
from tinygrad_lstm.draw.graphs.sources import sources
from tinygrad_lstm.errors import UsageError

HOSTILE = ['"<script>alert(1)</script>', 'a"];', "]]>", "x\ny", "#quot;", "end", "\x00\udc80", "`a`", "1. a", "\u2028"]


def lstm():
    model, x = nn.LSTM(3, 4, key=tl.random.key(0)), tl.symbol("x", (5, 1, 3))
    loss = (model(x)[0] ** 2).sum()
    return x, loss, tl.gradients(loss, x)


def parts(data):
    """The top level and all bodies."""
    pending = [data]
    while pending:
        part = pending.pop()
        yield part
        pending += [node["loop"]["body"] for node in part["nodes"] if node["kind"] == "loop"]


def test_nodes_and_edges_are_those_of_the_graph():
    data = json.loads(draw.graph((tl.sigmoid(tl.symbol("x", (2,))) * 2).named("y")).json())
    assert data["schema"] == "tinygrad_lstm.graph/1"
    assert [(n["id"], n["op"], n["kind"]) for n in data["nodes"]] == [
        ("%0", "symbol", "input"),
        ("%1", "sigmoid", "op"),
        ("%2", "constant", "constant"),
        ("%3", "multiply", "op"),
        ("%4", "named", "named"),
    ]
    assert data["edges"] == [
        {"source": "%0", "target": "%1", "slot": 0},
        {"source": "%1", "target": "%3", "slot": 0},
        {"source": "%2", "target": "%3", "slot": 1},
        {"source": "%3", "target": "%4", "slot": 0},
    ]
    product = data["nodes"][3]
    assert (product["label"], product["shape"], product["dtype"], product["device"]) == ("×", [2], "float32", "cpu")
    assert product["expression"] == "2·σ(x)"
    assert product["line"].startswith("test_exports.py:")
    assert data["outputs"] == [{"node": "%4", "name": "y"}]


def test_every_reference_is_to_a_node_and_loops_hold_their_bodies():
    _, loss, slope = lstm()
    data = as_data(sources([loss, slope]))
    ids = {node["id"] for part in parts(data) for node in part["nodes"]}
    loops = [node for part in parts(data) for node in part["nodes"] if node["kind"] == "loop"]
    assert [(node["loop"]["length"], node["loop"]["reverse"]) for node in loops] == [(5, False), (5, True)]
    for part in parts(data):
        mine = {node["id"] for node in part["nodes"]}
        assert {edge[end] for edge in part["edges"] for end in ("source", "target")} <= mine
        assert set(part["inputs"]) <= mine
        for node in part["nodes"]:
            assert node["origin"] is None or node["origin"] in ids
            assert node["gradient"] or node["origin"] is None
            if node["op"] == "stacked":
                assert node["slot"] in ids
    forward, backward = loops
    assert all(node["id"].startswith(forward["id"] + ".") for node in forward["loop"]["body"]["nodes"])
    tied = [node["origin"] for node in backward["loop"]["body"]["nodes"] if node["origin"] is not None]
    assert any(origin.startswith(forward["id"] + ".") for origin in tied)


def test_kinds_scopes_and_roles():
    cell = nn.LSTMCell(3, 4, key=tl.random.key(0))
    data = as_data(sources(cell, (tl.ones((1, 3)), cell.zeros(1))))
    by_name = {node["name"]: node for node in data["nodes"] if node["name"]}
    assert by_name["forget.weight"]["kind"] == "parameter"
    assert by_name["x"]["kind"] == "input"
    assert by_name["f_t"]["scope"] == ["LSTMCell", "forget gate"]
    assert by_name["f_t"]["roles"] == ["cell", "gate"]
    assert by_name["f_t"]["role"] == "gate"
    state = as_data(sources(tl.State(1.0, name="rate") * tl.tensor([1.0, 2.0])))
    assert [node["kind"] for node in state["nodes"]] == ["state", "data", "op"]


def test_values_and_gradients_are_those_of_the_interpreter():
    x, loss, slope = lstm()
    given = {x: np.linspace(-1, 1, 15).reshape(x.shape)}
    data = as_data(sources([loss, slope]), measures=measure([loss, slope], given))
    nodes = {node["id"]: node for part in parts(data) for node in part["nodes"]}
    result = nodes[data["outputs"][0]["node"]]
    assert result["measured"]["data"] == pytest.approx(loss.evaluate(given).item())
    by_op = {node["op"]: node for node in nodes.values() if node["op"] == "symbol" and node["name"] == "x"}
    assert by_op
    entering = next(n for n in data["nodes"] if n["name"] == "x")
    np.testing.assert_allclose(
        entering["measured_gradient"]["data"], slope.evaluate(given).numpy(), rtol=1e-4, atol=1e-7
    )
    gates = [n for n in nodes.values() if n["name"] == "f_t" and not n["gradient"] and "measured" in n]
    assert gates[0]["measured"]["shape"] == [5, 1, 4]


def test_large_arrays_are_summed_up_and_what_is_not_finite_is_text():
    drawing = draw.graph(tl.log(tl.tensor(np.arange(-1, 999, dtype=np.float32))), values="numbers")
    data = json.loads(drawing.json())
    (node,) = [n for n in data["nodes"] if n["op"] == "log"]
    assert node["measured"]["data"] is None
    assert node["measured"]["finite"] is False
    assert node["measured"]["max"] == "nan"
    small = json.loads(draw.graph(tl.log(tl.tensor([0.0, 1.0])), values="numbers").json())
    assert small["nodes"][-1]["measured"]["data"] == ["-inf", 0.0]


def test_the_json_of_an_unrolled_picture_has_no_loops():
    _, loss, slope = lstm()
    data = json.loads(draw.graph([loss, slope], loops="unrolled").json())
    assert len(list(parts(data))) == 1
    assert {f"step {t}" for t in range(5)} <= {name for node in data["nodes"] for name in node["scope"]}


def test_the_same_graph_gives_the_same_bytes():
    def build():
        _, loss, slope = lstm()
        drawing = draw.graph([loss, slope])
        return drawing.json(), drawing.mermaid()

    assert build() == build()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_in_json_come_out_as_that_text(name):
    with tl.scope(name):
        y = tl.sin(tl.symbol(name)).named(name)
    text = draw.graph(y, title=name).json()
    assert "<" not in text
    assert "\u2028" not in text
    text.encode("utf-8")
    data = json.loads(text)
    assert data["title"] == name
    assert data["nodes"][0]["name"] == name
    assert data["nodes"][1]["scope"] == [name]


def test_attributes_that_are_objects_have_no_addresses():
    double = tl.define_op("double_for_export", lambda x, *, how: x, kernel=lambda xp, x, *, how: 2 * x)
    data = as_data(sources(double(tl.ones(2), how=len)))
    assert data["nodes"][-1]["attributes"] == {"how": "len"}


def test_mermaid_has_the_vertices_and_edges_of_the_picture():
    drawing = draw.graph(tl.sigmoid(tl.symbol("x")) * 2)
    lines = drawing.mermaid().splitlines()
    assert lines[0] == "flowchart LR"
    assert sum(" --> " in line or "-->|" in line for line in lines) == 4
    assert '  n1(["σ"])' in lines
    assert "  class n0 symbol" in lines


def test_mermaid_subgraphs_are_the_clusters_and_each_is_closed():
    _, loss, slope = lstm()
    text = draw.graph([loss, slope]).mermaid()
    assert text.count("subgraph") == text.splitlines().count("  end")
    assert '["forget gate"]' in text
    assert "-.->" in text
    assert "classDef gradient" in text


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_in_mermaid_end_no_label(name):
    with tl.scope(name):
        y = tl.sin(tl.symbol(name)).named(name)
    text = draw.graph(y).mermaid()
    text.encode("utf-8")
    for label in re.findall(r'"([^"]*)"', text):
        assert re.fullmatch(r"(?:<br/>|#\d+;|[^\W_]|[ ,]|[^\x00-\x7f])*", label), label


def test_files_of_both_forms(tmp_path):
    drawing = draw.graph(tl.symbol("ß") * 2)
    assert json.loads(drawing.save(tmp_path / "x.json").read_text(encoding="utf-8"))["nodes"][0]["name"] == "ß"
    assert drawing.save(tmp_path / "x.mmd").read_text(encoding="utf-8") == drawing.mermaid()


@pytest.mark.parametrize("form", ["json", "mermaid"])
def test_a_picture_of_something_else_has_neither(form):
    cell = draw.cell(nn.LSTMCell(3, 4, key=tl.random.key(0)))
    with pytest.raises(UsageError, match=r"another picture; use draw\.graph"):
        getattr(cell, form)()
