"""`vmap`: against Python loops over the examples."""
