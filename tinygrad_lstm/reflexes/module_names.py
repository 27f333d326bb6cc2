"""Layers, losses, optimisers and their attributes in other libraries, and what to write here instead."""

from collections.abc import Mapping
from typing import Final

__all__ = ["INITIALISERS", "LAYERS", "MODULES", "OPTIM", "OPTIMISERS", "SCHEDULES"]

LAYERS: Final[Mapping[str, str]] = {
    "AvgPool1d": "write x.reshape((n, size, features)).mean(axis=1)",
    "AvgPool2d": "pictures are not what this package is for: it has layers for sequences",
    "BCELoss": "tl.nn.bce_with_logits takes the numbers before the sigmoid, which is safer",
    "BCEWithLogitsLoss": "it is a function: tl.nn.bce_with_logits",
    "BatchNorm1d": "there is tl.nn.LayerNorm, which needs no statistics of a batch",
    "BatchNorm2d": "there is tl.nn.LayerNorm, which needs no statistics of a batch",
    "Bilinear": "write tl.einsum('bi,oij,bj->bo', x, weight, y), with a tl.Parameter as weight",
    "CTCLoss": "sequences are scored step by step here: tl.nn.cross_entropy",
    "Conv1d": "pictures are not what this package is for: it has layers for sequences",
    "Conv2d": "pictures are not what this package is for: it has layers for sequences",
    "Conv3d": "pictures are not what this package is for: it has layers for sequences",
    "CosineEmbeddingLoss": "write it: 1 - (x * y).sum(axis=-1) / (tl.norm(x, axis=-1) * tl.norm(y, axis=-1))",
    "CosineSimilarity": "write it: (x * y).sum(axis=-1) / (tl.norm(x, axis=-1) * tl.norm(y, axis=-1))",
    "CrossEntropyLoss": "it is a function: tl.nn.cross_entropy",
    "Dense": "it is tl.nn.Linear(in_features, out_features)",
    "ELU": "it is a function: tl.elu",
    "Flatten": "write x.reshape((len(x), -1))",
    "GELU": "it is a function: tl.gelu",
    "GroupNorm": "there is tl.nn.LayerNorm, which needs no statistics of a batch",
    "HuberLoss": "it is a function: tl.nn.huber",
    "KLDivLoss": "it is a function: tl.nn.kl_div",
    "L1Loss": "it is a function: tl.nn.mae",
    "LeakyReLU": "it is a function: tl.leaky_relu",
    "LogSoftmax": "it is a function: tl.log_softmax",
    "MSELoss": "it is a function: tl.nn.mse",
    "MaxPool2d": "pictures are not what this package is for: it has layers for sequences",
    "ModuleDict": "a plain dict of modules serves",
    "ModuleList": "a plain list of modules serves",
    "MultiheadAttention": "attention is one line: tl.softmax(q @ k.T, axis=-1) @ v",
    "NLLLoss": "tl.nn.cross_entropy takes logits",
    "Parameter": "it is tl.Parameter",
    "ParameterDict": "a plain dict of Parameters serves",
    "ParameterList": "a plain list of Parameters serves",
    "ReLU": "it is a function: tl.relu",
    "SiLU": "it is a function: tl.silu",
    "Sigmoid": "it is a function: tl.sigmoid",
    "SimpleRNN": "it is tl.nn.RNN(input_size, hidden_size)",
    "SmoothL1Loss": "it is a function: tl.nn.huber",
    "Softmax": "it is a function: tl.softmax",
    "Softplus": "it is a function: tl.softplus",
    "Tanh": "it is a function: tl.tanh",
    "Transformer": ("this package is about recurrent layers; attention is one line: tl.softmax(q @ k.T, axis=-1) @ v"),
    "TransformerEncoderLayer": (
        "this package is about recurrent layers; attention is one line: tl.softmax(q @ k.T, axis=-1) @ v"
    ),
    "TripletMarginLoss": "write it: tl.relu(near - far + margin).mean()",
    "accuracy": "write (tl.argmax(scores, axis=-1) == targets).astype(tl.float32).mean()",
    "binary_cross_entropy": "tl.nn.bce_with_logits takes the numbers before the sigmoid, which is safer",
    "binary_cross_entropy_with_logits": "it is tl.nn.bce_with_logits",
    "dropout": "it is a module: tl.nn.Dropout(p)",
    "functional": (
        "activations are functions in tl, such as tl.relu, and losses in tl.nn, such as tl.nn.cross_entropy"
    ),
    "gelu": "it is tl.gelu",
    "init": "it is tl.nn.initializers",
    "l1_loss": "write tl.abs(y - target).mean()",
    "linear": "write x @ weight + bias, or tl.nn.Linear(in_features, out_features)",
    "log_softmax": "it is tl.log_softmax",
    "mse_loss": "it is tl.nn.mse",
    "nll_loss": "it is tl.nn.nll",
    "one_hot": "it is tl.one_hot",
    "pack_padded_sequence": (
        "a recurrent layer takes sequences of different lengths by lengths=: outputs, state = layer(x, lengths=lengths)"
    ),
    "pad_packed_sequence": "outputs of a recurrent layer are padded with zeros; leave it out",
    "pad_sequence": (
        "write tl.stack([tl.pad(x, [(0, longest - len(x)), (0, 0)]) for x in xs], axis=1), and give the layer lengths="
    ),
    "relu": "it is tl.relu",
    "sigmoid": "it is tl.sigmoid",
    "smooth_l1_loss": "it is tl.nn.huber",
    "softmax": "it is tl.softmax",
    "tanh": "it is tl.tanh",
    "utils": (
        "clipping is tl.optim.clip_grad_norm; a recurrent layer takes sequences of different lengths by lengths="
    ),
}
"""Names in ``tl.nn``."""

