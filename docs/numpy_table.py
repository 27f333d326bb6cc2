"""Write ``docs/numpy.md``, the table of NumPy's functions: ``python docs/numpy_table.py``.

A function of the same name is found in the code; here stand those of other names, and those that are left out, with the
reason. A test holds that every function of the NumPy that is installed is one of these.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import tinygrad_lstm as tl

PAGE: Final = Path(__file__).parent / "numpy.md"

HEAD: Final = """# NumPy's functions

Which functions of `numpy` and `numpy.linalg` are here, which are written otherwise, and which are not here and why.
Called on a tensor, NumPy's own function builds the same graph: `np.tanh(t)` is `tl.tanh(t)`. What differs in general:

- An array never changes: there is no `out=`, and `x[0] = 1` is `x = x.at[0].set(1)`.
- Shapes are known before values: what has a shape that depends on values, such as a mask of bools, is left out.
- Beside a float, an integer or bool takes the type of the float; two widths of floats do not mix.
- Functions of real numbers make float32 of integers. Integers are summed in int64, those without a sign in uint64.

The [array API standard](array-api.md)'s names are here too. This page is written by `docs/numpy_table.py`.
"""


def words(*lines: str) -> list[str]:
    """The words of several lines."""
    return " ".join(lines).split()


LINALG: Final = words(
    "cholesky cond cross det diagonal eig eigh eigvals eigvalsh inv lstsq matmul matrix_norm matrix_power",
    "matrix_rank matrix_transpose multi_dot norm outer pinv qr slogdet solve svd svdvals tensordot tensorinv",
    "tensorsolve trace vecdot vector_norm",
)
"""The functions of ``numpy.linalg``."""

OTHERWISE: Final = {
    "absolute": "tl.abs(x)",
    "amax": "tl.max(x)",
    "amin": "tl.min(x)",
    "angle": "0 where x ≥ 0, tl.pi where x < 0: there are real numbers alone",
    "around": "tl.round(x, decimals)",
    "array": "tl.tensor(x)",
    "array_equiv": "tl.array_equal(*tl.broadcast_arrays(x, y))",
    "array_repr": "repr(x)",
    "array_str": "str(x)",
    "array2string": "str(x)",
    "asanyarray": "tl.tensor(x)",
    "asarray_chkfinite": "tl.tensor(x), and tl.detect_anomaly() where it matters",
    "ascontiguousarray": "tl.tensor(x)",
    "asfortranarray": "tl.tensor(x)",
    "average": "tl.sum(x * weights) / tl.sum(weights)",
    "bitwise_not": "tl.invert(x)",
    "choose": "tl.take_along_axis(tl.stack(choices), x[None], 0)[0]",
    "common_type": "tl.result_type(x, y)",
    "conj": "x: it is real",
    "conjugate": "x: it is real",
    "copy": "x: it never changes",
    "copyto": "tl.where(mask, y, x)",
    "cov": "(d @ d.T) / (n - 1) of the differences d = x - x.mean(1, keepdims=True)",
    "degrees": "tl.rad2deg(x)",
    "diagflat": "tl.diag(tl.ravel(x))",
    "divmod": "divmod(x, y)",
    "ediff1d": "tl.diff(tl.ravel(x))",
    "fabs": "tl.abs(x)",
    "fill_diagonal": "tl.where(tl.eye(n, dtype=bool), value, x)",
    "fix": "tl.trunc(x)",
    "float_power": "tl.power(x.astype(tl.float64), y)",
    "fmod": "x - y * tl.trunc(x / y)",
    "fromfunction": "f(*tl.meshgrid(tl.arange(m), tl.arange(n), indexing='ij'))",
    "geomspace": "tl.exp(tl.linspace(a, b, n)) of the logarithms a and b",
    "heaviside": "tl.where(x == 0, y, (x > 0).astype(x.dtype))",
    "identity": "tl.eye(n)",
    "imag": "tl.zeros_like(x)",
    "indices": "tl.meshgrid(tl.arange(m), tl.arange(n), indexing='ij')",
    "iscomplex": "tl.zeros_like(x, bool)",
    "iscomplexobj": "False",
    "isin": "tl.any(x[..., None] == values, -1)",
    "isneginf": "x == -tl.inf",
    "isposinf": "x == tl.inf",
    "isreal": "tl.ones_like(x, bool)",
    "isrealobj": "True",
    "isscalar": "x.ndim == 0",
    "issubdtype": "x.dtype.kind",
    "ldexp": "x * tl.exp2(n)",
    "logspace": "tl.power(10.0, tl.linspace(a, b, n))",
    "matvec": "(x @ v[..., None])[..., 0]",
    "median": "tl.sort(x)[n // 2] of an odd number n of elements",
    "mod": "tl.remainder(x, y)",
    "modf": "x - tl.trunc(x), tl.trunc(x)",
    "nanmax": "tl.max(tl.where(tl.isnan(x), -tl.inf, x))",
    "nanmin": "tl.min(tl.where(tl.isnan(x), tl.inf, x))",
    "nanprod": "tl.prod(tl.where(tl.isnan(x), 1, x))",
    "nansum": "tl.sum(tl.where(tl.isnan(x), 0, x))",
    "nancumsum": "tl.cumsum(tl.where(tl.isnan(x), 0, x))",
    "nancumprod": "tl.cumprod(tl.where(tl.isnan(x), 1, x))",
    "nanargmax": "tl.argmax(tl.where(tl.isnan(x), -tl.inf, x))",
    "nanargmin": "tl.argmin(tl.where(tl.isnan(x), tl.inf, x))",
    "nanmean": "tl.sum(tl.where(tl.isnan(x), 0, x)) / tl.count_nonzero(~tl.isnan(x))",
    "ndim": "x.ndim",
    "piecewise": "tl.select(conditions, values)",
    "place": "tl.where(mask, values, x)",
    "polyval": "a loop: y = y * x + c for each coefficient c",
    "promote_types": "tl.result_type(a, b)",
    "ptp": "tl.max(x) - tl.min(x)",
    "put": "x.at[indices].set(values)",
    "put_along_axis": "x.at[key].set(values)",
    "putmask": "tl.where(mask, values, x)",
    "radians": "tl.deg2rad(x)",
    "real": "x: it is real",
    "real_if_close": "x: it is real",
    "require": "tl.tensor(x)",
    "resize": "tl.tile(x, reps)",
    "rint": "tl.round(x)",
    "row_stack": "tl.vstack(arrays)",
    "save": "tl.save(path, values)",
    "load": "tl.load(path)",
    "savez": "tl.save(path, values)",
    "shape": "x.shape",
    "savez_compressed": "tl.save(path, values)",
    "size": "x.size",
    "trapezoid": "tl.sum((y[1:] + y[:-1]) * tl.diff(x)) / 2",
    "trapz": "tl.sum((y[1:] + y[:-1]) * tl.diff(x)) / 2",
    "tri": "tl.tril(tl.ones((n, n)))",
    "true_divide": "tl.divide(x, y)",
    "unravel_index": "divmod(i, columns), axis by axis",
    "ravel_multi_index": "i * columns + j, axis by axis",
    "vander": "x[:, None] ** tl.arange(n)",
    "vdot": "tl.sum(x * y)",
    "vecmat": "(v[..., None, :] @ x)[..., 0, :]",
    "broadcast_shapes": "tl.broadcast_arrays(x, y)[0].shape",
    "cond": "tl.norm(x) * tl.norm(tl.inv(x))",
    "lstsq": "tl.pinv(a) @ b",
    "multi_dot": "a @ b @ c",
    "tensorinv": "tl.inv of the array as a matrix, reshaped",
    "tensorsolve": "tl.solve of the array as a matrix, reshaped",
    "in1d": "tl.any(x[:, None] == values, 1)",
    "triu_indices": "tl.triu, which keeps the shape",
    "tril_indices": "tl.tril, which keeps the shape",
    "triu_indices_from": "tl.triu, which keeps the shape",
    "tril_indices_from": "tl.tril, which keeps the shape",
    "diag_indices": "tl.diagonal(x)",
    "ix_": "x[rows[:, None], columns]",
    "diag_indices_from": "tl.diagonal(x)",
    "mask_indices": "tl.where(mask, x, 0)",
}
"""What to write here in place of a function of NumPy's that has no function of its name."""

