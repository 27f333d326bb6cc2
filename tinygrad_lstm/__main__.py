"""``python -m tinygrad_lstm``: the command line."""

import sys

from tinygrad_lstm_command import main

if __name__ == "__main__":
    sys.exit(main())
