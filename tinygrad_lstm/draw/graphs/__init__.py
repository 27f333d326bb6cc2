"""The picture of a computation graph."""
