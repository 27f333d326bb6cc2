"""What einops does with tensors. Only ``einops_hook`` imports this module, when einops is there."""

from typing import Any

import numpy as np
from einops._backends import AbstractBackend

from tinygrad_lstm.functions.arrangement import expand_dims, stack, tile
from tinygrad_lstm.functions.einsum import einsum
from tinygrad_lstm.graph.dtypes import int64
from tinygrad_lstm.graph.operators import Operators
from tinygrad_lstm.graph.registry import apply
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.ops.shape import concatenate, reshape, transpose
from tinygrad_lstm.ops.source import arange_node
from tinygrad_lstm.runtime.creation import tensor, to_numpy

__all__ = ["TensorBackend"]


class TensorBackend(AbstractBackend):
    """Tensors, Parameters and States for einops, which finds this class among the subclasses of its own."""

    framework_name = "tinygrad_lstm"

    def is_appropriate_type(self, tensor: Any) -> bool:
        """Whether it is a tensor, or a variable, which stands for one."""
        return isinstance(tensor, Operators)

    def from_numpy(self, x: "np.ndarray[Any, Any]") -> Tensor:
        """An array as a tensor."""
        return tensor(x)

    def to_numpy(self, x: Any) -> "np.ndarray[Any, Any]":
        """The value of a tensor."""
        return to_numpy(x)

    def arange(self, start: int, stop: int) -> Tensor:
        """The integers from ``start`` up to ``stop``."""
        return arange_node(stop - start, int64, "cpu") + start

    def reshape(self, x: Any, shape: Any) -> Tensor:
        """The elements in another shape."""
        return reshape(x, shape)

    def transpose(self, x: Any, axes: Any) -> Tensor:
        """The axes in another order."""
        return transpose(x, axes)

    def reduce(self, x: Any, operation: str, axes: Any) -> Tensor:
        """``min``, ``max``, ``sum``, ``mean``, ``prod``, ``any`` or ``all`` over axes."""
        reduced: Tensor = apply(operation, x, tuple(axes))
        return reduced

    def stack_on_zeroth_dimension(self, tensors: list[Any]) -> Tensor:
        """A list of tensors as one."""
        return stack(tensors)

    def add_axis(self, x: Any, new_position: int) -> Tensor:
        """A new axis of size 1."""
        return expand_dims(x, new_position)

    def tile(self, x: Any, repeats: Any) -> Tensor:
        """The whole repeated along each axis."""
        return tile(x, repeats)

    def concat(self, tensors: list[Any], axis: int) -> Tensor:
        """Tensors one behind the other."""
        return concatenate(tensors, axis)

    def is_float_type(self, x: Any) -> bool:
        """Whether means of it are taken."""
        return bool(x.dtype.is_float)

    def einsum(self, pattern: str, *x: Any) -> Tensor:
        """A sum of products."""
        return einsum(pattern, *x)
