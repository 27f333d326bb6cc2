"""Names that people know from PyTorch, and what is said here instead."""

import sys
from collections.abc import Container, Mapping
from typing import Any, Final, NoReturn

from tinygrad_lstm.errors import UnknownNameError

__all__ = ["ARRAYS", "FRAMEWORK", "LAYERS", "MODULES", "answer", "unknown"]

_CAST: Final = "element types are changed by .astype({})"
_KEPT: Final = "a tensor never changes and needs no copy; leave it out"
_MODE: Final = "there is no mode: tl.nn.deterministic(model) is the model without chance"
_RECORDED: Final = "nothing is recorded that is not asked for; leave it out, or cut a gradient with tl.stop_gradient(x)"
_TRAINED: Final = "what is trained is a Parameter: tl.Parameter(value); to freeze one, do not give it to the optimiser"

ARRAYS: Final[Mapping[str, str]] = {
    "bool": _CAST.format("tl.bool_"),
    "bmm": "write x @ y",
    "clamp": "write x.clip(min, max)",
    "clone": _KEPT,
    "contiguous": _KEPT,
    "cpu": "write x.to('cpu')",
    "cuda": "write x.to('cuda')",
    "data": "x.detach() reads the value, and p.assign(value) changes that of a Parameter",
    "dim": "write x.ndim",
    "double": _CAST.format("tl.float64"),
    "expand": "write tl.broadcast_to(x, shape)",
    "float": _CAST.format("tl.float32"),
    "grad": "only a Parameter has a .grad; tl.gradients(y, x) gives the gradient by any tensor",
    "half": _CAST.format("tl.float16"),
    "int": _CAST.format("tl.int32"),
    "is_cuda": "x.device tells, 'cpu' or 'cuda:0'",
    "long": _CAST.format("tl.int64"),
    "mm": "write x @ y",
    "numel": "write x.size",
    "permute": "write x.transpose(axes)",
    "pow": "write x ** n",
    "requires_grad": _TRAINED,
    "requires_grad_": _TRAINED,
    "retain_grad": "tl.gradients(y, x) gives the gradient by any tensor",
    "t": "write x.T",
    "unsqueeze": "write tl.expand_dims(x, axis)",
    "view": "write x.reshape(shape)",
}
"""Of tensors, Parameters and States."""

MODULES: Final[Mapping[str, str]] = {
    "cpu": "write model.to('cpu')",
    "cuda": "write model.to('cuda')",
    "eval": _MODE,
    "register_buffer": "assign a State: self.name = tl.State(value)",
    "register_parameter": "assign a Parameter: self.name = tl.Parameter(value)",
    "requires_grad_": _TRAINED,
    "train": _MODE,
}
"""Attributes of modules."""

LAYERS: Final[Mapping[str, str]] = {
    "BCEWithLogitsLoss": "it is a function: tl.nn.bce_with_logits",
    "CrossEntropyLoss": "it is a function: tl.nn.cross_entropy",
    "GELU": "it is a function: tl.gelu",
    "MSELoss": "it is a function: tl.nn.mse",
    "ModuleDict": "a plain dict of modules serves",
    "ModuleList": "a plain list of modules serves",
    "Parameter": "it is tl.Parameter",
    "ReLU": "it is a function: tl.relu",
    "Sigmoid": "it is a function: tl.sigmoid",
    "Tanh": "it is a function: tl.tanh",
    "functional": "activations are functions in tl, such as tl.relu, and losses in tl.nn, such as tl.nn.cross_entropy",
    "init": "it is tl.nn.initializers",
    "utils": "clipping is in tl.optim: tl.optim.clip_grad_norm",
}
"""Names in ``tl.nn``."""

FRAMEWORK: Final[Mapping[str, str]] = {
    "array": "write tl.tensor(value)",
    "as_tensor": "write tl.tensor(value)",
    "asarray": "write tl.tensor(value)",
    "autograd": "write tl.gradients(ys, xs), or tl.grad(f)",
    "bmm": "write tl.matmul(x, y), or x @ y",
    "bool": "the element type is tl.bool_, or Python's bool",
    "cat": "write tl.concatenate(arrays, axis)",
    "clamp": "write tl.clip(x, min, max)",
    "cuda": "tl.describe_backends() tells what works here, and tl.use_backend('cupy') takes the GPU",
    "device": "a device is called by its name, 'cpu' or 'cuda:0'",
    "enable_grad": _RECORDED,
    "from_numpy": "write tl.tensor(array), or tl.from_dlpack(array), which does not copy",
    "inference_mode": _RECORDED,
    "manual_seed": "write tl.seed(n)",
    "mm": "write tl.matmul(x, y), or x @ y",
    "no_grad": _RECORDED,
    "permute": "write tl.transpose(x, axes)",
    "pow": "write tl.power(x, n), or x ** n",
    "rand": "write tl.random.uniform(key, shape) with a key of tl.random.key(seed)",
    "randn": "write tl.random.normal(key, shape) with a key of tl.random.key(seed)",
    "set_default_device": "write tl.use_backend(name)",
    "set_grad_enabled": _RECORDED,
    "set_num_threads": "write tl.blas_threads(n)",
    "unsqueeze": "write tl.expand_dims(x, axis)",
}
"""Names in the package itself."""


_INNER: Final = frozenset(
    (
        "as_tensor",
        "dlpack_device",
        "evaluated",
        "expressed",
        "getitem",
        "session_device",
        "settled",
        "to_dlpack",
        "to_numpy",
    )
)
"""Functions that the graph finds by name, and ``tl`` does not offer."""


def unknown(owner: str, name: str, instead: Mapping[str, str], found: Any, functions: Container[str] = ()) -> NoReturn:
    """Raise for the attribute ``name``, which ``found`` does not have; ``functions`` are those that ``tl`` has.

    Raises:
        UnknownNameError: when it is known what to say instead.
        AttributeError: in Python's words otherwise.
    """
    told = instead.get(name)
    if told is None and name in functions and name not in _INNER:
        told = f"it is a function: tl.{name}(x)"
    if told is not None:
        raise UnknownNameError(f"{owner} has no {name!r}: {told}")
    raise AttributeError(f"{owner} has no attribute {name!r}", name=name, obj=found)


def answer(module: str, owner: str, instead: Mapping[str, str]) -> None:
    """Give a module a ``__getattr__``. Type checkers do not see it, and still find names that are not there."""

    def missing(name: str) -> NoReturn:
        unknown(owner, name, instead, sys.modules[module])

    vars(sys.modules[module])["__getattr__"] = missing
