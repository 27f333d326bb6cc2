"""Pictures: graphs as DOT, rendered by Graphviz; and expressions as text and LaTeX."""

from tinygrad_lstm.draw.cells import cell
from tinygrad_lstm.draw.chains import chain, rolled, unrolled
from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.draw.expression import latex, text
from tinygrad_lstm.draw.figures import Figure
from tinygrad_lstm.draw.graphs import graph
from tinygrad_lstm.draw.pages import Page, page
from tinygrad_lstm.draw.sequences import gates, gradient_over_time
from tinygrad_lstm.draw.stages import Walkthrough, walkthrough

__all__ = [
    "Drawing",
    "Figure",
    "Page",
    "Walkthrough",
    "cell",
    "chain",
    "gates",
    "gradient_over_time",
    "graph",
    "latex",
    "page",
    "rolled",
    "text",
    "unrolled",
    "walkthrough",
]
