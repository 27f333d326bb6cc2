"""What C and CUDA texts share: scalar expressions, functions, loop nests, the layout of a text."""
