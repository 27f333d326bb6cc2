"""What the package and its namespaces are asked for in other libraries, and what to write here instead."""

from collections.abc import Mapping
from typing import Final

__all__ = ["COMPILED", "DATA", "DRAW", "DRAWINGS", "FRAMEWORK", "RANDOM", "TESTING", "TRAIN"]

FRAMEWORK: Final[Mapping[str, str]] = {
    "DataLoader": "write tl.data.Batches((x, y), 32, seed=0); batches of a text are tl.data.Windows",
    "F": ("activations are functions in tl, such as tl.relu, and losses in tl.nn, such as tl.nn.cross_entropy"),
    "FloatTensor": "write tl.tensor(value, dtype=tl.float32)",
    "GradientTape": "nothing has to be recorded: write tl.gradients(y, x), or tl.grad(f)",
    "IntTensor": "write tl.tensor(value, dtype=tl.int32)",
    "LongTensor": "write tl.tensor(value, dtype=tl.int64)",
    "Module": "it is tl.nn.Module",
    "Size": "a shape is a tuple",
    "Symbol": "write x = tl.symbol('x')",
    "Variable": "a tensor needs no wrapper; what is trained is tl.Parameter(value)",
    "apply_along_axis": "functions work on all rows at once, with axis=; else write tl.stack([f(row) for row in x])",
    "array": "write tl.tensor(value)",
    "as_tensor": "write tl.tensor(value)",
    "associative_scan": "write tl.scan(f, init, xs), or tl.cumsum and tl.cumprod",
    "autocast": "give dtype=tl.float16 where the module is made, and train with tl.optim.GradScaler",
    "autograd": "write tl.gradients(ys, xs), or tl.grad(f)",
    "backends": "write tl.backend_names(), or tl.describe_backends()",
    "bernoulli": "write tl.random.bernoulli(key, p, shape)",
    "block_until_ready": "what is read is ready; leave it out",
    "cat": "write tl.concatenate(arrays, axis)",
    "clip_grad_norm_": "it is tl.optim.clip_grad_norm(parameters, norm)",
    "compile": "write tl.jit(f), or @tl.jit",
    "complex128": "there are no complex numbers here",
    "complex64": "there are no complex numbers here",
    "config": ("the backend is chosen by tl.set_backend(name), the element type by dtype= where a value is made"),
    "convolve": "write tl.stack([x[k : k + n] for k in range(len(w))], axis=1) @ w, with the weights reversed",
    "cuda": "tl.describe_backends() lists what works here, and tl.set_backend('cupy') takes the GPU",
    "custom_gradient": "write tl.define_op(name, shape, kernel, gradient)",
    "custom_jvp": "write tl.define_op(name, shape, kernel, jvp=rule)",
    "custom_vjp": "write tl.define_op(name, shape, kernel, gradient)",
    "debug": "print what the function returns; tl.detect_anomaly() finds the first nan",
    "device": "a device is called by its name, 'cpu' or 'cuda:0'",
    "device_put": "write tl.to(x, device)",
    "devices": "write tl.describe_backends()",
    "disable_jit": "f.__wrapped__ of a function under tl.jit is the function itself",
    "double": "the element type is tl.float64",
    "dropout": "it is a module: tl.nn.Dropout(p)",
    "dtype": "element types are tl.float32, tl.int64 and the like, or their names",
    "enable_grad": (
        "nothing is recorded that is not asked for; leave it out, or cut a gradient with tl.stop_gradient(x)"
    ),
    "equals": "write tl.array_equal(x, y)",
    "eval": "write tl.evaluate(x), or y.evaluate({x: 1.0}) to give values to symbols",
    "float": "the element type is tl.float32, or Python's float",
    "flatten": "it is tl.ravel(x)",
    "float_": "the element type is tl.float32, or tl.float64",
    "from_numpy": "write tl.tensor(array), or tl.from_dlpack(array), which does not copy",
    "function": "write tl.jit(f), or @tl.jit",
    "get_default_dtype": "it is tl.float32",
    "half": "the element type is tl.float16",
    "identity": "write tl.eye(n)",
    "inference_mode": (
        "nothing is recorded that is not asked for; leave it out, or cut a gradient with tl.stop_gradient(x)"
    ),
    "int": "the element type is tl.int64, or Python's int",
    "is_available": "write tl.describe_backends()",
    "is_tensor": "write isinstance(x, tl.Tensor)",
    "jacfwd": "write tl.jacobian(f)",
    "jacrev": "write tl.jacobian(f)",
    "lax": "its functions are here: tl.scan, tl.stop_gradient, tl.top_k",
    "logspace": "write 10 ** tl.linspace(start, stop, n)",
    "long": "the element type is tl.int64",
    "make_jaxpr": "tl.printed(y) is the graph as text, and tl.jit(f).explain(x) shows it after each pass",
    "manual_seed": "write tl.seed(n)",
    "map": "write tl.scan(lambda carry, x: (carry, f(x)), None, xs)[1]",
    "multinomial": "write tl.random.categorical(key, logits)",
    "no_grad": ("nothing is recorded that is not asked for; leave it out, or cut a gradient with tl.stop_gradient(x)"),
    "normal": "write tl.random.normal(key, shape)",
    "numel": "write x.size",
    "numpy": "NumPy's functions are here: tl.sum, tl.where, tl.einsum",
    "ones_tensor": "write tl.ones(shape)",
    "placeholder": "write tl.symbol(name, shape)",
    "plot": "a graph is drawn by tl.draw.graph(y)",
    "pmap": "there is one device for a program; see docs/gpu.md",
    "print": "write print(y), tl.text(y) or tl.printed(y)",
    "rand": "write tl.random.uniform(key, shape) with a key of tl.random.key(seed)",
    "randint": "write tl.random.randint(key, shape, low, high)",
    "randn": "write tl.random.normal(key, shape) with a key of tl.random.key(seed)",
    "randperm": "write tl.random.permutation(key, n)",
    "range": "write tl.arange(n)",
    "record": "write tl.observe(model, x), which keeps every value inside that has a name",
    "register_pytree_node_class": "write tl.register_pytree_node(cls, flatten, unflatten)",
    "remat": "write tl.checkpoint(f)",
    "save_state": "write tl.save(path, model)",
    "set_default_device": "write tl.set_backend(name)",
    "set_default_dtype": "give dtype= where a value or a module is made",
    "set_default_tensor_type": "give dtype= where a value or a module is made",
    "set_device": "write tl.set_backend(name), such as 'cupy:1'",
    "set_grad_enabled": (
        "nothing is recorded that is not asked for; leave it out, or cut a gradient with tl.stop_gradient(x)"
    ),
    "set_num_threads": "write tl.blas_threads(n)",
    "set_printoptions": "a value is printed as NumPy prints it: np.set_printoptions(precision=3)",
    "summary": "write print(model), which lists its layers and their sizes",
    "switch": "write tl.cond(index == 0, f, lambda: …), one for each case",
    "symbols": "write x, y = tl.symbol('x'), tl.symbol('y')",
    "tensor_split": "write tl.split(x, parts, axis)",
    "tree_flatten": (
        "containers are followed wherever values are taken; in your own code write a loop or a comprehension"
    ),
    "tree_map": ("containers are followed wherever values are taken; in your own code write a loop or a comprehension"),
    "tree_util": (
        "containers are followed wherever values are taken; a class of yours is made one by tl.register_pytree_node"
    ),
    "uniform": "write tl.random.uniform(key, shape, low, high)",
    "utils": ("clipping is tl.optim.clip_grad_norm, text and windows are in tl.data, checkpoints are tl.checkpoint(f)"),
    "vectorize": "functions of tensors work on all elements at once: write f(x)",
    "visualize": "write tl.draw.graph(y)",
    "zeros_tensor": "write tl.zeros(shape)",
}
"""Names in the package itself."""