SHAPES: Final = "the shape of the result depends on values; NumPy's own function takes x.numpy()"
COMPLEX: Final = "there are no complex numbers"
SETS: Final = "sets of values have a size that depends on them; NumPy's own function takes x.numpy()"
COUNTS: Final = "counting into bins has no gradient; tl.scatter_add adds at indices, or in NumPy itself"
POLYNOMIALS: Final = "polynomials are written out, or computed in NumPy itself"
STATISTICS: Final = "it is composed of tl.sort and tl.take where gradients are needed, or computed in NumPy itself"
WINDOWS: Final = "signals are not what this package is for; as data it comes from NumPy"
PYTHON: Final = "it calls Python element by element; write it with operations, or tl.scan for a loop"
MEMORY: Final = "it is about memory or bits of NumPy's arrays"
TEXTS: Final = "files, texts and dates are read with NumPy, and become data by tl.tensor"
SETTINGS: Final = "it is a setting or part of NumPy itself"

REFUSED: Final = {
    SHAPES: "argwhere compress delete extract flatnonzero nonzero trim_zeros insert",
    SETS: "intersect1d setdiff1d setxor1d union1d unique unique_all unique_counts unique_inverse unique_values",
    COUNTS: "bincount digitize histogram histogram2d histogram_bin_edges histogramdd",
    COMPLEX: "eig eigvals sort_complex",
    POLYNOMIALS: "poly polyadd polyder polydiv polyfit polyint polymul polysub roots",
    STATISTICS: "corrcoef nanmedian nanpercentile nanquantile nanstd nanvar percentile quantile lexsort interp",
    WINDOWS: "bartlett blackman convolve correlate hamming hanning i0 kaiser unwrap",
    PYTHON: "apply_along_axis apply_over_axes frompyfunc nested_iters fromiter iterable",
    MEMORY: "asmatrix bitwise_count bmat block frexp gcd isfortran lcm may_share_memory min_scalar_type mintypecode "
    "nextafter packbits shares_memory spacing typename unpackbits getbufsize setbufsize einsum_path",
    TEXTS: "base_repr binary_repr busday_count busday_offset datetime_as_string datetime_data format_float_positional "
    "format_float_scientific frombuffer fromfile fromregex fromstring genfromtxt is_busday isnat loadtxt savetxt",
    SETTINGS: "get_include get_printoptions geterr geterrcall info printoptions set_printoptions seterr seterrcall "
    "show_config show_runtime test",
}
"""What is not here, by reason."""


