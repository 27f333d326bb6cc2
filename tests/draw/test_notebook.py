"""Pictures and formulas in Jupyter, in a notebook that is really executed."""

import nbformat
from nbclient import NotebookClient

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
    assert sorted(bundle) == ["image/svg+xml", "text/plain"]


def test_without_graphviz_the_words_are_shown(monkeypatch):
    def fails(*args, **kwargs):
        raise DrawingError("no Graphviz")

    monkeypatch.setattr(module, "render", fails)
    drawing = Drawing("digraph { x -> y }", "dot", "y of x", "One arrow.")
    assert drawing._repr_mimebundle_() == {"text/plain": f"{drawing!r}\nOne arrow.\nno Graphviz"}
