"""What a page is made of. How it behaves in a browser is told by test_page_in_browser.py."""

import json
import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lstm as tl
import tinygrad_lstm_command
from tests.draw.payloads import arrays, data, item, main
from tinygrad_lstm.draw.graphs.sources import sources
from tinygrad_lstm.draw.pages.grids import shown
from tinygrad_lstm.draw.pages.layout import lay_out
from tinygrad_lstm.draw.pages.page_graph import page_graph_of
from tinygrad_lstm.draw.pages.payload import graph_data
from tinygrad_lstm.errors import DrawingError, ShapeError, UsageError
from tinygrad_lstm.graph.function import Graph

HOSTILE = "</script><img src=x onerror=alert(1)>"


def test_show_opens_the_browser(monkeypatch, tmp_path):
    opened = []
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("webbrowser.open", lambda uri: opened.append(uri) or True)
    page = tl.draw.page(lambda x: tl.sin(x), 1.0)
    path = page.show()
    assert opened == [path.as_uri()]
    assert path.read_text(encoding="utf-8") == page.html
    drawing = tl.draw.graph(tl.sin(tl.symbol("x")))
    assert drawing.show().read_text(encoding="utf-8") == drawing.svg()
    walk = tl.draw.walkthrough(tl.nn.RNNCell(3, 4, key=tl.random.key(0)))
    assert walk.show().read_text(encoding="utf-8") == walk.page().html
    figure = tl.draw.gradient_over_time(tl.nn.RNN(3, 4, key=tl.random.key(0)), tl.ones((3, 1, 3)))
    assert figure.show().read_text(encoding="utf-8") == figure.svg()
    monkeypatch.setattr("webbrowser.open", lambda uri: False)
    with pytest.raises(DrawingError, match="no browser here"):
        page.show()
    assert len(list(tmp_path.iterdir())) == 4


def test_integers_have_values_and_no_gradients():
    view = main(tl.draw.page(lambda n: n + 1, tl.tensor([1, 2])))
    assert view["note"].startswith("The results are no floats")
    assert all(n < 0 for x in view["graph"]["items"] for n in x["g"])


def test_every_wire_starts_and_ends_somewhere_and_every_place_is_inside(lstm, sequence):
    graph = main(tl.draw.page(lstm, sequence))["graph"]
    for layout in graph["layouts"].values():
        width, height = layout["size"]
        assert len(layout["sites"]) == len(graph["sites"])
        for x, y, w, h in layout["sites"]:
            assert 0 <= x - w / 2 <= x + w / 2 <= width
            assert 0 <= y - h / 2 <= y + h / 2 <= height
        for (source, target, *_), points in zip(graph["wires"], layout["wires"], strict=True):
            for site, (px, py) in ((source, points[:2]), (target, points[-2:])):
                x, y, w, h = layout["sites"][site]
                assert abs(px - x) <= w / 2 + 1.5
                assert abs(py - y) <= h / 2 + 1.5
        for (_, box), (x, y, w, h) in zip(graph["sites"], layout["sites"], strict=True):
            if box >= 0:
                left, top, wide, high = layout["boxes"][box]
                assert left <= x - w / 2
                assert x + w / 2 <= left + wide
                assert top <= y - h / 2
                assert y + h / 2 <= top + high


def test_the_program_computes_what_is_read_before_who_reads_it(lstm, sequence):
    graph = main(tl.draw.page(lstm, sequence))["graph"]

    def flat(program):
        return [k for entry in program for k in (flat(entry[1]) if isinstance(entry, list) else [entry])]

    order = flat(graph["program"])
    assert sorted(order) == list(range(len(graph["items"])))
    assert all(order.index(read) < order.index(k) for k in order for read in graph["items"][k]["reads"])
    names = [n for k in order for n in graph["items"][k]["names"]]
    assert names.index("f_t") < names.index("C_t") < names.index("o_t") < names.index("h_t"), "as the textbook has it"


def test_items_say_what_they_are(cell):
    graph = main(tl.draw.page(cell, tl.ones((1, 3)), cell.zeros(1)))["graph"]
    found = item(graph, "C_t")
    assert found["said"] == "f_t·C_{t-1} + i_t·C̃_t"
    assert (found["type"], found["scope"]) == ("f32[1,4]", "LSTMCell / cell state")
    assert re.fullmatch(r"test_page\.py, line \d+", found["line"])
    assert "tl.draw.page(cell" in found["code"]
    assert item(graph, "forget.weight")["kind"] == "parameter"


