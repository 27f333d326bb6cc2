"""How Sphinx builds the site: ``make docs``."""

from importlib.metadata import version as installed

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
nitpicky = False
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "tinygrad_lstm"
