"""Pictures: graphs as DOT, rendered by Graphviz."""

from tinygrad_lstm.draw.cells import cell
from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.draw.graphs import graph

__all__ = ["Drawing", "cell", "graph"]
