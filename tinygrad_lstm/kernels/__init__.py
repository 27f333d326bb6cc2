"""The kernels: what each primitive does to arrays, written once for any NumPy-like module."""
