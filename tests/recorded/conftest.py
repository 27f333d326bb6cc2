"""The script here imports PyTorch, which is not needed to run the tests."""

collect_ignore = ["record_torch.py"]
