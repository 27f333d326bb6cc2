"""Products of vectors, and powers of matrices."""

from typing import Any

from tinygrad_lstm.errors import ShapeError, UsageError
from tinygrad_lstm.functions.arrangement import moveaxis, stack
from tinygrad_lstm.functions.einsum import tensordot
from tinygrad_lstm.functions.elimination import inv
from tinygrad_lstm.functions.filling import eye
from tinygrad_lstm.graph.compositions import composition
from tinygrad_lstm.graph.convert import as_tensor, operands
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import whole
from tinygrad_lstm.ops.linalg import matmul
from tinygrad_lstm.ops.reduce import sum
from tinygrad_lstm.ops.shape import broadcast_to, reshape

__all__ = ["cross", "inner", "kron", "matrix_power", "vecdot"]


@function
def inner(x: Any, y: Any) -> Tensor:
    """The sum of products over the last axes of both; with a scalar it multiplies.

    Shapes: ``(…, k) · (…, k) → (… of x, … of y)``.

    Raises:
        ShapeError: when the two axes differ in size.

    >>> print(tl.inner([1.0, 2.0], [3.0, 4.0]))
    11.0
    """
    a, b = operands(x, y)
    if not a.shape or not b.shape:
        return a * b
    return tensordot(a, b, ((-1,), (-1,)))


@function
def vecdot(x: Any, y: Any, axis: int = -1) -> Tensor:
    """The sum of products along ``axis`` of both; the other axes broadcast.

    Raises:
        ShapeError: when the two axes differ in size.

    >>> print(tl.vecdot([[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0]))
    [21. 43.]
    """
    a, b = (moveaxis(v, axis, -1) for v in operands(x, y))
    if a.shape[-1] != b.shape[-1]:
        raise ShapeError(f"vecdot({a.type}, {b.type}): the vectors have {a.shape[-1]} and {b.shape[-1]} elements")
    return sum(a * b, -1, dtype=a.dtype)


@function
@composition()
def kron(x: Any, y: Any) -> Tensor:
    """Kronecker's product: each element of ``x`` times all of ``y``, block by block.

    Shapes: the sizes of each axis are multiplied; missing axes of size 1 are put in front.

    >>> print(tl.kron([1.0, 10.0], [1.0, 2.0]))
    [ 1.  2. 10. 20.]
    """
    a, b = operands(x, y)
    rank = a.ndim if a.ndim > b.ndim else b.ndim
    left, right = ((1,) * (rank - v.ndim) + v.shape for v in (a, b))
    outer = reshape(a, [n for size in left for n in (size, 1)]) * reshape(b, [n for size in right for n in (1, size)])
    return reshape(outer, tuple(m * n for m, n in zip(left, right, strict=True)))


@function
@composition()
def cross(x: Any, y: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Tensor:
    """The vector product of vectors of three elements: at right angles to both.

    Args:
        axisa: the axis of the vectors in ``x``; ``axisb`` that in ``y``, and ``axisc`` that in the result.
        axis: one axis for all three.

    Raises:
        ShapeError: for vectors of another size.

    >>> print(tl.cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]))
    [0. 0. 1.]
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    first, second = operands(x, y)
    a, b = moveaxis(first, axisa, -1), moveaxis(second, axisb, -1)
    if a.shape[-1:] != (3,) or b.shape[-1:] != (3,):
        raise ShapeError(f"cross({a.type}, {b.type}): vectors of three elements are expected; two give a number only")
    (a0, a1, a2), (b0, b1, b2) = ([v[..., k] for k in range(3)] for v in (a, b))
    return moveaxis(stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], -1), -1, axisc)


@function
@composition()
def matrix_power(x: Any, n: int) -> Tensor:
    """The square matrices ``x`` to a whole power ``n``, by squares; of the inverse where it is below 0.

    Shapes: ``(…, n, n) → (…, n, n)``.

    Raises:
        ShapeError: when ``x`` is not square.
        UsageError: when ``n`` is no integer.

    >>> print(tl.matrix_power([[1.0, 1.0], [0.0, 1.0]], 3))
    [[1. 3.]
     [0. 1.]]
    """
    node = as_tensor(x)
    times = whole(n)
    if times is None:
        raise UsageError(f"matrix_power: the power is an integer, not {n!r}")
    if node.ndim < 2 or node.shape[-1] != node.shape[-2]:
        raise ShapeError(f"matrix_power({node.type}): square matrices are expected, the last two axes of one size")
    if times < 0:
        node, times = inv(node), -times
    power: Tensor | None = None
    while times:
        if times % 2:
            power = node if power is None else matmul(power, node)
        times //= 2
        node = matmul(node, node) if times else node
    return (
        broadcast_to(eye(node.shape[-1], dtype=node.dtype, device=node.device), node.shape) if power is None else power
    )
