"""From a graph to a program. Each backend prints it in its own language; what C and CUDA share is ``c_family``."""