def refused() -> dict[str, str]:
    """The reason for each function that is not here."""
    return {name: reason for reason, names in REFUSED.items() for name in names.split()}


def same_name() -> list[str]:
    """The functions that NumPy has under the same name."""
    others = {*OTHERWISE, *refused()}
    return sorted(name for name in tl.__all__ if name in NUMPY and name not in others)


NUMPY: Final = words(
    "abs acos acosh add all allclose any append arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax",
    "argmin argpartition argsort array_equal array_split asarray asin asinh astype atan atan2 atanh atleast_1d",
    "atleast_2d atleast_3d bitwise_and bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor",
    "broadcast_arrays broadcast_to can_cast cbrt ceil clip column_stack concat concatenate copysign cos cosh",
    "count_nonzero cross cumprod cumsum cumulative_prod cumulative_sum deg2rad diag diagonal diff divide dot dsplit",
    "dstack einsum empty empty_like equal exp exp2 expand_dims expm1 eye flip fliplr flipud floor floor_divide fmax",
    "fmin from_dlpack full full_like gradient greater greater_equal hsplit hstack hypot inner invert isclose",
    "isdtype isfinite isinf isnan kron left_shift less less_equal linspace load log log10 log1p log2 logaddexp",
    "logaddexp2 logical_and logical_not logical_or logical_xor matmul matrix_transpose max maximum mean meshgrid",
    "min minimum moveaxis multiply nan_to_num negative not_equal ones ones_like outer pad partition permute_dims",
    "positive pow power prod rad2deg ravel reciprocal remainder repeat reshape result_type right_shift roll",
    "rollaxis rot90 round save searchsorted select sign signbit sin sinc sinh sort split sqrt square squeeze stack",
    "std subtract sum swapaxes take take_along_axis tan tanh tensordot tile trace transpose tril triu trunc unique",
    "unstack var vecdot vsplit vstack where zeros zeros_like",
)
"""The functions of NumPy's that are looked for under their own name."""


def rows(pairs: Iterable[tuple[str, str]]) -> str:
    """The lines of a table."""
    return "".join(f"| `{name}` | {text} |\n" for name, text in sorted(pairs))


def shown(text: str) -> str:
    """Code as code; a sentence as it is."""
    try:
        compile(text, "", "eval")
    except SyntaxError:
        return text
    return f"`{text}`"


def table() -> str:
    """The page as text."""
    here = ", ".join(f"`{name}`" for name in same_name())
    linear = ", ".join(f"`{name}`" for name in LINALG if name in tl.linalg.__all__)
    parts: list[Any] = [
        HEAD,
        f"\n## Under the same name\n\n{here}.\n\nIn `tl.linalg`, and in `tl` itself: {linear}.\n",
        "\n## Written otherwise\n\n| NumPy | here |\n|---|---|\n",
        rows((name, shown(text)) for name, text in OTHERWISE.items()),
        "\n## Not here\n\n| functions | why |\n|---|---|\n",
        *[f"| {', '.join(f'`{n}`' for n in sorted(names.split()))} | {why} |\n" for why, names in REFUSED.items()],
    ]
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(table(), encoding="utf-8")
