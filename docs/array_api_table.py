"""Write ``docs/array-api.md``, the array API standard's functions: ``python docs/array_api_table.py``.

Here stand the functions of the standard, by its chapters, and why some are left out. A test compares the list with that
of ``array-api-strict``, and the values of each function that is here.
"""

from pathlib import Path
from typing import Final

import tinygrad_lstm as tl

PAGE: Final = Path(__file__).parent / "array-api.md"

CHAPTERS: Final = {
    "Creation": "arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid ones ones_like tril "
    "triu zeros zeros_like",
    "Element types": "astype can_cast finfo iinfo isdtype result_type",
    "Elementwise": "abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_invert bitwise_left_shift "
    "bitwise_or bitwise_right_shift bitwise_xor ceil clip conj copysign cos cosh divide equal exp expm1 floor "
    "floor_divide greater greater_equal hypot imag isfinite isinf isnan less less_equal log log10 log1p log2 logaddexp "
    "logical_and logical_not logical_or logical_xor maximum minimum multiply negative nextafter not_equal positive pow "
    "real reciprocal remainder round sign signbit sin sinh sqrt square subtract tan tanh trunc",
    "Indexing": "take take_along_axis",
    "Linear algebra": "matmul matrix_transpose tensordot vecdot",
    "Manipulation": "broadcast_arrays broadcast_to concat expand_dims flip moveaxis permute_dims repeat reshape roll "
    "squeeze stack tile unstack",
    "Searching": "argmax argmin count_nonzero nonzero searchsorted where",
    "Sets": "unique_all unique_counts unique_inverse unique_values",
    "Sorting": "argsort sort",
    "Statistics": "cumulative_prod cumulative_sum max mean min prod std sum var",
    "Utilities": "all any diff",
    "Information": "__array_namespace_info__",
}
"""The functions of the standard's version 2024.12, by its chapters."""

LINALG: Final = (
    "cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank matrix_transpose outer "
    "pinv qr slogdet solve svd svdvals tensordot trace vecdot vector_norm"
)
"""The extension ``linalg``."""

FFT: Final = "fft fftfreq fftn fftshift hfft ifft ifftn ifftshift ihfft irfft irfftn rfft rfftfreq rfftn"
"""The extension ``fft``."""

REFUSED: Final = {
    "conj imag real": "there are no complex numbers, so an array is its own real part",
    FFT: "the extension `fft`: there are no complex numbers; NumPy's `np.fft` takes `x.numpy()`",
    "nextafter": "it is about the bits of numbers, and has no gradient; NumPy's takes `x.numpy()`",
    "nonzero": "the shape of the result depends on values; choose with `tl.where(mask, x, 0)`, or ask NumPy",
    "unique_all unique_counts unique_inverse unique_values": "the sizes of the results depend on values; NumPy's take "
    "`x.numpy()`",
}
"""What is left out, and why."""

HEAD: Final = f"""# The array API standard

[The standard](https://data-apis.org/array-api/latest/) names the functions that libraries of arrays share, so that one
program works with any of them. `x.__array_namespace__()` is `tl` itself, which has the functions of version
{tl.__array_api_version__}, as far as arrays that never change and have no complex numbers allow:

```python
import tinygrad_lstm as tl


def standardised(x):
    xp = x.__array_namespace__()
    return (x - xp.mean(x, axis=0)) / xp.std(x, axis=0, correction=1)


x = tl.tensor([[1.0, 2.0], [3.0, 6.0]])
print(standardised(x))
print(tl.gradients(standardised(x)[0, 0], x))
print(tl.__array_namespace_info__().default_dtypes())
```

Such a program is differentiated and compiled as any other. What differs from the standard:

- **An array never changes**: `x[0] = 1` and `out=` are refused with the line to write, `x = x.at[0].set(1)`; `x += 1`
  makes a new array. So no `copy=` makes a difference.
- **Shapes are known before values**: an array of bools as an index is refused, and so are the functions below that have
  a result of unknown size. `__array_namespace_info__().capabilities()` says so.
- **Two widths of floats do not mix**; integers and floats do, and give the type of the float.
- Functions of real numbers take integers too, and give float32.
- There are no complex numbers, and float32 is the type of Python's floats.

This page is written by `docs/array_api_table.py`, and compared with `array-api-strict`: names, arguments, element types
and values.
"""


def refused() -> set[str]:
    """The functions that are left out, without those of ``fft``."""
    return {name for names in REFUSED if names != FFT for name in names.split()}


def listed(names: str) -> str:
    """Those of the functions that are here."""
    return ", ".join(f"`{name}`" for name in names.split() if name not in refused())


def table() -> str:
    """The page as text."""
    here = "".join(f"| {chapter} | {listed(names)} |\n" for chapter, names in CHAPTERS.items() if listed(names))
    left_out = "".join(
        f"| {', '.join(f'`{name}`' for name in names.split())} | {why} |\n" for names, why in REFUSED.items()
    )
    return (
        f"{HEAD}\n## Here\n\n| chapter | functions |\n|---|---|\n{here}| `tl.linalg` | {listed(LINALG)} |\n"
        "\nSome are second names of functions that NumPy has called otherwise for long, and `tl` too: `concat` is "
        "`concatenate`.\n"
        f"\n## Not here\n\n| functions | why |\n|---|---|\n{left_out}"
    )


if __name__ == "__main__":
    PAGE.write_text(table(), encoding="utf-8")
