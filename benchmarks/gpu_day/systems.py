"""The ways to run a training step of an LSTM layer: this package's, and PyTorch's.

The step is the sum of the squares of all hidden states, and its gradients by the inputs and all weights. A system is
made for a shape and gives a function of the number of the step, which takes four inputs by turns.
"""

import functools
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, NamedTuple

import numpy as np

import tinygrad_lstm as tl

__all__ = ["Shape", "Step", "cpu_systems", "gpu_systems", "torch_with_cuda", "training_step"]

ROTATED: Final = 4
Step = Callable[[int], Any]


class Shape(NamedTuple):
    """``T`` steps, batch ``B``, ``H`` inputs and as many units.

    >>> print(Shape(100, 64, 512), "and", Shape(50, 128, 512, "float16"))
    T = 100, B = 64, H = 512 and T = 50, B = 128, H = 512, float16
    """

    steps: int
    batch: int
    units: int
    dtype: str = "float32"

    def __str__(self) -> str:
        wide = "" if self.dtype == "float32" else f", {self.dtype}"
        return f"T = {self.steps}, B = {self.batch}, H = {self.units}{wide}"


def torch_with_cuda(tf32: bool) -> Any:
    """PyTorch with CUDA, or None."""
    try:
        torch = import_module("torch")
    except ImportError:
        return None
    if not torch.cuda.is_available():
        return None
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    return torch


def gpu_systems(torch: Any) -> dict[str, Callable[[Shape], Step]]:
    """The systems on the GPU, this package's first."""
    systems: dict[str, Callable[[Shape], Step]] = {"cupy, jit": functools.partial(_ours, "cupy", True)}
    if torch is not None:
        systems["torch.nn.LSTM"] = functools.partial(_torch_layer, torch)
        systems["torch, eager cell"] = functools.partial(_torch_cell, torch, False)
        systems["torch.compile"] = functools.partial(_torch_cell, torch, True)
    systems["cupy, interpreter"] = functools.partial(_ours, "cupy", False)
    return systems


def cpu_systems() -> dict[str, Callable[[Shape], Step]]:
    """The compiled step on the GPU and on the CPU."""
    return {f"{name}, jit": functools.partial(_ours, name, True) for name in ("cupy", "c", "numpy")}


def _inputs(shape: Shape) -> list[Any]:
    random = np.random.default_rng(0)
    size = (shape.steps, shape.batch, shape.units)
    return [random.normal(size=size).astype(shape.dtype) for _ in range(ROTATED)]


def training_step(shape: Shape) -> tuple[Callable[[Any], Any], list[Any]]:
    """The step of this package, not compiled, and its inputs, on the backend in use."""
    layer = tl.nn.LSTM(shape.units, shape.units, key=tl.random.key(0), dtype=shape.dtype)
    xs = tl.evaluate(*[tl.tensor(x) for x in _inputs(shape)])

    def training(x: Any) -> Any:
        y, _ = layer(x)
        loss = (y * y).sum()
        return loss, tl.gradients(loss, [x, *layer.parameters()])

    return training, list(xs)


def _ours(name: str, compiled: bool, shape: Shape) -> Step:
    with tl.use_backend(name):
        training, xs = training_step(shape)

    step = tl.jit(training) if compiled else lambda x: _evaluated(*training(x))

    def run(k: int) -> Any:
        with tl.use_backend(name):
            return step(xs[k % ROTATED])

    return run


def _evaluated(loss: Any, gradients: list[Any]) -> Any:
    return tl.evaluate(loss, *gradients)


def _torch_layer(torch: Any, shape: Shape) -> Step:
    layer = torch.nn.LSTM(shape.units, shape.units).to("cuda", getattr(torch, shape.dtype))
    xs = [torch.tensor(x, device="cuda", requires_grad=True) for x in _inputs(shape)]

    def run(k: int) -> Any:
        x = xs[k % ROTATED]
        y, _ = layer(x)
        return torch.autograd.grad((y * y).sum(), [x, *layer.parameters()])

    return run


def _torch_cell(torch: Any, compiled: bool, shape: Shape) -> Step:
    """The four equations in PyTorch, eager or compiled, as a function of the number of the step."""
    dtype, units = getattr(torch, shape.dtype), shape.units
    weights = [(torch.randn(2 * units, units, device="cuda") / units).to(dtype).requires_grad_() for _ in range(4)]
    biases = [torch.zeros(units, device="cuda", dtype=dtype, requires_grad=True) for _ in range(4)]
    xs = [torch.tensor(x, device="cuda", requires_grad=True) for x in _inputs(shape)]

    def cell(x: Any, h: Any, c: Any) -> Any:
        hx = torch.cat([h, x], dim=1)
        f, i, g, o = (hx @ w + b for w, b in zip(weights, biases, strict=True))
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    step = cell
    if compiled:
        # Else it would compile for any size at the second shape, and give up after a few.
        torch.compiler.reset()
        step = torch.compile(cell, dynamic=False)

    def run(k: int) -> Any:
        x = xs[k % ROTATED]
        h = c = torch.zeros(shape.batch, units, device="cuda", dtype=dtype)
        ys = []
        for x_t in x:
            h, c = step(x_t, h, c)
            ys.append(h)
        y = torch.stack(ys)
        return torch.autograd.grad((y * y).sum(), [x, *weights, *biases])

    return run
