"""Attributes and names that people know from PyTorch and other libraries, and what to write here instead."""

from collections.abc import Mapping
from typing import Final

__all__ = ["ARRAYS", "FRAMEWORK", "LAYERS", "MODULES", "OPTIM", "OPTIMISERS", "RANDOM"]

_CAST: Final = "element types are changed by .astype({})"
_KEPT: Final = "a tensor never changes and needs no copy; leave it out"
_MODE: Final = "there is no mode: tl.nn.deterministic(model) is the model without chance"
_RECORDED: Final = "nothing is recorded that is not asked for; leave it out, or cut a gradient with tl.stop_gradient(x)"
_WEIGHTS: Final = (
    "each cell has its layers by name, as in model.cells[0].forget.weight; "
    "tl.nn.to_pytorch(model) names them as PyTorch does"
)
_TRAINED: Final = "what is trained is a Parameter: tl.Parameter(value); to freeze one, do not give it to the optimiser"

ARRAYS: Final[Mapping[str, str]] = {
    "add_": "a tensor never changes: write x = x + y",
    "bmm": "write x @ y",
    "bool": _CAST.format("tl.bool_"),
    "byte": _CAST.format("tl.bool_"),
    "clamp": "write x.clip(min, max)",
    "clamp_": "a tensor never changes: write x = x.clip(min, max)",
    "clone": _KEPT,
    "contiguous": _KEPT,
    "copy_": "a tensor never changes: write x = y",
    "cpu": "write x.to('cpu')",
    "cuda": "write x.to('cuda')",
    "data": "x.detach() reads the value, and p.assign(value) changes that of a Parameter",
    "detach_": "write x.detach(), which gives a tensor without history",
    "dim": "write x.ndim",
    "div_": "a tensor never changes: write x = x / y",
    "double": _CAST.format("tl.float64"),
    "expand": "write tl.broadcast_to(x, shape)",
    "fill_": "a tensor never changes: write x = tl.full_like(x, value)",
    "float": _CAST.format("tl.float32"),
    "gather": "write tl.take_along_axis(x, indices, axis)",
    "grad": "only a Parameter has a .grad; tl.gradients(y, x) gives the gradient by any tensor",
    "grad_fn": "tl.printed(x) shows how x was computed, and tl.draw.graph(x) draws it",
    "half": _CAST.format("tl.float16"),
    "index_select": "write tl.take(x, indices, axis)",
    "int": _CAST.format("tl.int32"),
    "is_cuda": "read x.device, which is 'cpu' or 'cuda:0'",
    "is_leaf": "leaves need not be distinguished; tl.gradients(y, x) gives the gradient by any tensor",
    "long": _CAST.format("tl.int64"),
    "masked_fill": "write tl.where(mask, value, x)",
    "masked_fill_": "a tensor never changes: write x = tl.where(mask, value, x)",
    "mm": "write x @ y",
    "movedim": "write tl.moveaxis(x, source, destination)",
    "mul_": "a tensor never changes: write x = x * y",
    "numel": "write x.size",
    "permute": "write x.transpose(axes)",
    "pow": "write x ** n",
    "requires_grad": _TRAINED,
    "requires_grad_": _TRAINED,
    "retain_grad": "tl.gradients(y, x) gives the gradient by any tensor",
    "scatter_": "a tensor never changes: write x.at[indices].set(values)",
    "sub_": "a tensor never changes: write x = x - y",
    "t": "write x.T",
    "unsqueeze": "write tl.expand_dims(x, axis)",
    "view": "write x.reshape(shape)",
    "zero_": "gradients are forgotten by optimizer.zero_grad(), or p.grad = None; a Parameter is set by p.assign(…)",
}
"""Of tensors, Parameters and States."""

MODULES: Final[Mapping[str, str]] = {
    "apply": "loop over model.named_parameters(), and p.assign(…) a new value",
    "buffers": "model.named_variables() lists Parameters and States",
    "children": "model.named_parameters() and model.named_variables() list what it holds",
    "compile": "write tl.jit(model), or @tl.jit on a step of training",
    "cpu": "write model.to('cpu')",
    "cuda": "write model.to('cuda')",
    "double": "give dtype=tl.float64 where the module is made",
    "eval": _MODE,
    "flatten_parameters": "leave it out; there is nothing to flatten",
    "float": "float32 is the default of dtype= where the module is made",
    "half": "give dtype=tl.float16 where the module is made; weights of a file come by load_state_dict",
    "named_buffers": "model.named_variables() lists Parameters and States",
    "register_buffer": "assign a State: self.name = tl.State(value)",
    "register_parameter": "assign a Parameter: self.name = tl.Parameter(value)",
    "requires_grad_": _TRAINED,
    "train": _MODE,
    "weight_hh_l0": _WEIGHTS,
    "weight_ih_l0": _WEIGHTS,
}
"""Attributes of modules."""

