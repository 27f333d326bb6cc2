"""A tensor as a line of mathematics: text and LaTeX."""
