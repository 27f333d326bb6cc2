"""What other libraries ask of arrays: the array API standard, einops, SymPy. Each is imported when it is used."""

from tinygrad_lstm.interchange import array_api, einops_hook, formulas

__all__ = ["array_api", "einops_hook", "formulas"]