MODULES: Final[Mapping[str, str]] = {
    "load": "write model.load_state_dict(tl.load(path))",
    "add_module": "assign it: self.name = module",
    "all_weights": (
        "each cell has its layers by name, as in model.cells[0].forget.weight; tl.nn.to_pytorch(model) names "
        "them as PyTorch does"
    ),
    "append": "write tl.nn.Sequential(*model.layers, another)",
    "apply": "loop over model.named_parameters(), and p.assign(…) a new value",
    "bias_hh_l0": (
        "each cell has its layers by name, as in model.cells[0].forget.weight; tl.nn.to_pytorch(model) names "
        "them as PyTorch does"
    ),
    "bias_ih_l0": (
        "each cell has its layers by name, as in model.cells[0].forget.weight; tl.nn.to_pytorch(model) names "
        "them as PyTorch does"
    ),
    "buffers": "model.named_variables() lists Parameters and States",
    "build": "sizes are given where the module is made",
    "children": "model.named_parameters() and model.named_variables() list what it holds",
    "compile": "write tl.jit(model), or @tl.jit on a step of training",
    "cpu": "write model.to('cpu')",
    "cuda": "write model.to('cuda')",
    "device": "read model.parameters()[0].device",
    "double": "give dtype=tl.float64 where the module is made",
    "eval": "there is no mode: tl.nn.deterministic(model) is the model without chance",
    "fit": "write the loop: loss.backward(), optimizer.step(); or tl.train.Trainer(model, loss, batches, epochs=3)",
    "flatten_parameters": "leave it out; there is nothing to flatten",
    "float": "float32 is the default of dtype= where the module is made",
    "freeze": "do not give its parameters to the optimiser",
    "from_pretrained": "write model.weight.assign(value)",
    "half": "give dtype=tl.float16 where the module is made; weights of a file come by load_state_dict",
    "init": "initial values are drawn where the module is made, with key=",
    "init_hidden": "write model.zeros(batch), or give no state",
    "init_weights": "loop over model.named_parameters(), and p.assign(…) a new value",
    "load_weights": "write model.load_state_dict(tl.load(path))",
    "modules": "model.named_parameters() and model.named_variables() list what it holds",
    "named_buffers": "model.named_variables() lists Parameters and States",
    "named_children": "model.named_parameters() and model.named_variables() list what it holds",
    "named_modules": "model.named_parameters() and model.named_variables() list what it holds",
    "predict": "write model(x)",
    "register_buffer": "assign a State: self.name = tl.State(value)",
    "register_forward_hook": "name a value with x.named(name), and read it from the graph",
    "register_parameter": "assign a Parameter: self.name = tl.Parameter(value)",
    "requires_grad": (
        "what is trained is a Parameter: tl.Parameter(value); to freeze one, do not give it to the optimiser"
    ),
    "requires_grad_": (
        "what is trained is a Parameter: tl.Parameter(value); to freeze one, do not give it to the optimiser"
    ),
    "reset_parameters": "make the module again, with another key",
    "reset_states": "the state is given with each call: outputs, state = layer(x, state)",
    "save": "write tl.save(path, model)",
    "share_memory": "threads may share it; leave it out",
    "summary": "write print(model), which lists its layers and their sizes",
    "train": "there is no mode: tl.nn.deterministic(model) is the model without chance",
    "trainable_variables": "write model.parameters()",
    "training": "there is no mode: tl.nn.deterministic(model) is the model without chance",
    "variables": "write model.named_variables()",
    "weight_hh_l0": (
        "each cell has its layers by name, as in model.cells[0].forget.weight; tl.nn.to_pytorch(model) names "
        "them as PyTorch does"
    ),
    "weight_ih_l0": (
        "each cell has its layers by name, as in model.cells[0].forget.weight; tl.nn.to_pytorch(model) names "
        "them as PyTorch does"
    ),
    "weights": "write model.parameters()",
}
"""Attributes of modules."""