LAYERS: Final[Mapping[str, str]] = {
    "AvgPool2d": "pictures are not what this package is for: it has layers for sequences",
    "BCEWithLogitsLoss": "it is a function: tl.nn.bce_with_logits",
    "BatchNorm1d": "there is tl.nn.LayerNorm, which needs no statistics of a batch",
    "BatchNorm2d": "there is tl.nn.LayerNorm, which needs no statistics of a batch",
    "Conv1d": "pictures are not what this package is for: it has layers for sequences",
    "Conv2d": "pictures are not what this package is for: it has layers for sequences",
    "Conv3d": "pictures are not what this package is for: it has layers for sequences",
    "CrossEntropyLoss": "it is a function: tl.nn.cross_entropy",
    "Flatten": "write x.reshape((len(x), -1))",
    "GELU": "it is a function: tl.gelu",
    "GroupNorm": "there is tl.nn.LayerNorm, which needs no statistics of a batch",
    "MSELoss": "it is a function: tl.nn.mse",
    "MaxPool2d": "pictures are not what this package is for: it has layers for sequences",
    "ModuleDict": "a plain dict of modules serves",
    "ModuleList": "a plain list of modules serves",
    "MultiheadAttention": "attention is one line: tl.softmax(q @ k.T, axis=-1) @ v",
    "NLLLoss": "tl.nn.cross_entropy takes logits",
    "Parameter": "it is tl.Parameter",
    "ReLU": "it is a function: tl.relu",
    "Sigmoid": "it is a function: tl.sigmoid",
    "Softmax": "it is a function: tl.softmax",
    "Tanh": "it is a function: tl.tanh",
    "functional": "activations are functions in tl, such as tl.relu, and losses in tl.nn, such as tl.nn.cross_entropy",
    "init": "it is tl.nn.initializers",
    "l1_loss": "write tl.abs(y - target).mean()",
    "mse_loss": "it is tl.nn.mse",
    "utils": "clipping is tl.optim.clip_grad_norm; a recurrent layer takes sequences of different lengths by lengths=",
}
"""Names in ``tl.nn``."""

FRAMEWORK: Final[Mapping[str, str]] = {
    "Variable": "a tensor needs no wrapper; what is trained is tl.Parameter(value)",
    "array": "write tl.tensor(value)",
    "as_tensor": "write tl.tensor(value)",
    "asarray": "write tl.tensor(value)",
    "autograd": "write tl.gradients(ys, xs), or tl.grad(f)",
    "bmm": "write tl.matmul(x, y), or x @ y",
    "bool": "the element type is tl.bool_, or Python's bool",
    "cat": "write tl.concatenate(arrays, axis)",
    "clamp": "write tl.clip(x, min, max)",
    "clip_grad_norm_": "it is tl.optim.clip_grad_norm(parameters, norm)",
    "compile": "write tl.jit(f), or @tl.jit",
    "cond": "choose between values with tl.where(condition, a, b)",
    "cuda": "tl.describe_backends() lists what works here, and tl.use_backend('cupy') takes the GPU",
    "device": "a device is called by its name, 'cpu' or 'cuda:0'",
    "double": "the element type is tl.float64",
    "enable_grad": _RECORDED,
    "float": "the element type is tl.float32, or Python's float",
    "fori_loop": "write tl.scan(f, start, None, length=n)",
    "from_numpy": "write tl.tensor(array), or tl.from_dlpack(array), which does not copy",
    "gather": "write tl.take_along_axis(x, indices, axis)",
    "half": "the element type is tl.float16",
    "index_select": "write tl.take(x, indices, axis)",
    "inference_mode": _RECORDED,
    "int": "the element type is tl.int64, or Python's int",
    "long": "the element type is tl.int64",
    "manual_seed": "write tl.seed(n)",
    "masked_fill": "write tl.where(mask, value, x)",
    "mm": "write tl.matmul(x, y), or x @ y",
    "no_grad": _RECORDED,
    "permute": "write tl.transpose(x, axes)",
    "pmap": "there is one device for a program; see docs/gpu.md",
    "pow": "write tl.power(x, n), or x ** n",
    "rand": "write tl.random.uniform(key, shape) with a key of tl.random.key(seed)",
    "randn": "write tl.random.normal(key, shape) with a key of tl.random.key(seed)",
    "register_pytree_node_class": "write tl.register_pytree_node(cls, flatten, unflatten)",
    "save_state": "write tl.save(path, model)",
    "set_default_device": "write tl.use_backend(name)",
    "set_grad_enabled": _RECORDED,
    "set_num_threads": "write tl.blas_threads(n)",
    "tree_map": "containers are followed wherever values are taken; in your own code write a loop or a comprehension",
    "unsqueeze": "write tl.expand_dims(x, axis)",
    "vmap": "operations work on leading axes; a scan over one axis is tl.scan",
    "while_loop": "write tl.scan over a number of steps that is known, and tl.where for what is done no longer",
}
"""Names in the package itself."""

OPTIMISERS: Final[Mapping[str, str]] = {
    "add_param_group": "make another optimiser for the other parameters",
    "param_groups": "an optimiser has one learning rate, optimizer.lr, which can be assigned; make one for each group",
    "state": "moments and the step count are in optimizer.state_dict()",
}
"""Attributes of optimisers."""

OPTIM: Final[Mapping[str, str]] = {
    "clip_grad_norm_": "it is tl.optim.clip_grad_norm",
    "clip_grad_value_": "it is tl.optim.clip_grad_value",
    "lr_scheduler": "schedules are in tl.optim.schedules, such as tl.optim.schedules.Plateau",
}
"""Names in ``tl.optim``."""

RANDOM: Final[Mapping[str, str]] = {
    "choice": "write tl.take(x, tl.random.randint(key, shape, 0, len(x)))",
    "default_rng": "write tl.random.key(seed)",
    "manual_seed": "write tl.seed(n), or give each function a key of tl.random.key(seed)",
    "rand": "write tl.random.uniform(key, shape) with a key of tl.random.key(seed)",
    "randn": "write tl.random.normal(key, shape) with a key of tl.random.key(seed)",
    "shuffle": "write tl.random.permutation(key, x)",
}
"""Names in ``tl.random``."""
