"""Functions as compiled programs: what a call is traced to, what is kept of it, and how it came about."""
