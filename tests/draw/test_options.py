"""Options of a wrong type or size: one sentence that names the function and what it takes."""

import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.draw import Animation, Drawing
from tinygrad_lstm.draw.time import figures
from tinygrad_lstm.errors import DrawingError, UsageError

LSTM = tl.nn.LSTM(3, 4, key=tl.random.key(0))
CELL = tl.nn.LSTMCell(3, 4, key=tl.random.key(0))
X = tl.random.normal(tl.random.key(1), (5, 1, 3))
LONG = "n" * 20_000

CALLS = {
    "cell": lambda **o: tl.draw.cell(CELL, **o),
    "walkthrough": lambda **o: tl.draw.walkthrough(CELL, **o),
    "chain": lambda **o: tl.draw.chain(LSTM, **o),
    "rolled": lambda **o: tl.draw.rolled(LSTM, **o),
    "unrolled": lambda **o: tl.draw.unrolled(LSTM, **o),
    "gates": lambda **o: tl.draw.gates(LSTM(X)[0], **o),
    "gradient_over_time": lambda **o: tl.draw.gradient_over_time(LSTM, X, **o),
    "graph": lambda **o: tl.draw.graph(tl.sin, X, **o),
    "animation": lambda **o: tl.draw.animation(tl.sin, 1.0, **o),
    "page": lambda **o: tl.draw.page(tl.sin, 1.0, **o),
}
WRONG = [
    *[(name, "title", 5) for name in CALLS if name != "walkthrough"],
    *[(name, "theme", "grey") for name in CALLS],
    *[(name, "transparent", "yes") for name in CALLS if name != "page"],
    *[(name, "legend", 1) for name in ("cell", "chain")],
    ("unrolled", "beside_rolled", "no"),
    ("unrolled", "steps", "3"),
    ("gradient_over_time", "loss", 3),
    *[("graph", name, "yes") for name in ("shapes", "ties", "flow", "repeats")],
    *[("graph", name, None) for name in ("fold", "direction", "loops", "gradients")],
    *[(name, "at", 5) for name in ("graph", "animation", "page")],
    ("animation", "direction", "down"),
    ("page", "stages", 5),
    ("page", "stages", "ab"),
]


@pytest.mark.parametrize(("name", "option", "value"), WRONG)
def test_a_wrong_option_is_one_sentence(name, option, value):
    with pytest.raises(UsageError, match=rf"^draw\.{name}: {option}=? ?is "):
        CALLS[name](**{option: value})


@pytest.mark.parametrize("dpi", ["300", True, -1, float("nan")])
@pytest.mark.parametrize("kind", ["cell", "gates", "walkthrough", "animation"])
def test_dots_an_inch_are_a_number(kind, dpi, tmp_path):
    with pytest.raises(UsageError, match=": dpi is a number"):
        CALLS[kind]().save(tmp_path / ("x.gif" if kind in ("walkthrough", "animation") else "x.png"), dpi=dpi)
    assert not list(tmp_path.iterdir())


def test_more_pixels_than_a_form_holds_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "_MOST_PIXELS", 500)
    with pytest.raises(DrawingError, match=r"500 pixels, .* it fits with dpi=\d+, and SVG"):
        CALLS["gates"]().save(tmp_path / "x.png", dpi=200)
    wide = Drawing("digraph { x [width=30] }", "dot", "wide")
    moving = Animation("x", "y", ((wide, 1.0),))
    with pytest.raises(DrawingError, match=r"a WebP of 16,\d{3} by \d+ pixels cannot be written .*a smaller dpi"):
        moving.save(tmp_path / "x.webp", dpi=550)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("what", ["rolled", "unrolled", "chain", "gates"])
def test_a_model_without_an_input_gets_advice_that_works(what):
    model = tl.train.LanguageModel(8, tl.train.ModelConfig(hidden=4, embedding=3), key=tl.random.key(0))
    function = getattr(tl.draw, what)
    with pytest.raises(UsageError) as caught:
        function(model)
    if what == "gates":
        assert "draw.gates(layer, x=x)" in str(caught.value)
        return
    *_, advice = str(caught.value).split("x=")
    assert advice == "tl.symbol('x', (4, 1), tl.int32)"
    assert function(model, x=tl.symbol("x", (4, 1), tl.int32)).dot


def test_names_of_twenty_thousand_letters_are_shortened(tmp_path):
    x = tl.symbol(LONG, (1, 3))
    graph = tl.draw.graph(tl.sin(x).named(LONG), title=LONG)
    cell = tl.draw.cell(lambda x, h: tl.tanh(x + h).named(LONG), x, tl.symbol(LONG[1:], (1, 3)))
    for drawing in (graph, cell):
        for suffix in (".svg", ".png", ".pdf", ".tex"):
            path = drawing.save(tmp_path / f"x{suffix}")
            assert path.stat().st_size < 400_000
    steps = tl.draw.walkthrough(lambda x, h: tl.tanh(x + h).named(LONG), tl.ones((1, 3)), tl.ones((1, 3)))
    assert steps.animation().encoded()
    figure = tl.draw.gates(LSTM(X)[0], [LONG] * 5, title=LONG)
    assert len(figure.svg()) < 200_000
    assert figure.save(tmp_path / "x.png").stat().st_size < 400_000
