"""Gates along a sequence, gradients over time, and the figures that show them."""

import importlib
import math
import re
import struct
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import draw, nn
from tinygrad_lstm.draw.time.figures import Curves, Figure, HeatMap, decades_of
from tinygrad_lstm.draw.time.frames import frame_of_map
from tinygrad_lstm.errors import DrawingError, ShapeError, UsageError

KEY = tl.random.key(0)
SVG = "{http://www.w3.org/2000/svg}"
WORD = "hello"


@pytest.fixture(scope="module")
def lstm():
    return nn.LSTM(3, 8, key=KEY)


@pytest.fixture(scope="module")
def x():
    return tl.random.normal(tl.random.key(1), (len(WORD), 2, 3))


def words_of(svg):
    return [element.text for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_the_maps_hold_what_the_cell_computes_step_by_step(lstm, x):
    outputs, _ = lstm(x)
    figure = draw.gates(outputs, WORD, batch=1)
    assert [panel.name for panel in figure.panels] == ["f_t", "i_t", "o_t", "C_t"]
    cell, state = lstm.cells[0], lstm.cells[0].zeros(2)
    for t in range(len(WORD)):
        gates = cell.gates(x[t], state)
        state = (gates.hidden, gates.cell)
        wanted = (gates.forget, gates.input, gates.output, gates.cell)
        for panel, value in zip(figure.panels, wanted, strict=True):
            np.testing.assert_allclose(panel.values[:, t], value.numpy()[1], rtol=1e-5)


def test_a_layer_with_its_input_is_the_same_as_its_outputs(lstm, x):
    a, b = draw.gates(lstm, WORD, x=x), draw.gates(lstm(x)[0], WORD)
    assert a.svg() == b.svg()


def test_characters_stand_under_the_steps(lstm, x):
    figure = draw.gates(lstm, "a b\nc", x=x, names=["f_t"])
    said = words_of(figure.svg())
    at = said.index("a")
    assert said[at : at + 5] == ["a", "␣", "b", "⏎", "c"]
    assert words_of(draw.gates(lstm, x=x, names=["C_t"]).svg())[-8:-3] == ["0", "1", "2", "3", "4"]


def test_units_and_names_can_be_chosen(lstm, x):
    figure = draw.gates(lstm, WORD, x=x, names=["C̃_t"], units=np.array([5, 2]))
    (panel,) = figure.panels
    assert panel.units == (5, 2)
    assert panel.values.shape == (2, 5)
    whole = draw.gates(lstm, WORD, x=x, names=["C̃_t"]).panels[0]
    np.testing.assert_array_equal(panel.values, whole.values[[5, 2]])


def test_of_many_units_those_that_change_most_are_shown(x):
    figure = draw.gates(nn.LSTM(3, 100, key=KEY), WORD, x=x)
    assert {len(panel.values) for panel in figure.panels} == {32}
    assert figure.description.endswith("Shown are 32 of 100 units.")


def test_upper_and_backward_layers_are_looked_into(x):
    lstm = nn.LSTM(3, 4, num_layers=2, bidirectional=True, key=KEY)
    figures = [draw.gates(lstm, WORD, x=x, loop=k) for k in range(4)]
    assert len({figure.svg() for figure in figures}) == 4


def test_other_cells_show_all_that_has_a_name(x):
    figure = draw.gates(nn.GRU(3, 4, key=KEY), WORD, x=x)
    assert {panel.name for panel in figure.panels} == {"z_t", "r_t", "h̃_t", "h_t"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"words": "four"}, "there are 5 steps, so words is a text or list of 5, not 4"),
        ({"words": [1, 2, 3, 4, 5]}, "words is a text or list of 5 strings, and 1 is none"),
        ({"words": 5}, "there are 5 steps, so words is a text or list of 5, not 5"),
        ({"names": ["q_t"]}, "nothing in this loop is named 'q_t'; there are"),
        ({"names": "f_t"}, r"names is a list of names, such as \['o_t'\], not 'f_t'; there are"),
        ({"names": 5}, "names is a list of names"),
        ({"names": []}, "names is a list of names"),
        ({"units": 5}, r"units is a list of integers from 0 to 7, such as \[0\] or range\(4\), not 5$"),
        ({"units": [8]}, "units is a list of integers from 0 to 7, .*, and 8 is none of them"),
        ({"units": [True]}, "and True is none of them"),
        ({"units": []}, "units is a list of integers"),
        ({"steps": range(3, 9)}, r"steps is a range in 0 … 5, such as range\(2, 5\), and range\(3, 9\) holds others"),
        ({"steps": range(0, 4, 2)}, r"steps is a range in 0 … 5, .*, not range\(0, 4, 2\)"),
        ({"steps": 3}, "steps is a range in 0 … 5"),
        ({"scale": "log"}, "scale is one of 'fixed', 'own', not 'log'"),
        ({"batch": 2}, "batch is an integer from 0 to 1"),
        ({"loop": 1}, "loop is an integer from 0 to 0"),
    ],
)
def test_wrong_choices_are_told(lstm, x, options, said):
    with pytest.raises(UsageError, match=said):
        draw.gates(lstm, x=x, **options)


