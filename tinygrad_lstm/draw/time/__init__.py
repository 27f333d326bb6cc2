"""Layers over time: chains, gates along a sequence, how far back a gradient reaches."""
