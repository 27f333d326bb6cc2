"""``python -m tinygrad_lstm``: the command line."""

import sys

from tinygrad_lstm.cli import main

if __name__ == "__main__":
    sys.exit(main())
