"""Modules made of modules, ``LayerNorm``, and ``Identity``."""

from collections.abc import Callable
from typing import Any, ClassVar

from tinygrad_lstm.errors import ShapeError, UsageError
from tinygrad_lstm.functions.filling import ones, zeros
from tinygrad_lstm.functions.statistics import mean
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.dtypes import float32
from tinygrad_lstm.graph.scopes import Role, scope
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Parameter
from tinygrad_lstm.nn.inputs import beside, expect_last
from tinygrad_lstm.nn.layers import sizes
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.ops.elementwise import sqrt
from tinygrad_lstm.reflexes import is_function

__all__ = ["Identity", "LayerNorm", "Residual", "Sequential"]


class Identity(Module):
    """``y = x``: takes the place of a layer that only variants have.

    >>> print(tl.nn.Identity()(tl.ones(2)))
    [1. 1.]
    """

    def forward(self, x: Any, *_: Any) -> Any:
        """``x``; other arguments are ignored."""
        return x


class LayerNorm(Module):
    """``y = (x − μ) / √(σ² + ε) ∘ g + b`` with mean and variance over the last axis.

    Shapes: x and y ``(…, features)``, g (``weight``, ones at the start) and b (``bias``, zeros) ``(features,)``.

    Source: J. Ba, J. Kiros, G. Hinton, "Layer normalization", 2016.

    Args:
        features: length of the last axis.
        bias: whether to add b.
        eps: keeps the division finite where all of x are equal.

    >>> print(tl.nn.LayerNorm(3, eps=0.0)(tl.tensor([1.0, 2.0, 3.0])).numpy().round(4))
    [-1.2247  0.      1.2247]
    """

    role: ClassVar[Role | None] = "layer"

    def __init__(self, features: int, bias: bool = True, *, eps: float = 1e-5, dtype: Any = float32) -> None:
        sizes("LayerNorm", features=features)
        if not eps >= 0:
            raise UsageError(f"LayerNorm: eps is a number of at least 0, not {eps}")
        self.features, self.eps = features, eps
        self.weight = Parameter(ones(features, dtype))
        self.bias = Parameter(zeros(features, dtype)) if bias else None

    def forward(self, x: Any) -> Tensor:
        """``x`` normalised.

        Raises:
            ShapeError: when the last axis of ``x`` is not ``features`` long.
        """
        node = expect_last(self, x, self.features)
        with scope("normalise", role="function"):
            centred = node - mean(node, -1, keepdims=True)
            y = centred / sqrt(mean(centred * centred, -1, keepdims=True) + self.eps) * self.weight
            return y if self.bias is None else y + self.bias


class Sequential(Module):
    """Modules one after the other: ``y = fₙ(… f₂(f₁(x)))``.

    A recurrent layer gives its outputs and its state. Its outputs go on to the next module, and its state is left; the
    last module of all gives what it gives by itself, so a recurrent one the pair. Where the state is carried on, write
    a module of your own.

    Args:
        layers: modules, or functions such as ``tl.tanh``.

    Raises:
        UsageError: for something that cannot be called.

    >>> model = tl.nn.Sequential(tl.nn.Linear(3, 4), tl.tanh, tl.nn.Linear(4, 2))
    >>> model(tl.ones((5, 3))).shape, [path for path, _ in model.named_parameters()][0]
    ((5, 2), 'layers.0.weight')
    >>> tagger = tl.nn.Sequential(tl.nn.Embedding(9, 3), tl.nn.GRU(3, 4), tl.nn.Linear(4, 2))
    >>> tagger(tl.zeros((6, 1), tl.int32)).shape
    (6, 1, 2)
    """

    def __init__(self, *layers: Callable[[Any], Any]) -> None:
        for k, layer in enumerate(layers):
            if isinstance(layer, type):
                raise UsageError(
                    f"Sequential: layer {k} is the class {layer.__name__}; make a layer of it, {layer.__name__}(…)"
                )
            if not is_function(layer):
                raise UsageError(f"Sequential: layer {k} is {layer!r}; give modules and functions, one by one")
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        """``x`` through all layers."""
        for k, layer in enumerate(self.layers):
            x = layer(x)
            if getattr(layer, "over_time", False) and k + 1 < len(self.layers):
                x, _ = x
        return x


class Residual(Module):
    """``y = x + f(x)``: signal and gradient pass by the module unchanged, and the module adds to them.

    Source: K. He et al., "Deep residual learning for image recognition", 2016.

    >>> block = tl.nn.Residual(tl.nn.Sequential(tl.nn.LayerNorm(4), tl.nn.Linear(4, 4), tl.relu))
    >>> block(tl.ones((2, 4))).shape
    (2, 4)
    """

    def __init__(self, module: Callable[[Any], Any]) -> None:
        if not is_function(module):
            raise UsageError(f"Residual: a module or a function is wanted, not {module!r}")
        self.module = module

    def forward(self, x: Any) -> Tensor:
        """``x + f(x)``.

        Raises:
            ShapeError: when ``f(x)`` has another shape than ``x``.
        """
        node = beside(self, x)
        added = as_tensor(self.module(node))
        if added.shape != node.shape:
            raise ShapeError(
                f"Residual: x has the shape {list(node.shape)}, f(x) {list(added.shape)}; they must be equal"
            )
        return node + added