INITIALISERS: Final[Mapping[str, str]] = {
    "constant": "write lambda key, shape, dtype=tl.float32: tl.full(shape, value, dtype)",
    "glorot_normal": "it is tl.nn.initializers.xavier_normal()",
    "glorot_uniform": "it is tl.nn.initializers.xavier_uniform()",
    "kaiming_normal": "it is tl.nn.initializers.he_normal()",
    "kaiming_normal_": "it is tl.nn.initializers.he_normal(), given as init=",
    "kaiming_uniform": "it is tl.nn.initializers.he_uniform()",
    "kaiming_uniform_": "it is tl.nn.initializers.he_uniform(), given as init=",
    "normal_": "it is tl.nn.initializers.normal(), given as init=",
    "orthogonal_": "it is tl.nn.initializers.orthogonal(), given as init=",
    "uniform_": "it is tl.nn.initializers.uniform(low, high), given as init=",
    "xavier_normal_": "it is tl.nn.initializers.xavier_normal(), given as init=",
    "xavier_uniform_": "it is tl.nn.initializers.xavier_uniform(), given as init=",
}
"""Names in ``tl.nn.initializers``."""

OPTIM: Final[Mapping[str, str]] = {
    "ASGD": "there is tl.optim.Average, which averages parameters",
    "Adamax": "there are tl.optim.Adam and tl.optim.RMSprop",
    "EMA": "there is tl.optim.Average, which averages parameters",
    "LBFGS": "SciPy's takes tl.value_and_grad(f)",
    "LRScheduler": "schedules are in tl.optim.schedules, such as tl.optim.schedules.Plateau",
    "NAdam": "there is tl.optim.Adam",
    "RAdam": "there is tl.optim.Adam, and tl.optim.schedules.warm_up for its first steps",
    "RMSProp": "it is tl.optim.RMSprop",
    "Rprop": "there is tl.optim.RMSprop",
    "SWA": "there is tl.optim.Average, which averages parameters",
    "adamw": "it is tl.optim.AdamW",
    "clip_grad_norm_": "it is tl.optim.clip_grad_norm",
    "clip_grad_value_": "it is tl.optim.clip_grad_value",
    "lr_scheduler": "schedules are in tl.optim.schedules, such as tl.optim.schedules.Plateau",
    "rmsprop": "it is tl.optim.RMSprop",
    "swa_utils": "there is tl.optim.Average, which averages parameters",
}
"""Names in ``tl.optim``."""

OPTIMISERS: Final[Mapping[str, str]] = {
    "backward": "write loss.backward(), and then optimizer.step()",
    "add_param_group": "make another optimiser for the other parameters",
    "apply_gradients": "write loss.backward() and optimizer.step()",
    "defaults": "settings are attributes, such as optimizer.lr",
    "get_last_lr": "read optimizer.lr",
    "get_lr": "read optimizer.lr",
    "init": "moments are made with the optimiser: tl.optim.Adam(model.parameters(), lr=1e-3)",
    "learning_rate": "it is optimizer.lr, which can be assigned",
    "minimize": "write loss.backward() and optimizer.step()",
    "param_groups": (
        "an optimiser has one learning rate, optimizer.lr, which can be assigned; make one for each group"
    ),
    "parameters": "write optimizer.parameters_to_update",
    "params": "write optimizer.parameters_to_update",
    "set_lr": "write optimizer.lr = value",
    "state": "moments and the step count are in optimizer.state_dict()",
    "update": "write loss.backward() and optimizer.step()",
}
"""Attributes of optimisers."""

SCHEDULES: Final[Mapping[str, str]] = {
    "CosineAnnealingLR": "it is tl.optim.schedules.cosine(lr, steps)",
    "ExponentialLR": "it is tl.optim.schedules.exponential(lr, factor)",
    "LambdaLR": "a schedule is any function of the step",
    "LinearLR": "it is tl.optim.schedules.warm_up(steps, after)",
    "OneCycleLR": "it is tl.optim.schedules.one_cycle(peak, steps)",
    "ReduceLROnPlateau": "it is tl.optim.schedules.Plateau",
    "StepLR": "it is tl.optim.schedules.step_decay(lr, every, factor)",
    "cosine_decay": "it is tl.optim.schedules.cosine(lr, steps)",
    "exponential_decay": "it is tl.optim.schedules.exponential(lr, factor)",
    "linear": "a schedule is any function of the step: lambda step: lr * (1 - step / steps)",
}
"""Names in ``tl.optim.schedules``."""