RANDOM: Final[Mapping[str, str]] = {
    "PRNGKey": "it is tl.random.key(seed)",
    "RandomState": "write tl.random.key(seed)",
    "beta": "write tl.tensor(np.random.default_rng(seed).beta(a, b, size))",
    "choice": "write tl.take(x, tl.random.randint(key, shape, 0, len(x)))",
    "default_rng": "write tl.random.key(seed)",
    "exponential": "write -tl.log(1 - tl.random.uniform(key, shape))",
    "gamma": "write tl.tensor(np.random.default_rng(seed).gamma(a, size=shape))",
    "get_state": "a key is data: keep tl.random.key(seed)",
    "gumbel": "write -tl.log(-tl.log(tl.random.uniform(key, shape)))",
    "integers": "it is tl.random.randint(key, shape, low, high)",
    "laplace": "write tl.tensor(np.random.default_rng(seed).laplace(size=shape))",
    "manual_seed": "write tl.seed(n), or give each function a key of tl.random.key(seed)",
    "multinomial": "write tl.random.categorical(key, logits)",
    "multivariate_normal": "write mean + tl.random.normal(key, (n, d)) @ tl.cholesky(cov).T",
    "poisson": "write tl.tensor(np.random.default_rng(seed).poisson(mean, size))",
    "rand": "write tl.random.uniform(key, shape) with a key of tl.random.key(seed)",
    "randn": "write tl.random.normal(key, shape) with a key of tl.random.key(seed)",
    "random": "write tl.random.uniform(key, shape)",
    "shuffle": "write tl.random.permutation(key, x)",
    "standard_normal": "write tl.random.normal(key, shape)",
}
"""Names in ``tl.random``."""

