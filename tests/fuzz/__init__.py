"""Random programs, run op by op and compiled: ``python -m tests.fuzz --help``."""
