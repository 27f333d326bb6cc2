"""A word model of a million words, trained in full here and by eager PyTorch."""
