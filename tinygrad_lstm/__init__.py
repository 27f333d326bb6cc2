"""Symbolic autodiff with pluggable backends: write the textbook's equations, look at the graph, run it fast."""

try:
    from tinygrad_lstm import data, draw, errors, nn, optim, train
except ModuleNotFoundError as missing:
    if (missing.name or __name__).partition(".")[0] == __name__:
        raise
    raise ModuleNotFoundError(
        f"tinygrad_lstm needs {missing.name}, which is not installed; in a checkout run `pip install -e .` in its "
        "folder, elsewhere `pip install tinygrad-lstm`",
        name=missing.name,
    ) from None
import importlib
from importlib import metadata

from tinygrad_lstm.autodiff.custom import define_op
from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.autodiff.transforms import checkpoint, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from tinygrad_lstm.formula.expression import latex, text
from tinygrad_lstm.functions import random
from tinygrad_lstm.functions.activations import (
    elu,
    gelu,
    hard_sigmoid,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    relu,
    silu,
    softmax,
)
from tinygrad_lstm.functions.arrangement import (
    diag,
    diagonal,
    diff,
    expand_dims,
    hstack,
    moveaxis,
    ravel,
    repeat,
    roll,
    split,
    squeeze,
    stack,
    swapaxes,
    tile,
    trace,
    tril,
    triu,
    vstack,
)
from tinygrad_lstm.functions.comparison import allclose, array_equal, isclose
from tinygrad_lstm.functions.einsum import dot, einsum, outer, tensordot
from tinygrad_lstm.functions.elementary import (
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctanh,
    cbrt,
    clip,
    cosh,
    hypot,
    log2,
    positive,
    rsqrt,
    sinh,
    square,
    tan,
)
from tinygrad_lstm.functions.elimination import cholesky, det, inv, slogdet, solve
from tinygrad_lstm.functions.filling import arange, eye, full, full_like, linspace, ones, ones_like, zeros, zeros_like
from tinygrad_lstm.functions.indexing import one_hot, take_along_axis
from tinygrad_lstm.functions.order import searchsorted, sort, top_k, unique
from tinygrad_lstm.functions.padding import pad
from tinygrad_lstm.functions.predicates import (
    bitwise_xor,
    greater,
    greater_equal,
    isfinite,
    isinf,
    isnan,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    not_equal,
)
from tinygrad_lstm.functions.random import seed
from tinygrad_lstm.functions.rounding import ceil, floor, left_shift, round, trunc
from tinygrad_lstm.functions.statistics import all, any, argmin, cumprod, cumsum, mean, norm, prod, std, var
from tinygrad_lstm.graph.dtypes import bool_, float16, float32, float64, int32, int64, uint32
from tinygrad_lstm.graph.printed import printed
from tinygrad_lstm.graph.scopes import scope
from tinygrad_lstm.graph.structure import register_pytree_node
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.graph.variables import Parameter, State
from tinygrad_lstm.jit.jitted import jit
from tinygrad_lstm.nn.saving import load, save
from tinygrad_lstm.ops.elementwise import (
    abs,
    add,
    cast,
    cos,
    divide,
    exp,
    log,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    right_shift,
    sigmoid,
    sign,
    sin,
    softplus,
    sqrt,
    subtract,
    tanh,
)
from tinygrad_lstm.ops.exponential import erf, expm1, log1p
from tinygrad_lstm.ops.index import scatter_add, take
from tinygrad_lstm.ops.integers import floor_divide, remainder
from tinygrad_lstm.ops.linalg import matmul
from tinygrad_lstm.ops.logic import bitwise_and, bitwise_or, equal, invert, less, less_equal, where
from tinygrad_lstm.ops.loop import scan
from tinygrad_lstm.ops.reduce import argmax, logsumexp, max, min, sum
from tinygrad_lstm.ops.shape import broadcast_to, concatenate, flip, reshape, transpose
from tinygrad_lstm.ops.sorting import argsort
from tinygrad_lstm.ops.source import named, stop_gradient, symbol
from tinygrad_lstm.ops.threefry import threefry2x32
from tinygrad_lstm.ops.trigonometry import arctan2
from tinygrad_lstm.reflexes import FRAMEWORK, answer
from tinygrad_lstm.runtime.anomaly import detect_anomaly
from tinygrad_lstm.runtime.backend import backend_names, describe_backends, get_backend, set_backend, use_backend
from tinygrad_lstm.runtime.creation import tensor, to
from tinygrad_lstm.runtime.evaluation import evaluate
from tinygrad_lstm.runtime.exchange import from_dlpack
from tinygrad_lstm.runtime.threads import blas_threads

