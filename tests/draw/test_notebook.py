"""Pictures and formulas in Jupyter, in a notebook that is really executed."""

import re

import nbformat
import pytest
from IPython.core.formatters import DisplayFormatter
from nbclient import NotebookClient

import tinygrad_lstm as tl
from tinygrad_lstm.draw import drawing as module
from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.errors import DrawingError

CELLS = [
    "import tinygrad_lstm as tl\nx = tl.symbol('x')\ntl.draw.graph(tl.sin(x**2))",
    "tl.latex(tl.gradients(tl.sin(x**2), x))",
    "tl.draw.cell(tl.nn.LSTMCell(3, 4, key=tl.random.key(0)))",
    "tl.draw.graph(tl.nn.LSTM(3, 4))",
]


def test_an_executed_notebook_shows_pictures_and_formulas():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True).execute()
    graph, formula, cell, mistake = (c["outputs"][0] for c in notebook["cells"])
    assert graph["data"]["image/svg+xml"].startswith("<svg ")
    assert graph["data"]["text/plain"].startswith("<Drawing 'Computation graph of result'")
    assert formula["data"]["text/latex"] == r"$\displaystyle 2 \, x \, \cos\left(x^{2}\right)$"
    assert cell["data"]["image/svg+xml"].startswith("<svg ")
    assert (mistake["output_type"], mistake["ename"]) == ("error", "UsageError")
    assert "LSTM takes (x, state, lengths)" in mistake["evalue"]


def test_the_bundle_has_the_picture_and_the_words():
    bundle = Drawing("digraph { x -> y }", "dot", "y of x")._repr_mimebundle_()
    assert sorted(bundle) == ["image/svg+xml", "text/html", "text/plain"]


@pytest.mark.parametrize("kind", ["drawing", "figure", "stage"])
def test_pictures_fit_every_page_and_have_words(browser, kind):
    """JupyterLab and nbconvert show the HTML; of a mere SVG they make an image that is cut, and without words."""
    lstm, x = tl.nn.LSTM(3, 4, key=tl.random.key(0)), tl.ones((90, 1, 3))
    shown = {
        "drawing": lambda: tl.draw.unrolled(lstm, steps=6)._repr_mimebundle_()["text/html"],
        "figure": lambda: tl.draw.gates(lstm, x=x)._repr_html_(),
        "stage": lambda: tl.draw.walkthrough(lstm.cells[0])[0]._repr_html_(),
    }[kind]()
    with browser.new_context(viewport={"width": 375, "height": 700}) as context:
        tab = context.new_page()
        # As a page shows it that is not trusted: without style sheets.
        for page in (shown, re.sub("<style>.*?</style>", "<style>img { max-width: 100% }</style>", shown)):
            tab.set_content(page)
            image = tab.locator("img")
            box = image.bounding_box()
            assert box["width"] <= 375 - 2 * box["x"]
            wide, high = image.evaluate("e => [e.naturalWidth, e.naturalHeight]")
            assert wide > 375
            assert box["width"] / box["height"] == pytest.approx(wide / high, rel=0.02)
            assert len(image.get_attribute("alt")) > 20
        tab.set_content(shown)
        image.click()
        assert image.bounding_box()["width"] == pytest.approx(wide, abs=1)


def test_without_graphviz_the_words_are_shown(monkeypatch, capsys):
    def fails(*args, **kwargs):
        raise DrawingError("no Graphviz")

    monkeypatch.setattr(module, "render", fails)
    drawing = Drawing("digraph { x -> y }", "dot", "y of x", "One arrow.")
    assert drawing._repr_mimebundle_() == {"text/plain": f"{drawing!r}\nOne arrow.\nno Graphviz"}
    # Nothing else is asked for that would fail, with a traceback before the words.
    assert DisplayFormatter().format(drawing) == (drawing._repr_mimebundle_(), {})
    assert capsys.readouterr() == ("", "")