@pytest.mark.parametrize("shape", [(0, 2, 3), (5, 0, 3)])
def test_a_sequence_with_nothing_in_it_is_told(lstm, shape):
    with pytest.raises(UsageError, match="there is nothing to draw; give a sequence with at least one step"):
        draw.gates(lstm, x=tl.zeros(shape))
    with pytest.raises(UsageError, match="there is nothing to draw; give a sequence with at least one step"):
        draw.gates(lstm(tl.zeros(shape))[0])


def test_a_gradient_over_no_steps_is_told(lstm):
    with pytest.raises(ShapeError, match=r"x has the shape \[0, 2, 3\], and a gradient needs at least one step"):
        draw.gradient_over_time({"LSTM": lstm}, tl.zeros((0, 2, 3)))


def test_a_loop_without_names_is_told():
    _, ys = tl.scan(lambda c, x: (c + x, c), tl.zeros(2), tl.ones((5, 2)))
    with pytest.raises(UsageError, match=r"write \.named\('f_t'\)"):
        draw.gates(ys)


def test_scales_follow_the_values():
    assert HeatMap("f_t", np.array([[0.2, 0.9]]), (0,)).limits == (0.0, 1.0)
    assert HeatMap("C_t", np.array([[-0.2, 3.0]]), (0,)).limits == (-3.0, 3.0)
    assert HeatMap("C_t", np.array([[np.nan]]), (0,)).limits == (0.0, 1.0)


def test_values_that_are_no_numbers_have_a_colour_of_their_own():
    figure = Figure("t", "d", (HeatMap("C_t", np.array([[np.nan, np.inf, 0.5, -0.01]]), (0,)),), tuple("abcd"))
    assert 'fill="#e0e0e0"' in figure.svg()
    assert "step; hatched: nan or infinite" in words_of(figure.svg())
    (hatched,) = [p for p in ET.fromstring(figure.svg()).iter(f"{SVG}path") if p.get("stroke") == "#757575"]
    ends = [float(x) for x in re.findall(r"[ML](\S+) ", hatched.get("d"))]
    left = frame_of_map(1, "abcd").left
    assert left <= min(ends) < max(ends) <= left + 2 * 15
    axes = figure.figure().axes[0]
    assert [patch.get_hatch() for patch in axes.patches] == ["////"]
    assert axes.get_xlabel() == "step; hatched: nan or infinite"


def test_steps_of_a_curve_that_are_no_numbers_are_hatched():
    figure = Figure("t", "d", (Curves("RNN", {"h_t": np.array([1e-3, np.nan, 1e-2, 1.0])}, (-3, 0)),), tuple("abcd"))
    assert figure.svg().count("<polyline") == 2
    assert figure.svg().count('stroke="#757575"') == 1
    assert [patch.get_hatch() for patch in figure.figure().axes[0].patches] == ["////"]


