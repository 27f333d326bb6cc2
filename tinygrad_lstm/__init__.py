"""Symbolic autodiff with pluggable backends: write the textbook's equations, look at the graph, run it fast."""

import importlib
import sys

if sys.argv[:1] == ["-m"] and sys.orig_argv[-len(sys.argv)].removeprefix("-m") == __name__:
    # ``python -m tinygrad_lstm --help`` need not wait for all that is imported below.
    importlib.import_module("tinygrad_lstm_command").begin()
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
from importlib import metadata

from tinygrad_lstm.autodiff.custom import define_op
from tinygrad_lstm.autodiff.forward import jvp, linearize
from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.autodiff.transforms import checkpoint, grad, hessian, hvp, jacobian, value_and_grad, vjp
from tinygrad_lstm.batching.mapping import vmap
from tinygrad_lstm.formula.expression import latex, text
from tinygrad_lstm.functions import linear_algebra as linalg
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
from tinygrad_lstm.functions.choosing import argpartition, count_nonzero, partition, select
from tinygrad_lstm.functions.comparison import allclose, array_equal, isclose
from tinygrad_lstm.functions.constants import e, euler_gamma, inf, nan, newaxis, pi
from tinygrad_lstm.functions.decomposition import eigh, eigvalsh, matrix_rank, pinv, qr, svd, svdvals
from tinygrad_lstm.functions.einsum import dot, einsum, outer, tensordot
from tinygrad_lstm.functions.element_types import astype, can_cast, finfo, iinfo, isdtype, result_type
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
    deg2rad,
    hypot,
    positive,
    rad2deg,
    reciprocal,
    rsqrt,
    sinc,
    sinh,
    square,
    tan,
)
from tinygrad_lstm.functions.elimination import cholesky, det, inv, slogdet, solve
from tinygrad_lstm.functions.filling import (
    arange,
    empty,
    empty_like,
    eye,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from tinygrad_lstm.functions.indexing import one_hot, take_along_axis
from tinygrad_lstm.functions.joining import (
    append,
    array_split,
    atleast_1d,
    atleast_2d,
    atleast_3d,
    column_stack,
    dsplit,
    dstack,
    hsplit,
    unstack,
    vsplit,
)
from tinygrad_lstm.functions.logarithms import exp2, log2, log10, logaddexp, logaddexp2
from tinygrad_lstm.functions.meshes import broadcast_arrays, gradient, meshgrid
from tinygrad_lstm.functions.norms import matrix_norm, norm, vector_norm
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
from tinygrad_lstm.functions.signs import copysign, fmax, fmin, nan_to_num, signbit
from tinygrad_lstm.functions.standard_names import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_right_shift,
    concat,
    cumulative_prod,
    cumulative_sum,
    permute_dims,
    pow,
)
from tinygrad_lstm.functions.statistics import all, any, argmin, cumprod, cumsum, mean, prod, std, var
from tinygrad_lstm.functions.turning import fliplr, flipud, matrix_transpose, rollaxis, rot90
from tinygrad_lstm.functions.vectors import cross, inner, kron, matrix_power, vecdot
from tinygrad_lstm.graph.dtypes import (
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from tinygrad_lstm.graph.dtypes import bool_ as bool
from tinygrad_lstm.graph.printed import printed
from tinygrad_lstm.graph.scopes import scope
from tinygrad_lstm.graph.structure import register_pytree_node
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import TensorType
from tinygrad_lstm.graph.variables import Parameter, State
from tinygrad_lstm.interchange.array_api import array_namespace_info as __array_namespace_info__
from tinygrad_lstm.interchange.array_api import standard_version as __array_api_version__
from tinygrad_lstm.interchange.einops_hook import register_with_einops
from tinygrad_lstm.interchange.formulas import from_sympy, to_sympy
from tinygrad_lstm.jit.jitted import jit
from tinygrad_lstm.nn.observing import observe
from tinygrad_lstm.nn.saving import load, save
from tinygrad_lstm.ops.branch import cond
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
from tinygrad_lstm.ops.integers import floor_divide, remainder, right_shift
from tinygrad_lstm.ops.linalg import matmul
from tinygrad_lstm.ops.logic import bitwise_and, bitwise_or, equal, invert, less, less_equal, where
from tinygrad_lstm.ops.loop import scan
from tinygrad_lstm.ops.reduce import argmax, logsumexp, max, min, sum
from tinygrad_lstm.ops.repeating import fori_loop, while_loop
from tinygrad_lstm.ops.shape import broadcast_to, concatenate, flip, reshape, transpose
from tinygrad_lstm.ops.sorting import argsort
from tinygrad_lstm.ops.source import named, stop_gradient, symbol
from tinygrad_lstm.ops.threefry import threefry2x32
from tinygrad_lstm.ops.trigonometry import arctan2
from tinygrad_lstm.reflexes import FRAMEWORK, answer
from tinygrad_lstm.runtime.anomaly import detect_anomaly
from tinygrad_lstm.runtime.backend import backend_names, describe_backends, get_backend, set_backend, use_backend
from tinygrad_lstm.runtime.creation import asarray, tensor, to
from tinygrad_lstm.runtime.evaluation import evaluate
from tinygrad_lstm.runtime.exchange import from_dlpack
from tinygrad_lstm.runtime.threads import blas_threads

__all__ = [
    "Parameter",
    "State",
    "Tensor",
    "TensorType",
    "__array_api_version__",
    "__array_namespace_info__",
    "abs",
    "acos",
    "acosh",
    "add",
    "all",
    "allclose",
    "any",
    "append",
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
    "argpartition",
    "argsort",
    "array_equal",
    "array_split",
    "asarray",
    "asin",
    "asinh",
    "astype",
    "atan",
    "atan2",
    "atanh",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "backend_names",
    "bfloat16",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "blas_threads",
    "bool",
    "bool_",
    "broadcast_arrays",
    "broadcast_to",
    "can_cast",
    "cast",
    "cbrt",
    "ceil",
    "checkpoint",
    "cholesky",
    "clip",
    "column_stack",
    "concat",
    "concatenate",
    "cond",
    "copysign",
    "cos",
    "cosh",
    "count_nonzero",
    "cross",
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "data",
    "define_op",
    "deg2rad",
    "describe_backends",
    "det",
    "detect_anomaly",
    "diag",
    "diagonal",
    "diff",
    "divide",
    "dot",
    "draw",
    "dsplit",
    "dstack",
    "e",
    "eigh",
    "eigvalsh",
    "einsum",
    "elu",
    "empty",
    "empty_like",
    "equal",
    "erf",
    "errors",
    "euler_gamma",
    "evaluate",
    "exp",
    "exp2",
    "expand_dims",
    "expm1",
    "eye",
    "finfo",
    "flip",
    "fliplr",
    "flipud",
    "float16",
    "float32",
    "float64",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fori_loop",
    "from_dlpack",
    "from_sympy",
    "full",
    "full_like",
    "gelu",
    "get_backend",
    "grad",
    "gradient",
    "gradients",
    "greater",
    "greater_equal",
    "hard_sigmoid",
    "hessian",
    "hsplit",
    "hstack",
    "hvp",
    "hypot",
    "iinfo",
    "inf",
    "inner",
    "int8",
    "int16",
    "int32",
    "int64",
    "inv",
    "invert",
    "isclose",
    "isdtype",
    "isfinite",
    "isinf",
    "isnan",
    "jacobian",
    "jit",
    "jvp",
    "kron",
    "latex",
    "leaky_relu",
    "left_shift",
    "less",
    "less_equal",
    "linalg",
    "linearize",
    "linspace",
    "load",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_sigmoid",
    "log_softmax",
    "logaddexp",
    "logaddexp2",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsumexp",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "max",
    "maximum",
    "mean",
    "meshgrid",
    "min",
    "minimum",
    "moveaxis",
    "multiply",
    "named",
    "nan",
    "nan_to_num",
    "negative",
    "newaxis",
    "nn",
    "norm",
    "not_equal",
    "observe",
    "one_hot",
    "ones",
    "ones_like",
    "optim",
    "outer",
    "pad",
    "partition",
    "permute_dims",
    "pi",
    "pinv",
    "positive",
    "pow",
    "power",
    "printed",
    "prod",
    "qr",
    "rad2deg",
    "random",
    "ravel",
    "reciprocal",
    "register_pytree_node",
    "relu",
    "remainder",
    "repeat",
    "reshape",
    "result_type",
    "right_shift",
    "roll",
    "rollaxis",
    "rot90",
    "round",
    "rsqrt",
    "save",
    "scan",
    "scatter_add",
    "scope",
    "searchsorted",
    "seed",
    "select",
    "set_backend",
    "sigmoid",
    "sign",
    "signbit",
    "silu",
    "sin",
    "sinc",
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
    "svd",
    "svdvals",
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
    "to_sympy",
    "top_k",
    "trace",
    "train",
    "transpose",
    "tril",
    "triu",
    "trunc",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "unique",
    "unstack",
    "use_backend",
    "value_and_grad",
    "var",
    "vecdot",
    "vector_norm",
    "vjp",
    "vmap",
    "vsplit",
    "vstack",
    "where",
    "while_loop",
    "zeros",
    "zeros_like",
]

register_with_einops()
answer(
    __name__,
    "tl",
    FRAMEWORK,
    late={
        # Imported at first use: most programs do not need these, and importing them takes time.
        "tasks": lambda: importlib.import_module("tinygrad_lstm.tasks"),
        "testing": lambda: importlib.import_module("tinygrad_lstm.testing"),
        "__version__": lambda: metadata.version("tinygrad-lstm"),
    },
)
