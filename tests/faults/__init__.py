"""What a hostile disk, file, name, process or line of arguments can do: ``python -m tests.faults --help``."""