def test_a_cell_brings_the_textbooks_picture_and_says_which_nodes_each_part_is(cell):
    page = tl.draw.page(cell, tl.ones((1, 3)), cell.zeros(1))
    everything = data(page)
    graph = everything["views"][0]["graph"]
    parts = {name: [graph["items"][k] for k in items] for name, items in everything["parts"]}
    assert f"<title>{next(iter(parts))}</title>" in page.html
    layers = [items for name, items in parts.items() if name.startswith("layer")]
    assert [x[-1]["names"][0] for x in layers] == ["f_t", "i_t", "C̃_t", "o_t"]
    assert all(items for items in parts.values())


@pytest.mark.parametrize("kind", ["RNNCell", "GRUCell"])
def test_other_cells(kind):
    cell = getattr(tl.nn, kind)(3, 4, key=tl.random.key(0))
    assert data(tl.draw.page(cell, tl.ones((2, 3)), cell.zeros(2)))["parts"]


def test_a_function_has_no_textbook_picture():
    assert data(tl.draw.page(lambda x: tl.sin(x**2), 1.0))["parts"] == []


def test_tensors_with_values_for_their_symbols():
    x = tl.symbol("x")
    graph = main(tl.draw.page({"y": tl.sin(x**2)}, at={x: 1.0}))["graph"]
    (result,) = [i for i in graph["items"] if i["kind"] == "result"]
    assert result["name"] == "y"
    np.testing.assert_allclose(arrays(graph, result)[0], math.sin(1.0), rtol=1e-5)
    assert "the gradient" not in tl.draw.page(x * 2, at={x: 3}).title


def test_a_cell_on_symbols_with_values_for_them(cell):
    x = tl.symbol("x", (1, 3))
    value = tl.random.normal(tl.random.key(1), (1, 3))
    graph = main(tl.draw.page(cell, x, cell.zeros(1), at={x: value}))["graph"]
    np.testing.assert_allclose(arrays(graph, item(graph, "h_t"))[0], cell(value, cell.zeros(1))[0].numpy(), rtol=1e-5)


def test_stages_are_further_views_and_have_values_where_the_inputs_are_the_same():
    found = sources(lambda x: tl.exp(tl.log(x)), (tl.tensor(2.0),))
    graph = Graph(tuple(found.inputs), tuple(found.outputs))
    page = tl.draw.page(lambda x: x, 2.0, stages=[("traced", graph), ("unknown", tl.exp(tl.symbol("q")))])
    _, traced, unknown = data(page)["views"]
    assert (traced["title"], unknown["title"]) == ("traced", "unknown")
    np.testing.assert_allclose(arrays(traced["graph"], traced["graph"]["items"][-1])[0], 2.0, rtol=1e-5)
    assert unknown["graph"]["values"] == []
    assert "shows none" in unknown["note"]


def test_a_compiled_function_shows_its_own_graph_and_what_the_compiler_made_of_it(lstm, sequence):
    step = tl.jit(lambda x: lstm(x)[0])
    page = tl.draw.page(step, sequence, stages=[("optimised", step.optimized(sequence))])
    written, optimised = data(page)["views"]
    assert {i["op"] for i in written["graph"]["items"]} >= {"matmul", "concatenate", "sigmoid"}
    expected = lstm(sequence)[0].numpy()
    for view in (written, optimised):
        np.testing.assert_allclose(arrays(view["graph"], view["graph"]["items"][-1])[0], expected, rtol=1e-4)


def test_the_page_asks_for_nothing_from_outside(lstm, sequence):
    html = tl.draw.page(lstm, sequence).html
    assert "default-src 'none'" in html
    assert {u for u in re.findall(r"https?://[^\s\"'<>)]*", html) if not u.startswith("http://www.w3.org/")} == set()
    assert not re.search(r"<(?:link|img|iframe|object|base)\b|@import|\ssrc=", html)


