"""Pages that play a computation."""

from tinygrad_lstm.draw.pages.page import Page, page

__all__ = ["Page", "page"]
