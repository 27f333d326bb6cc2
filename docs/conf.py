"""The configuration with which Sphinx builds the site: ``make docs``."""

import re
from importlib.metadata import version as installed
from pathlib import Path

import tinygrad_lstm as tl
from tinygrad_lstm.draw.themes import THEMES, darkened

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
html_static_path = ["static"]
html_css_files = ["pictures.css"]

PICTURE = re.compile(r'<img (?P<attributes>[^>]*?)src="(?P<folder>[^"]*_images/)(?P<name>[^"]+\.svg)"(?P<rest>[^>]*)>')


def dark_form(path):
    """The dark form of a picture; None where it has none, and "" where it is dark already."""
    svg = path.read_text(encoding="utf-8")
    return "" if f'fill="{THEMES["dark"].background}"' in svg[:4000] else darkened(svg)


def show_dark_pictures(app, page, template, context, doctree):
    """Beside each picture its dark form, of which the page shows the one of the reader's theme."""
    sources = {name: Path(app.srcdir) / path for path, (_, name) in app.env.images.items()}

    def both(match):
        dark = dark_form(sources[match["name"]])
        if dark == "":
            return match[0]
        if dark is None:
            # Figures are turned round by the style sheet.
            return f'<img class="turned" {match["attributes"]}src="{match["folder"]}{match["name"]}"{match["rest"]}>'
        light = f'<img class="only-light" {match["attributes"]}src="{match["folder"]}{match["name"]}"{match["rest"]}>'
        name = f"{match['folder']}dark/{match['name']}"
        return f'{light}<img class="only-dark" {match["attributes"]}src="{name}"{match["rest"]}>'

    if "body" in context:
        context["body"] = PICTURE.sub(both, context["body"])


def write_dark_pictures(app, error):
    """The dark forms of all pictures."""
    if error is not None:
        return
    folder = Path(app.outdir) / "_images" / "dark"
    folder.mkdir(parents=True, exist_ok=True)
    for path, (_, name) in app.env.images.items():
        dark = dark_form(Path(app.srcdir) / path) if path.endswith(".svg") else None
        if dark:
            (folder / name).write_text(dark, encoding="utf-8")


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
    app.connect("html-page-context", show_dark_pictures)
    app.connect("build-finished", write_dark_pictures)
    app.connect("build-finished", write_pages)