def test_hostile_names_are_text():
    title = f"{HOSTILE}{{{{data}}}}"
    page = tl.draw.page(
        lambda x: {HOSTILE: tl.tanh(x.named('"<img onerror>').named("a\0\ud800"))}, tl.ones(2), title=title
    )
    with_scopes = tl.Parameter([1.0], name=HOSTILE)
    with tl.scope("<b>&amp;]]>"):
        other = tl.draw.page(with_scopes * 2.0, title="a")
    for html in (page.html, other.html):
        html.encode()
        assert "<img" not in html
        assert "<b>" not in html
        assert html.count("</script>") == 2
    names = [n for i in main(page)["graph"]["items"] for n in (i["name"], *i["names"])]
    assert HOSTILE in names
    assert '"<img onerror>' in names
    assert data(page)["title"] == title
    assert "&lt;/script&gt;&lt;img src=x" in page.html


def test_the_same_input_gives_the_same_bytes(tmp_path):
    program = """
import sys, tinygrad_lstm as tl
lstm = tl.nn.LSTM(3, 4, key=tl.random.key(0))
sys.stdout.buffer.write(tl.draw.page(lstm, tl.random.normal(tl.random.key(1), (5, 1, 3))).html.encode())
"""
    script = tmp_path / "script.py"
    script.write_text(program, encoding="utf-8")
    runs = [
        subprocess.run(
            [sys.executable, str(script)], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]


def test_a_large_layer_is_summarised_and_the_page_stays_small():
    lstm = tl.nn.LSTM(32, 64, key=tl.random.key(0))
    page = tl.draw.page(lstm, tl.random.normal(tl.random.key(1), (50, 16, 32)))
    assert len(page.html.encode()) < 1_000_000
    weight = item(main(page)["graph"], "cells.0.forget.weight")
    value = main(page)["graph"]["values"][weight["v"][0]]
    assert value["shape"] == [96, 64]
    assert value["blocks"]
    assert len(value["grid"]) * len(value["grid"][0]) <= 256


@given(st.lists(st.integers(0, 9), max_size=4), st.sampled_from([4, 9, 64]))
def test_any_array_becomes_a_grid_of_at_most_so_many_cells(shape, most):
    array = np.arange(math.prod(shape), dtype=np.float32).reshape(shape)
    found = shown(array, most)
    cells = [x for row in found["grid"] for x in row]
    assert found["shape"] == shape
    assert len(cells) <= max(most, array.size if array.size <= most else 0)
    if array.size <= most:
        assert cells == array.ravel().tolist()
    else:
        assert found["range"][:2] == [0.0, float(array.size - 1)]
        assert 0 <= min(cells) <= max(cells) <= array.size - 1


def test_numbers_that_are_no_numbers():
    assert shown(np.array([np.nan, np.inf, -np.inf, 1.5]), 9)["grid"] == [["nan", "∞", "−∞", 1.5]]
    assert shown(np.array([True, False]), 9)["grid"] == [[1, 0]]
    json.dumps(shown(np.full(20, np.inf), 9), allow_nan=False)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
def test_empty_arrays(shape):
    assert tl.draw.page(lambda x: x * 2.0, tl.zeros(shape)).html


def test_a_loop_of_no_steps():
    graph = main(tl.draw.page(lambda x: tl.scan(lambda c, e: (c + e, c), tl.tensor(0.0), x), tl.zeros(0)))["graph"]
    assert graph["loops"][0]["times"] == []


def test_a_layout_without_values():
    found = sources(lambda x: tl.sin(x), (tl.symbol("x"),))
    built = page_graph_of(found.inputs, found.outputs, found.names)
    assert graph_data(built, None)["values"] == []
    assert len(lay_out(built, "TB")["sites"]) == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tl.draw.page(tl.symbol("x") * 2), r"symbol 'x' \(f32\[\]\) has no value.*at=\{x: …\}"),
        (lambda: tl.draw.page(3), "draws tensors.*got int"),
        (lambda: tl.draw.page(tl.nn.LSTMCell), "LSTMCell is a class"),
        (lambda: tl.draw.page(tl.nn.LSTM(3, 4)), "no arguments came"),
        (lambda: tl.draw.page(tl.nn.LSTMCell(3, 4), 1, 2, 3, 4), r"takes \(x, state, key\)"),
        (lambda: tl.draw.page(lambda x: x, "a"), "of type str and no tensor"),
        (lambda: tl.draw.page(tl.symbol("x"), at={"x": 1.0}), "at= gives values to symbols, and 'x' is none"),
        (lambda: tl.draw.page(tl.symbol("x"), at=1.0), "at= is a dict from symbols to values, not float"),
        (
            lambda: tl.draw.page(tl.nn.RNNCell(3, 4), tl.symbol("x", (1, 3)), tl.zeros((1, 4))),
            r"symbol 'x' \(f32\[1,3\]\) has no value",
        ),
        (lambda: tl.draw.page(lambda x: x, 1.0, stages=["simplified"]), "a stage is a pair"),
        (lambda: tl.draw.page(lambda x: x, 1.0, stages=[("one", 3)]), "stage 'one'"),
    ],
)
def test_mistakes_get_a_sentence(call, message):
    with pytest.raises(UsageError, match=message):
        call()


