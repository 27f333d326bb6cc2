"""Shape rules that several families of ops share: each takes the types of the inputs and returns the result's."""

from tinygrad_lstm.errors import DTypeError
from tinygrad_lstm.graph.dtypes import bool_
from tinygrad_lstm.graph.types import TensorType, broadcast_shapes

__all__ = ["bits", "broadcast_alike", "comparison", "integers", "numbers_alike", "reals", "same_dtype"]


def same_dtype(*types: TensorType) -> None:
    """Raise when the operands have different element types."""
    if any(t.dtype is not types[0].dtype for t in types):
        raise DTypeError("operands of one element type are wanted; convert with .astype")


def broadcast_alike(*types: TensorType) -> TensorType:
    """The rule for operands of one element type, which broadcast."""
    same_dtype(*types)
    return TensorType(broadcast_shapes(*[t.shape for t in types]), types[0].dtype, types[0].device)


def numbers_alike(*types: TensorType) -> TensorType:
    """The rule for numbers of one element type, which broadcast."""
    if types[0].dtype is bool_:
        raise DTypeError("bools are no numbers; use logical operations, or .astype(tl.int64)")
    return broadcast_alike(*types)


def reals(*types: TensorType) -> TensorType:
    """The rule for floats of one element type, which broadcast."""
    if not types[0].dtype.is_float:
        raise DTypeError(f"floats are wanted, not {types[0].dtype}; convert with .astype(tl.float32)")
    return broadcast_alike(*types)


def integers(*types: TensorType) -> TensorType:
    """The rule for integers of one element type, which broadcast."""
    if types[0].dtype.kind not in "iu":
        raise DTypeError(f"integers are wanted, not {types[0].dtype}")
    return broadcast_alike(*types)


def bits(*types: TensorType) -> TensorType:
    """The rule for integers or bools of one element type, which broadcast."""
    if types[0].dtype.is_float:
        raise DTypeError(f"bools or integers are wanted, not {types[0].dtype}; compare first, for example x != 0")
    return broadcast_alike(*types)


def comparison(a: TensorType, b: TensorType) -> TensorType:
    """The rule of a comparison: two operands of one element type broadcast, and the result holds bools."""
    same_dtype(a, b)
    return TensorType(broadcast_shapes(a.shape, b.shape), bool_, a.device)
