"""Floats as integers: cut off, and what is out of range is the nearest one, on every backend alike."""

import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.cuda_shim import needs_compiler
from tests.codegen.small_programs import elementwise, needs_c
from tests.codegen.test_cuda_kernels import compile_cuda
from tinygrad_lstm.codegen.c_prelude import PRELUDE
from tinygrad_lstm.errors import DTypeError
from tinygrad_lstm.graph.dtypes import DTYPES
from tinygrad_lstm.kernels import casts

EDGES = [sign * (2.0**n + more) for n in (31, 32, 63, 64) for more in (-1, 0, 1) for sign in (1, -1)]
VALUES = [0.0, -0.0, 0.5, -0.5, 1.7, -1.7, 65504.0, 1e-40, 1e30, -1e30, math.nan, math.inf, -math.inf, *EDGES]


def nearest(value: float, low: int, high: int) -> int:
    if math.isnan(value):
        return 0
    return low if value < low else high if value > high else int(value)


def floats(dtype: str) -> Any:
    with np.errstate(all="ignore"):
        values = np.array(VALUES).astype(dtype)
        return np.concatenate([values, np.nextafter(values, values.dtype.type(0))])


def wanted(x: Any, name: str) -> list[int]:
    return [nearest(v, *casts.BOUNDS[name]) for v in x.tolist()]


@pytest.mark.parametrize("source", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", list(casts.BOUNDS))
@pytest.mark.parametrize("way", ["plain", "numpy", pytest.param("c", marks=needs_c)])
def test_out_of_range_is_the_nearest_integer(way: str, name: str, source: str) -> None:
    x = floats(source)

    def f(x: tl.Tensor) -> tl.Tensor:
        return (x * 1).astype(name)

    with tl.use_backend("numpy" if way == "plain" else way):
        got = (f if way == "plain" else tl.jit(f))(tl.tensor(x))
    assert (got.dtype, got.tolist()) == (name, wanted(x, name))


@needs_compiler
@pytest.mark.parametrize("source", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", list(casts.BOUNDS))
def test_in_cuda(name: str, source: str) -> None:
    x = floats(source)
    (got,) = compile_cuda(elementwise("cast", [x], DTYPES[name]))([x])
    assert got.tolist() == wanted(x, name)


@pytest.mark.parametrize("name", list(casts.BOUNDS))
def test_what_enters_is_converted_alike(name: str) -> None:
    x = floats("float64")
    assert tl.tensor(x, dtype=name).tolist() == wanted(x, name)
    assert tl.full(2, 2.9, dtype=name).tolist() == [2, 2]
    for value in (math.nan, math.inf, -math.inf):
        with pytest.raises(DTypeError, match=f"{value} does not fit into {name}, which holds"):
            tl.full(2, value, dtype=name)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc, whose sanitizer watches the casts")
def test_the_sanitizer_of_casts_is_silent(tmp_path: Path) -> None:
    pairs = [(i, f) for i in ("i32", "i64", "u32") for f in ("f32", "f64")]
    calls = "".join(f"total += (uint64_t){i}_from_{f}(values[k]); " for i, f in pairs)
    text = ", ".join("NAN" if math.isnan(v) else f"{v!r}".replace("inf", "INFINITY") for v in VALUES)
    main = f"""
int main(void) {{
  const double values[] = {{{text}}};
  uint64_t total = 0;
  for (int k = 0; k < {len(VALUES)}; ++k) {{ {calls}}}
  return total == 1;
}}
"""
    source, program = tmp_path / "casts.c", tmp_path / "casts"
    source.write_text(PRELUDE + main)
    flags = ["-fsanitize=undefined,float-cast-overflow", "-fno-sanitize-recover", "-w", "-fopenmp-simd", "-lm"]
    built = subprocess.run(["gcc", "-O1", str(source), "-o", str(program), *flags], capture_output=True, text=True)
    if "cannot find" in built.stderr:
        pytest.skip("gcc has no library of the sanitizer here")
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([str(program)], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
