"""Layers that are not recurrent: ``Linear`` and ``Embedding``."""

import math
from typing import Any, ClassVar

from tinygrad_lstm.errors import DTypeError, UsageError
from tinygrad_lstm.functions import random
from tinygrad_lstm.functions.arrangement import expand_dims
from tinygrad_lstm.graph.dtypes import float32
from tinygrad_lstm.graph.scopes import Role
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import normalize_axis, whole
from tinygrad_lstm.graph.variables import Parameter
from tinygrad_lstm.nn.initializers import Initializer, uniform
from tinygrad_lstm.nn.inputs import beside, expect_last
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.ops.index import take
from tinygrad_lstm.ops.logic import equal, where
from tinygrad_lstm.ops.source import stop_gradient

__all__ = ["Embedding", "Linear"]


def sizes(kind: str, **named: int) -> None:
    """Check that sizes are integers ≥ 1, and return them as such.

    Raises:
        UsageError: when one is not.
    """
    for name, value in named.items():
        size = whole(value)
        if size is None or size < 1:
            raise UsageError(f"{kind}: {name} is an integer of at least 1, not {value!r}")


class Linear(Module):
    """``y = x·W + b``.

    Shapes: x ``(…, in_features)``, weight ``(in_features, out_features)``, bias ``(out_features,)``,
    y ``(…, out_features)``. Weight and bias start uniform in ``±1/√in_features``.

    Args:
        init: another initialiser of the weight, such as ``initializers.orthogonal()``.
        key: for the initial values; the generator of ``tl.seed`` by default.

    >>> layer = tl.nn.Linear(3, 2, key=tl.random.key(0))
    >>> layer(tl.ones((5, 3))).shape
    (5, 2)
    """

    role: ClassVar[Role | None] = "layer"

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        init: Initializer | None = None,
        key: Any = None,
        dtype: Any = float32,
    ) -> None:
        sizes("Linear", in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        k_weight, k_bias = random.split(random.next_key() if key is None else key)
        bound = 1 / math.sqrt(in_features)
        start = uniform(-bound, bound) if init is None else init
        self.weight = Parameter(start(k_weight, (in_features, out_features), dtype))
        self.bias = Parameter(random.uniform(k_bias, out_features, -bound, bound, dtype)) if bias else None

    def forward(self, x: Any) -> Tensor:
        """``x·W + b``.

        Raises:
            ShapeError: when the last axis of ``x`` is not ``in_features`` long.
        """
        y = expect_last(self, x, self.in_features) @ self.weight
        return y if self.bias is None else y + self.bias


class Embedding(Module):
    """A learned vector for each of ``num_embeddings`` integers: ``y = W[i]``.

    Shapes: indices ``(…)``, weight ``(num_embeddings, embedding_dim)``, y ``(…, embedding_dim)``. The weight starts
    normal with mean 0 and deviation 1.

    Args:
        padding_idx: an index that stands for no token: its vector starts as zeros, and no gradient reaches it.

    >>> table = tl.nn.Embedding(10, 4, key=tl.random.key(0))
    >>> table(tl.tensor([[1, 2, 3]])).shape
    (1, 3, 4)
    """

    role: ClassVar[Role | None] = "layer"

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        padding_idx: int | None = None,
        key: Any = None,
        dtype: Any = float32,
    ) -> None:
        sizes("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = None if padding_idx is None else normalize_axis(padding_idx, num_embeddings, "padding_idx")
        chosen = random.next_key() if key is None else key
        start = random.normal(chosen, (num_embeddings, embedding_dim), dtype=dtype)
        self.weight = Parameter(start if self.padding_idx is None else start.at[self.padding_idx].set(0.0))

    def forward(self, indices: Any) -> Tensor:
        """``W[indices]``.

        Raises:
            DTypeError: when the indices are no integers.
            IndexError: when one is out of range; found when the result is evaluated.
        """
        node = beside(self, indices)
        if node.dtype.kind not in "iu":
            raise DTypeError(f"Embedding: indices are integers, got {node.type}; convert with .astype(tl.int64)")
        vectors = take(self.weight, node, axis=0)
        if self.padding_idx is None:
            return vectors
        padding = equal(node, self.padding_idx)
        if node.dtype.kind == "i":
            padding = padding | equal(node, self.padding_idx - self.num_embeddings)
        return where(expand_dims(padding, -1), stop_gradient(vectors), vectors)
