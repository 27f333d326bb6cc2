"""From a graph to a program. Backends print programs in their own languages; C and CUDA share ``c_family``."""