DRAW: Final[Mapping[str, str]] = {
    "dot": "write tl.draw.graph(y).dot",
    "draw": "write tl.draw.graph(y), or tl.draw.cell(cell)",
    "gru": "write tl.draw.cell(tl.nn.GRUCell(3, 4))",
    "lstm": "write tl.draw.cell(tl.nn.LSTMCell(3, 4))",
    "make_dot": "write tl.draw.graph(y)",
    "model": "write tl.draw.graph(model, x), or tl.draw.chain(layer)",
    "network": "write tl.draw.graph(model, x), or tl.draw.chain(layer)",
    "plot": "a graph is drawn by tl.draw.graph(y)",
    "rnn": "write tl.draw.cell(tl.nn.RNNCell(3, 4))",
    "show": "write tl.draw.graph(y).show()",
}
"""Names in ``tl.draw``."""

DRAWINGS: Final[Mapping[str, str]] = {
    "export": "write .save('a.svg'), whose ending says the form",
    "pipe": "write .svg(), or .save('a.png')",
    "plot": "write .show(), or .save('a.svg')",
    "render": "write .save('a.svg'), whose ending says the form",
    "savefig": "write .save('a.svg'), whose ending says the form",
    "source": "it is .dot",
    "view": "write .show()",
    "write": "write .save('a.svg'), whose ending says the form",
    "write_png": "write .save('a.png')",
}
"""Attributes of a drawing."""

DATA: Final[Mapping[str, str]] = {
    "DataLoader": "write tl.data.Batches((x, y), 32, seed=0); batches of a text are tl.data.Windows",
    "Dataset": "a text is tl.data.Corpus, and arrays need none",
    "TensorDataset": "arrays need none: write tl.data.Batches((x, y), 32, seed=0)",
    "random_split": "a text is cut by tl.data.split; arrays by tl.random.permutation(key, len(x))",
}
"""Names in ``tl.data``."""

TRAIN: Final[Mapping[str, str]] = {
    "fit": "write tl.train.Trainer(model, loss, batches, epochs=3).run()",
    "save_checkpoint": "a Trainer writes them by itself: trainer.run(checkpoint=path)",
    "train": "write tl.train.Trainer(model, loss, batches, epochs=3).run()",
}
"""Names in ``tl.train``."""

TESTING: Final[Mapping[str, str]] = {
    "assert_allclose": "write np.testing.assert_allclose(x, y), or tl.allclose(x, y)",
    "assert_close": "write np.testing.assert_allclose(x, y), or tl.allclose(x, y)",
    "check_grads": "it is tl.testing.check_gradients(f, x)",
    "gradcheck": "it is tl.testing.check_gradients(f, x)",
    "gradgradcheck": "it is tl.testing.check_gradients(f, x, order=2)",
}
"""Names in ``tl.testing``."""

COMPILED: Final[Mapping[str, str]] = {
    "compile": "it is compiled at the first call; f.program(x) is the program",
    "eval_shape": "write f.graph(x).outputs[0].type",
    "lower": "write f.explain(x), or f.graph(x), f.program(x) and f.source(x)",
    "trace": "write f.graph(x)",
}
"""Attributes of functions under ``tl.jit``."""

UPDATES: Final[Mapping[str, str]] = {
    "apply": "write x.at[key].set(f(x[key]))",
    "divide": "write x.at[key].multiply(1 / value)",
    "mul": "it is x.at[key].multiply(value)",
    "power": "write x.at[key].set(x[key] ** value)",
    "sub": "write x.at[key].add(-value)",
    "subtract": "write x.at[key].add(-value)",
}
"""Attributes of ``x.at[key]``."""
