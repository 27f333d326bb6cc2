"""The systems: each a function that takes a problem and prepares it, in a module that only its worker imports."""

from dataclasses import dataclass
from typing import Final

__all__ = ["REFERENCE", "SYSTEMS", "System"]

_LAYER: Final = ("training", "inference")
_ALL: Final = (*_LAYER, "words")


@dataclass(frozen=True)
class System:
    """Where a system is, which modes it has, and its name in tables."""

    prepare: str
    """``module:function`` in this package."""
    modes: tuple[str, ...]
    packages: tuple[str, ...]
    """Distributions whose versions are noted; if the first is not installed, the system is missing."""
    what: str


SYSTEMS: Final = {
    "ours-interpreter": System("ours:interpreter", _ALL, ("tinygrad-lstm", "numpy"), "without `jit`: a call per node"),
    "ours-numpy": System("ours:compiled_numpy", _ALL, ("tinygrad-lstm", "numpy"), "`jit`, backend `numpy`"),
    "ours-c": System("ours:compiled_c", _ALL, ("tinygrad-lstm", "numpy"), "`jit`, backend `c`"),
    "hand": System("hand:prepare", _LAYER, ("numpy",), "C by hand over the same BLAS, `benchmarks/hand.c`"),
    "torch": System("torch_:layer", _ALL, ("torch",), "`torch.nn.LSTM`"),
    "torch-eager": System("torch_:eager", _LAYER, ("torch",), "the four equations in eager PyTorch"),
    "jax": System("jax_:prepare", _ALL, ("jax", "jaxlib"), "`lax.scan` of the four equations under `jit`"),
    "autograd": System("autograd_:prepare", _LAYER, ("autograd", "numpy"), "the four equations in HIPS autograd"),
    "mygrad": System("mygrad_:prepare", _LAYER, ("mygrad", "numpy"), "the four equations in MyGrad"),
    "pytensor": System("pytensor_:prepare", _LAYER, ("pytensor", "numba"), "`scan` of the four equations in PyTensor"),
}
REFERENCE: Final = System("ours:reference", _ALL, ("tinygrad-lstm",), "without `jit`, in float64")
"""The system with which the results of all others are compared."""