def shown_in_matplotlib(axes):
    title = re.sub(r"[${}\\]|\\tilde", "", axes.get_title(loc="left"))
    return title, axes.get_xlabel(), [label.get_text() for label in axes.get_xticklabels()]


@pytest.mark.parametrize("steps", [1, 5, 11, 12, 40, 150, 1000])
def test_svg_and_matplotlib_show_the_same(steps, lstm):
    """Frames, words, units and colours, at the same places; and nothing warns."""
    figure = draw.gates(lstm, x=tl.random.normal(KEY, (steps, 1, 3)), names=["f_t", "C_t"])
    svg, sheet = ET.fromstring(figure.svg()), figure.figure()
    width, height = (float(svg.get(name)) for name in ("width", "height"))
    np.testing.assert_allclose(sheet.get_size_inches() * 96, (width, height), atol=0.51)
    groups = svg.findall(f"{SVG}g")
    maps = [axes for axes in sheet.axes if axes.images]
    for group, panel, axes in zip(groups, figure.panels, maps, strict=True):
        said = [element.text for element in group.iter(f"{SVG}text")]
        _, xlabel, words = shown_in_matplotlib(axes)
        units = [label.get_text() for label in axes.get_yticklabels()]
        assert units == list(map(str, panel.units))
        assert set(units) | set(words) | {xlabel, "unit"} <= set(said)
        (frame, _) = [r for r in group.iter(f"{SVG}rect") if r.get("fill") == "none"]
        x, y = (float(n) for n in re.findall(r"[\d.]+", group.get("transform")))
        x, y = x + float(frame.get("x")), y + float(frame.get("y"))
        box = axes.get_position()
        found = (box.x0 * width, (1 - box.y1) * height, box.width * width, box.height * height)
        np.testing.assert_allclose(found, (x, y, float(frame.get("width")), float(frame.get("height"))), atol=0.6)
        image = axes.images[0]
        painted = image.cmap(image.norm(panel.values))
        assert matplotlib_hex(painted[0, 0]) in {p.get("fill") for p in group.iter(f"{SVG}path")}


def matplotlib_hex(colour):
    return "#" + "".join(f"{round(255 * c):02x}" for c in colour[:3])


def test_curves_have_the_same_colours_in_all_forms():
    x = tl.random.normal(KEY, (40, 1, 3))
    figure = draw.gradient_over_time({k.__name__: k(3, 8, key=KEY) for k in (nn.RNN, nn.GRU, nn.LSTM)}, x)
    lines = [line for axes in figure.figure().axes for line in axes.lines if not line.get_label().startswith("_")]
    inks = re.findall(r'<polyline [^>]* stroke="(#\w+)"', figure.svg())
    assert [line.get_color() for line in lines] == inks == ["#0072b2"] * 3 + ["#d55e00"]


def test_a_figure_of_many_panels_is_saved_without_a_warning(tmp_path):
    x = tl.random.normal(KEY, (40, 1, 3))
    figure = draw.gradient_over_time({k.__name__: k(3, 8, key=KEY) for k in (nn.RNN, nn.GRU, nn.LSTM)}, x)
    path = figure.save(tmp_path / "g.png", dpi=96)
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    assert (width, height) == pytest.approx(figure.figure().get_size_inches() * 96, abs=1)
    sheet = figure.figure()
    sheet.draw_without_rendering()
    boxes = [axes.get_tightbbox() for axes in sheet.axes]
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:k])


@pytest.mark.parametrize("steps", [5, 18, 30, 90, 1000])
def test_words_can_be_read_in_a_notebook(steps, lstm):
    """At the width of a notebook, 800 pixels, in all panels."""
    x = tl.random.normal(KEY, (steps, 1, 3))
    layers = {k.__name__: k(3, 8, key=KEY) for k in (nn.RNN, nn.GRU, nn.LSTM)}
    for figure in (draw.gates(nn.LSTM(3, 40, key=KEY), x=x), draw.gradient_over_time(layers, x)):
        root = ET.fromstring(figure.svg())
        shrunk = min(1.0, 800 / float(root.get("width")))
        sizes = [float(e.get("font-size")) for e in root.iter() if e.get("font-size")]
        assert min(sizes) * shrunk > 10.7
        # Where the gradient is zero, rings stand beside each other, not on each other.
        assert steps < 1000 or len(list(root.iter(f"{SVG}circle"))) < 300


