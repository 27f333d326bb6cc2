"""The first minutes on a GPU: ``python -m benchmarks.gpu_day``, which is what ``make gpu`` runs."""
