"""Pictures for LaTeX: nodes and paths of TikZ, to be edited by hand."""

from tinygrad_lstm.draw.tikz.standalone import latex_document

__all__ = ["latex_document"]