def test_a_long_sequence_fits_a_page(lstm):
    x = tl.random.normal(KEY, (1000, 1, 3))
    figure = draw.gates(lstm, x=x)
    assert float(ET.fromstring(figure.svg()).get("width")) < 820
    assert [word for word in figure.words if word] == [str(k) for k in range(0, 1000, 100)]
    part = draw.gates(lstm, x=x, steps=range(100, 140))
    np.testing.assert_array_equal(part.panels[0].values, figure.panels[0].values[:, 100:140])
    assert [word for word in part.words if word] == [str(k) for k in range(100, 140, 5)]
    assert part.description.startswith("Heat maps of f_t, i_t, o_t, C_t over the steps 100 … 139 of 1000.")
    words = draw.gates(lstm, ["word"] * 1000, x=x, names=["f_t"])
    assert 50 < words_of(words.svg()).count("word") < 200


def test_of_a_very_long_sequence_the_columns_are_means(lstm):
    x = tl.random.normal(KEY, (2500, 1, 3))
    figure = draw.gates(lstm, x=x, names=["C_t"])
    whole = draw.gates(lstm, x=x, names=["C_t"], steps=range(1200)).panels[0].values
    assert figure.panels[0].values.shape == (8, 834)
    np.testing.assert_allclose(figure.panels[0].values[:, :400], whole.reshape(8, 400, 3).mean(-1))
    assert "Each column is the mean of 3 steps." in figure.description
    assert figure.title.endswith("(each column is the mean of 3 steps)")


def test_cells_below_zero_have_a_sign_that_survives_print():
    """Printed in grey the ends of a scale through zero look alike."""
    values = np.array([[0.9, -0.9, -0.5, -0.01], [-0.9, 0.2, np.nan, -0.3]])
    figure = Figure("t", "d", (HeatMap("C_t", values, (0, 1)),), tuple("abcd"))
    frame = frame_of_map(2, "abcd")
    paths = [p.get("d") for p in ET.fromstring(figure.svg()).iter(f"{SVG}path") if p.get("stroke-opacity")]
    starts = np.array([[float(n) for n in pair] for path in paths for pair in re.findall(r"M(\S+) ([\d.]+)h", path)])
    at = (starts - (frame.left, frame.top)) // (frame.across, frame.down)
    assert sorted((int(row), int(column)) for column, row in at) == [(0, 1), (0, 2), (1, 0), (1, 3)]
    axes = figure.figure().axes[0]
    assert sum(len(lines.get_segments()) for lines in axes.collections) == 4
    assert axes.get_xlabel() == "step; – is negative; hatched: nan or infinite"
    gates = Figure("t", "d", (HeatMap("f_t", np.full((2, 4), 0.1), (0, 1)),), tuple("abcd"))
    assert "stroke-opacity" not in gates.svg()
    many = Figure("t", "d", (HeatMap("C_t", np.tile([[-1.0] * 30 + [1.0] * 30], 10), (0,)),), ("",) * 600)
    assert len(re.findall(r"M[^M]*h", re.search(r'd="([^"]*)" stroke="\S+" stroke-op', many.svg())[1])) == 10


def test_a_panel_may_have_its_own_scale(lstm, x):
    figure = draw.gates(lstm, WORD, x=x, scale="own")
    for panel in figure.panels[:3]:
        assert panel.limits == (panel.values.min(), panel.values.max())
    far = abs(figure.panels[3].values).max()
    assert figure.panels[3].limits == (-far, far)


