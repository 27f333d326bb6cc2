"""What C and CUDA texts share: scalar expressions, functions, loop nests, and indentation."""
