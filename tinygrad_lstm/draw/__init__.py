"""Pictures: graphs as DOT, rendered by Graphviz."""

from tinygrad_lstm.draw.cells import cell
from tinygrad_lstm.draw.drawing import Drawing

__all__ = ["Drawing", "cell"]