def test_every_cell_of_the_matrix_is_painted():
    values = np.random.default_rng(0).normal(size=(7, 11))
    root = ET.fromstring(Figure("t", "d", (HeatMap("C_t", values, tuple(range(7))),), tuple("abcdefghijk")).svg())
    paths = [p.get("d") for p in root.iter(f"{SVG}path") if p.get("fill") != "none"]
    width = sum(float(move.split("h")[1].split("v")[0]) for path in paths for move in path.split("M")[1:])
    assert width == pytest.approx(7 * 11 * 15.0)


def test_the_gradient_by_earlier_states_is_that_of_the_unrolled_network():
    """Each state is a leaf of its own here, and the rest of the sequence is run from it."""
    lstm, x = nn.LSTM(3, 4, key=KEY), tl.random.normal(KEY, (6, 2, 3))
    figure = draw.gradient_over_time({"LSTM": lstm}, x)
    (panel,) = figure.panels
    assert set(panel.values) == {"h_t", "C_t"}
    cell = lstm.cells[0]
    state = cell.zeros(2)
    for t in range(6):
        h, c = tl.tensor(state[0].numpy()), tl.tensor(state[1].numpy())
        after = (h, c)
        for later in range(t, 6):
            after = cell(x[later], after)
        slopes = tl.gradients(after[0].sum(), [h, c])
        for name, slope in zip(("h_t", "C_t"), slopes, strict=True):
            assert panel.values[name][t] == pytest.approx(float(tl.sqrt((slope * slope).sum())), rel=1e-4)
        state = cell(x[t], state)


def test_the_long_term_dependency_is_seen():
    layers = {"RNN": nn.RNN(3, 16, key=KEY), "LSTM": nn.LSTM(3, 16, key=KEY, forget_bias=3.0)}
    figure = draw.gradient_over_time(layers, tl.random.normal(KEY, (40, 1, 3)))
    rnn, lstm = figure.panels
    assert figure.columns == 1
    assert rnn.decades == lstm.decades
    assert rnn.values["h_t"][0] < 1e-6 * rnn.values["h_t"][-1]
    assert lstm.values["C_t"][0] > 0.01 * lstm.values["C_t"][-1]
    assert "RNN" in words_of(figure.svg())
    assert figure.description.startswith("Norms of the gradient from the last state to the first. RNN: h_t from")


def test_the_loss_can_be_chosen():
    x, layers = tl.random.normal(KEY, (5, 1, 3)), {"GRU": nn.GRUCell(3, 4, key=KEY)}
    plain, twice = (
        draw.gradient_over_time(layers, x, loss=loss).panels[0].values["h_t"] for loss in (None, lambda h: 2 * h.sum())
    )
    np.testing.assert_allclose(twice, 2 * plain, rtol=1e-5)


@pytest.mark.parametrize(
    ("layers", "x", "error", "said"),
    [
        ({"RNN": nn.RNN(3, 4)}, tl.ones((5, 3)), ShapeError, r"wanted is \[time, batch, input\]"),
        ({}, tl.ones((5, 1, 3)), UsageError, "a dict of layers by name"),
        ([nn.RNN(3, 4)], tl.ones((5, 1, 3)), UsageError, "a dict of layers by name"),
        ({"two": nn.RNN(3, 4, num_layers=2)}, tl.ones((5, 1, 3)), UsageError, "'two' is no .*, but RNN of 2 cells$"),
        ({"line": nn.Linear(3, 4)}, tl.ones((5, 1, 3)), UsageError, "'line' is no cell"),
        ({"RNN": nn.RNN(3, 4)}, tl.ones((5, 1, 2)), ShapeError, "expected"),
    ],
    ids=["rank", "none", "list", "layers", "linear", "size"],
)
def test_what_has_no_gradient_over_time_is_told(layers, x, error, said):
    with pytest.raises(error, match=said):
        draw.gradient_over_time(layers, x)


def test_a_layer_alone_bears_its_own_name():
    x, layer = tl.random.normal(KEY, (5, 1, 3)), nn.RNN(3, 4, key=KEY)
    figure = draw.gradient_over_time(layer, x)
    assert [panel.name for panel in figure.panels] == ["RNN"]


