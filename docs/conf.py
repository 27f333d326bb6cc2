"""The configuration with which Sphinx builds the site: ``make docs``."""

from importlib.metadata import version as installed
from pathlib import Path

import tinygrad_lstm as tl

project = "tinygrad_lstm"
author = "the tinygrad_lstm authors"
copyright = "2026, the tinygrad_lstm authors"
release = version = installed("tinygrad-lstm")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
# Links from the reading guide into the source tree are checked by tests/docs, which knows folders too.
suppress_warnings = ["myst.xref_missing"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
# A described attribute is documented once, though autodoc lists the annotations of dataclasses too.
napoleon_use_ivar = True
nitpicky = False
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "tinygrad_lstm"


def write_pages(app, error):
    """The pages that play a computation, to which play.md links."""
    if error is not None:
        return
    folder = Path(app.outdir) / "play"
    folder.mkdir(exist_ok=True)
    tl.draw.page(tl.nn.LSTMCell(3, 4, key=tl.random.key(0))).save(folder / "lstm.html")
    x = tl.random.normal(tl.random.key(1), (12, 1, 3))
    for name, layer in (("RNN", tl.nn.RNN), ("LSTM", tl.nn.LSTM)):
        module = layer(3, 4, key=tl.random.key(0))
        shown = tl.draw.page(lambda x, module=module: module(x)[0][-1], x, title=f"{name} over time")
        shown.save(folder / f"{name.lower()}-over-time.html")
    tl.draw.page(lambda x: tl.sin(x**2), 1.0, title="sin(x²)").save(folder / "sin.html")


def setup(app):
    app.connect("build-finished", write_pages)
