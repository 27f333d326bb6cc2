"""From a graph to a program, and from a program to source text."""
