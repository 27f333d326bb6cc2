"""Pictures: graphs as DOT, rendered by Graphviz; and expressions as text."""

from tinygrad_lstm.draw.cells import cell
from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.draw.expression import text
from tinygrad_lstm.draw.graphs import graph

__all__ = ["Drawing", "cell", "graph", "text"]
