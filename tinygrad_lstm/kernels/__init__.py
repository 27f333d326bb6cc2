"""The kernels that take more than a line: what a primitive does to arrays, for any module that looks like NumPy."""