def test_scales_of_curves_hold_all_values():
    assert decades_of([np.array([0.02, 0.5, 0.0])]) == (-2, 0)
    assert decades_of([np.array([1e-300, 3.0])]) == (-301, 1)
    assert decades_of([np.zeros(3)]) == (-1, 0)
    svg = Figure(
        "t", "d", (Curves("RNN", {"h_t": np.array([0.0, 1e-30, math.inf, 1.0])}, (-15, 0)),), tuple("abcd")
    ).svg()
    assert "nan" not in svg.replace("hatched: nan or infinite", "")
    assert "inf" not in svg.replace("hatched: nan or infinite", "")


def test_a_gradient_of_zero_is_a_ring_at_the_foot_and_said_so():
    def figure(*values):
        return Figure("t", "d", (Curves("RNN", {"h_t": np.array(values)}, (-15, 0)),), tuple("abcd"))

    assert figure(0.0, 0.0, 1e-9, 1.0).svg().count('fill="#ffffff" stroke="#0072b2"') == 2
    assert "step; ○ is exactly 0" in words_of(figure(0.0, 0.0, 1e-9, 1.0).svg())
    assert "step" in words_of(figure(1e-12, 1e-9, 1e-9, 1.0).svg())


def test_a_gradient_below_all_floats_shows_as_zero():
    (panel,) = draw.gradient_over_time(nn.RNN(3, 4, key=KEY), tl.random.normal(KEY, (400, 1, 3))).panels
    norms = panel.values["h_t"]
    assert norms[0] == 0
    assert panel.decades[0] <= math.log10(norms[norms > 0].min()) < -40


@pytest.mark.parametrize("name", ['"<script>alert(1)</script>', "a&b", "]]>", "\x00", "\ud800", "é😀"])
def test_hostile_words_come_out_as_text(lstm, x, name):
    svg = draw.gates(lstm, [name] * 5, x=x, title=name, names=["f_t"]).svg()
    said = words_of(svg)
    if name.isprintable() and name != "\ud800":
        assert said.count(name) == 6
    ET.fromstring(draw.gradient_over_time({name: nn.RNNCell(3, 4)}, tl.ones((5, 1, 3)), [name] * 5).svg())


def test_the_svg_is_accessible_and_the_same_each_time(lstm, x):
    figure = draw.gates(lstm, WORD, x=x, title="Gates <1>")
    root = ET.fromstring(figure.svg())
    assert root.get("role") == "img"
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert title.text == "Gates <1>"
    assert description.text == "Heat maps of f_t, i_t, o_t, C_t over 5 steps."
    assert figure.svg() == draw.gates(lstm, WORD, x=x, title="Gates <1>").svg()
    assert "<style>" in figure._repr_svg_()


def test_figures_are_saved_in_three_forms(lstm, x, tmp_path):
    figures = (draw.gates(lstm, WORD, x=x), draw.gradient_over_time({"LSTM": lstm}, x, ["a word"] * 5))
    for figure in figures:
        for suffix, start in ((".svg", b"<svg"), (".png", b"\x89PNG"), (".pdf", b"%PDF")):
            assert figure.save(tmp_path / f"figure{suffix}").read_bytes().startswith(start)
    with pytest.raises(UsageError, match=r"end it in one of \.svg, \.png, \.pdf"):
        figures[0].save(tmp_path / "figure.jpg")
    with pytest.raises(DrawingError, match="cannot write"):
        figures[0].save(tmp_path / "missing" / "figure.svg")


def test_without_matplotlib_svg_works_and_png_says_how_to_get_it(lstm, x, tmp_path, monkeypatch):
    def missing(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    figure = draw.gates(lstm, WORD, x=x)
    assert figure.save(tmp_path / "figure.svg").exists()
    with pytest.raises(DrawingError, match=r"pip install 'tinygrad-lstm\[plots\]', or save the figure as .svg"):
        figure.save(tmp_path / "figure.png")
    assert not (tmp_path / "figure.png").exists()
