"""``python -m tinygrad_lstm``: the command line."""

from tinygrad_lstm_command import script

if __name__ == "__main__":
    script()