def test_a_value_of_another_shape():
    x = tl.symbol("x")
    with pytest.raises(ShapeError, match="symbol 'x'"):
        tl.draw.page(tl.sin(x), at={x: [1.0, 2.0]})


@pytest.mark.parametrize("count", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_graph_of_many_nodes_ends_in_a_sentence(count):
    y = tl.tensor(1.0)
    for _ in range(count):
        y = tl.sin(y)
    with pytest.raises(UsageError, match=rf"{count + 2:,} nodes to show.*let draw\.graph fold it"):
        tl.draw.page(y)


def test_saving(tmp_path):
    page = tl.draw.page(lambda x: tl.sin(x), 1.0)
    assert page.save(tmp_path / "a.html").read_text(encoding="utf-8") == page.html
    assert list(tmp_path.iterdir()) == [tmp_path / "a.html"]
    assert re.fullmatch(r"<Page 'A function, step by step': \d+ kB of HTML>", repr(page))
    with pytest.raises(UsageError, match=r"end it in \.html"):
        page.save(tmp_path / "a.svg")
    with pytest.raises(DrawingError, match="there is no folder"):
        page.save(tmp_path / "none" / "a.html")
    (tmp_path / "b.html").mkdir()
    with pytest.raises(DrawingError, match=r"cannot write .*b\.html"):
        page.save(tmp_path / "b.html")


def test_jupyter_shows_it_in_a_frame():
    page = tl.draw.page(lambda x: tl.sin(x), 1.0)
    frame = page._repr_html_()
    assert frame.startswith("<iframe title=")
    assert frame.count("<") == 2


@pytest.mark.parametrize("what", ["lstm", "rnn", "gru", "loss", "gradient"])
def test_the_command_line_writes_pages(what, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert tinygrad_lstm_command.main(["draw", what, "-o", "page.html"]) == 0
    assert capsys.readouterr().out == "page.html\n"
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert html.startswith("<!DOCTYPE html>")
    assert "Gradients are those of" in html


def test_the_command_is_no_line_of_the_users(tmp_path):
    script = tmp_path / "tinygrad-lstm"
    script.write_text("import sys\nfrom tinygrad_lstm_command import main\nsys.exit(main())\n", encoding="utf-8")
    subprocess.run([sys.executable, str(script), "draw", "lstm", "-o", "a.html"], cwd=tmp_path, check=True)
    html = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "sys.exit" not in html
    assert "line 3" not in html


def test_a_stage_marks_what_is_new_in_it_and_says_what_is_gone():
    x = tl.symbol("x")
    stages = [
        ("squared", tl.sin(x) ** 2 + 1),
        ("folded", tl.sin(x) ** 2 + 2),
        ("again", tl.sin(x) ** 2 + 2),
    ]
    page = tl.draw.page(tl.sin(x) * tl.sin(x) + 1, at={x: 0.5}, stages=stages)
    first, squared, folded, again = data(page)["views"]
    assert not any("fresh" in i for i in first["graph"]["items"])
    fresh = [i["word"] for i in squared["graph"]["items"] if i.get("fresh")]
    assert fresh == ["x²", "+"]
    assert "since “The graph” 2 new, outlined, and 3 gone (sin, ×, +)" in squared["about"]
    assert [i["word"] for i in folded["graph"]["items"] if i.get("fresh")] == ["+"]
    assert again["about"].endswith("the same as “folded”")


def test_passes_that_change_nothing_mark_nothing(lstm, sequence):
    step = tl.jit(lambda x: lstm(x)[0])
    optimised = step.optimized(sequence)
    views = data(tl.draw.page(step, sequence, stages=[("one", optimised), ("two", optimised)]))["views"]
    assert any(i.get("fresh") for i in views[1]["graph"]["items"])
    assert not any(i.get("fresh") for i in views[2]["graph"]["items"])
