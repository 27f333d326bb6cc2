"""Independent computations in plain NumPy that the tests hold the package against."""