__all__ = [
    "Parameter",
    "State",
    "Tensor",
    "TensorType",
    "abs",
    "add",
    "all",
    "allclose",
    "any",
    "arange",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "argmax",
    "argmin",
    "argsort",
    "array_equal",
    "backend_names",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "blas_threads",
    "bool_",
    "broadcast_to",
    "cast",
    "cbrt",
    "ceil",
    "checkpoint",
    "cholesky",
    "clip",
    "concatenate",
    "cos",
    "cosh",
    "cumprod",
    "cumsum",
    "data",
    "define_op",
    "describe_backends",
    "det",
    "detect_anomaly",
    "diag",
    "diagonal",
    "diff",
    "divide",
    "dot",
    "draw",
    "einsum",
    "elu",
    "equal",
    "erf",
    "errors",
    "evaluate",
    "exp",
    "expand_dims",
    "expm1",
    "eye",
    "flip",
    "float16",
    "float32",
    "float64",
    "floor",
    "floor_divide",
    "from_dlpack",
    "full",
    "full_like",
    "gelu",
    "get_backend",
    "grad",
    "gradients",
    "greater",
    "greater_equal",
    "hard_sigmoid",
    "hessian",
    "hstack",
    "hvp",
    "hypot",
    "int32",
    "int64",
    "inv",
    "invert",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "jacobian",
    "jit",
    "jvp",
    "latex",
    "leaky_relu",
    "left_shift",
    "less",
    "less_equal",
    "linspace",
    "load",
    "log",
    "log1p",
    "log2",
    "log_sigmoid",
    "log_softmax",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsumexp",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "moveaxis",
    "multiply",
    "named",
    "negative",
    "nn",
    "norm",
    "not_equal",
    "one_hot",
    "ones",
    "ones_like",
    "optim",
    "outer",
    "pad",
    "positive",
    "power",
    "printed",
    "prod",
    "random",
    "ravel",
    "register_pytree_node",
    "relu",
    "remainder",
    "repeat",
    "reshape",
    "right_shift",
    "roll",
    "round",
    "rsqrt",
    "save",
    "scan",
    "scatter_add",
    "scope",
    "searchsorted",
    "seed",
    "set_backend",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "sinh",
    "slogdet",
    "softmax",
    "softplus",
    "solve",
    "sort",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "stop_gradient",
    "subtract",
    "sum",
    "swapaxes",
    "symbol",
    "take",
    "take_along_axis",
    "tan",
    "tanh",
    "tensor",
    "tensordot",
    "text",
    "threefry2x32",
    "tile",
    "to",
    "top_k",
    "trace",
    "train",
    "transpose",
    "tril",
    "triu",
    "trunc",
    "uint32",
    "unique",
    "use_backend",
    "value_and_grad",
    "var",
    "vjp",
    "vstack",
    "where",
    "zeros",
    "zeros_like",
]

answer(
    __name__,
    "tl",
    FRAMEWORK,
    late={
        # Imported at first use: most programs do not need these, and importing them takes time.
        "testing": lambda: importlib.import_module("tinygrad_lstm.testing"),
        "__version__": lambda: metadata.version("tinygrad-lstm"),
    },
)
