"""Pictures: graphs as DOT, rendered by Graphviz; and expressions as text and LaTeX."""

from tinygrad_lstm.draw.cells.picture import cell
from tinygrad_lstm.draw.cells.walkthrough import Walkthrough, walkthrough
from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.draw.graphs.forward_backward import animation
from tinygrad_lstm.draw.graphs.picture import graph
from tinygrad_lstm.draw.moving import Animation
from tinygrad_lstm.draw.pages import Page, page
from tinygrad_lstm.draw.time.chains import chain, rolled, unrolled
from tinygrad_lstm.draw.time.coloured import coloured
from tinygrad_lstm.draw.time.figures import Figure
from tinygrad_lstm.draw.time.sequences import gates, gradient_over_time
from tinygrad_lstm.formula.expression import latex, text
from tinygrad_lstm.reflexes import DRAW, answer

__all__ = [
    "Animation",
    "Drawing",
    "Figure",
    "Page",
    "Walkthrough",
    "animation",
    "cell",
    "chain",
    "coloured",
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

answer(__name__, "tl.draw", DRAW)
