"""The array API standard: names, arguments, element types and values are those of ``array-api-strict``."""

import inspect
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import array_api_strict
import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import UsageError

PAGE = runpy.run_path(str(Path(__file__).parent.parent.parent / "docs" / "array_api_table.py"))
LISTED = {name for names in PAGE["CHAPTERS"].values() for name in names.split()}
LINEAR = set(PAGE["LINALG"].split())
FLAGS = {"set_array_api_strict_flags", "get_array_api_strict_flags", "reset_array_api_strict_flags"}
NEWER = {"broadcast_shapes", "isin"}
"""Of the standard's next version."""

CALLS = """
xp.arange(5) xp.arange(1, 7, 2, dtype=xp.float64) xp.asarray(x) xp.asarray(n, dtype=xp.float64, copy=True)
xp.empty((2, 3), dtype=xp.int64).shape xp.empty_like(x).shape xp.eye(3, 4, k=1, dtype=xp.float64)
xp.from_dlpack(x) xp.full((2,), fill_value=3) xp.full_like(x, fill_value=2, dtype=xp.int64)
xp.linspace(0.0, 1.0, num=4, endpoint=False, dtype=xp.float64) *xp.meshgrid(v, v, indexing='ij')
xp.ones((2, 3), dtype=None).shape xp.ones_like(n) xp.tril(s, k=1) xp.triu(s, k=-1) xp.zeros(3, dtype=xp.bool)
xp.zeros_like(x, dtype=xp.uint8)
xp.astype(x, xp.int64, copy=False) xp.can_cast(xp.int8, xp.int16) xp.finfo(xp.float32).eps xp.iinfo(xp.int8).max
xp.isdtype(xp.int8,('bool','signed_integer'.replace('_',' '))) xp.isdtype(xp.float32,xp.float64)
xp.result_type(xp.int8, xp.uint8)==xp.int16
xp.abs(x) xp.acos(q) xp.acosh(1+xp.abs(x)) xp.add(x, y) xp.asin(q) xp.asinh(x) xp.atan(x) xp.atan2(x, y) xp.atanh(q)
xp.bitwise_and(n, m) xp.bitwise_invert(n) xp.bitwise_left_shift(u, u) xp.bitwise_or(n, m)
xp.bitwise_right_shift(n, u64) xp.bitwise_xor(n, m) xp.ceil(x) xp.clip(x, min=-0.5, max=0.5) xp.clip(x, q, 2.0)
xp.copysign(x, y) xp.cos(x) xp.cosh(x) xp.divide(x, y) xp.equal(n, m) xp.exp(x) xp.expm1(x) xp.floor(x)
xp.floor_divide(n, p) xp.floor_divide(x, y) xp.greater(x, y) xp.greater_equal(n, m) xp.hypot(x, y) xp.isfinite(x)
xp.isinf(x) xp.isnan(x) xp.less(x, y) xp.less_equal(n, m) xp.log(xp.abs(x)) xp.log10(xp.abs(x)) xp.log1p(q)
xp.log2(xp.abs(x)) xp.logaddexp(x, y) xp.logical_and(b, c) xp.logical_not(b) xp.logical_or(b, c)
xp.logical_xor(b, c) xp.maximum(x, y) xp.minimum(n, m) xp.multiply(x, y) xp.multiply(u, u) xp.negative(x)
xp.not_equal(x, y) xp.positive(n) xp.pow(xp.abs(x), y) xp.pow(n, p) xp.reciprocal(y) xp.remainder(x, y)
xp.remainder(n, p) xp.round(x) xp.sign(n) xp.sign(x) xp.signbit(x) xp.sin(x) xp.sinh(x) xp.sqrt(xp.abs(x))
xp.square(n) xp.subtract(x, v) xp.tan(x) xp.tanh(x) xp.trunc(x)
xp.take(x, i, axis=1) xp.take_along_axis(x, i2, axis=1)
xp.matmul(x, xp.matrix_transpose(y)) xp.tensordot(x, y, axes=((1,),(1,))) xp.tensordot(x, v, axes=1)
xp.vecdot(x, v, axis=-1)
*xp.broadcast_arrays(x, v) xp.broadcast_to(v, (2, 3)) xp.concat([x, y], axis=1) xp.concat((x, y), axis=None)
xp.expand_dims(x, axis=1) xp.flip(x, axis=(0, 1)) xp.flip(x) xp.moveaxis(s, 0, -1) xp.permute_dims(s, (2, 0, 1))
xp.repeat(x, 2, axis=1) xp.repeat(x, 2) xp.reshape(x, (3, -1), copy=True) xp.roll(x, (1, 2), axis=(0, 1)) xp.roll(x, 2)
xp.squeeze(x[None,...], axis=0) xp.stack([x, y], axis=-1) xp.tile(x, (2, 1, 2)) *xp.unstack(x, axis=1)
xp.argmax(x, axis=1, keepdims=True) xp.argmin(n) xp.count_nonzero(b, axis=0, keepdims=True)
xp.searchsorted(xp.sort(v), x, side='right') xp.searchsorted(v, x, sorter=xp.argsort(v)) xp.where(b, x, y)
xp.argsort(x, axis=0, descending=True, stable=True) xp.sort(n, axis=1, descending=True)
xp.cumulative_prod(x, axis=1, include_initial=True) xp.cumulative_sum(n, axis=0, dtype=xp.float64)
xp.cumulative_sum(v, include_initial=True) xp.cumulative_sum(u, axis=1) xp.cumulative_prod(u, axis=0)
xp.cumulative_sum(xp.zeros((2,0)),axis=1,include_initial=True).shape
xp.max(x, axis=0) xp.mean(x, axis=(0, 1), keepdims=True) xp.min(n) xp.prod(n, dtype=xp.float64) xp.prod(u, axis=1)
xp.std(x, axis=1, correction=1) xp.sum(n, axis=1, keepdims=True) xp.sum(u) xp.sum(x, axis=()) xp.var(x, correction=0.5)
xp.all(b, axis=1) xp.any(x) xp.diff(x, axis=0, n=1, prepend=y, append=x) xp.diff(n)
xp.linalg.cholesky(pd) xp.linalg.cholesky(pd, upper=True) xp.linalg.cross(x, y, axis=-1) xp.linalg.det(s)
xp.linalg.diagonal(s, offset=1) xp.linalg.eigh(pd).eigenvalues xp.linalg.eigvalsh(pd) xp.linalg.inv(s)
xp.linalg.matmul(s, s) xp.linalg.matrix_norm(s, ord='nuc', keepdims=True) xp.linalg.matrix_norm(s, ord=-1)
xp.linalg.matrix_power(s, 3) xp.linalg.matrix_rank(s, rtol=1e-9) xp.linalg.matrix_transpose(s) xp.linalg.outer(v, v)
xp.linalg.pinv(s, rtol=1e-12) xp.abs(xp.linalg.qr(s,mode='complete').R) *xp.linalg.slogdet(s) xp.linalg.solve(s, s)
xp.linalg.solve(s[0,...], v) xp.linalg.svd(s, full_matrices=False).S xp.linalg.svdvals(s)
xp.linalg.tensordot(s[0,...], s, axes=((0,),(1,))) xp.linalg.trace(s, offset=1)
xp.linalg.trace(xp.astype(s,xp.int64), dtype=xp.int64)
xp.linalg.vecdot(x, y) xp.linalg.vector_norm(x, axis=1, ord=3, keepdims=True) xp.linalg.vector_norm(s)
x.mT x.T x.shape x.ndim x.size x.to_device(x.device)
bool(b[0,0]) float(x[0,1]) int(n[1,2]) x+1.5 2-n n//p n%p x@x.T n<<u64 n>>u64 n&m n|m n^m ~n -x +x abs(x) x==y x!=y
x<y n>=m x[1,...] x[:,::-1] x[...,None,1] x**2.0 n**2
str(xp.__array_namespace_info__().default_dtypes(device=None)['integral'])[-5:]
sorted(xp.__array_namespace_info__().dtypes(kind='unsigned_integer'.replace('_',' ')))
"""
"""Calls of each function, as a program by the standard writes them."""


def calls() -> Iterator[str]:
    """One expression after the other: they end where all brackets are closed."""
    open_, word = 0, ""
    for part in re.split(r"(\s)", CALLS):
        open_ += len(re.findall(r"[(\[]", part)) - len(re.findall(r"[)\]]", part))
        word += part
        if not open_ and word.strip():
            yield word.strip()
        word = word if open_ else ""


def arrays(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    square = rng.normal(size=(2, 3, 3))
    return {
        "x": rng.normal(size=(2, 3)), "y": rng.normal(size=(2, 3)), "q": rng.uniform(-1, 1, (2, 3)),
        "v": rng.normal(size=3), "s": square, "pd": square @ square.swapaxes(1, 2) + np.eye(3),
        "n": rng.integers(-9, 9, (2, 3)), "m": rng.integers(-9, 9, (2, 3)), "p": rng.integers(1, 5, (2, 3)),
        "u": rng.integers(0, 6, (2, 3), np.uint8), "u64": rng.integers(0, 6, (2, 3)),
        "b": rng.random((2, 3)) < 0.5, "c": rng.random((2, 3)) < 0.5,
        "i": rng.integers(0, 3, 4), "i2": rng.integers(0, 3, (2, 2)),
    }  # fmt: skip


def values(xp: Any, made: dict[str, Any], call: str) -> list[Any]:
    names = {name: xp.asarray(value) for name, value in made.items()}
    found = eval(f"({call},)", {"xp": xp}, names)
    if xp is array_api_strict:
        # NumPy 2.0 hands no read-only array on by DLPack.
        found = [xp.asarray(v, copy=True) if isinstance(v, type(xp.asarray(0))) else v for v in found]
    return [np.from_dlpack(v) if hasattr(v, "__dlpack__") and not isinstance(v, np.generic) else v for v in found]


@pytest.mark.parametrize("seed", range(4))
def test_values_and_element_types_are_those_of_the_strict_implementation(seed: int) -> None:
    made = arrays(seed)
    for call in calls():
        for got, want in zip(values(tl, made, call), values(array_api_strict, made, call), strict=True):
            if isinstance(want, np.ndarray):
                assert (got.dtype, got.shape) == (want.dtype, want.shape), call
                np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12, err_msg=call)
            else:
                assert got == want, call


def functions(module: Any) -> dict[str, Any]:
    found = {name: getattr(module, name) for name in module.__all__}
    return {name: f for name, f in found.items() if inspect.isfunction(f) and name not in FLAGS | NEWER}


def test_the_lists_are_those_of_the_standard() -> None:
    assert functions(array_api_strict).keys() == LISTED
    assert functions(array_api_strict.linalg).keys() == LINEAR
    assert functions(array_api_strict.fft).keys() == set(PAGE["FFT"].split())
    text = " ".join(calls())
    for name in LISTED - PAGE["refused"]():
        assert f"xp.{name}(" in text, name
    for name in LINEAR:
        assert f"xp.linalg.{name}(" in text, name


def test_what_the_standard_lets_one_write_is_taken() -> None:
    """Each argument by its name, if it has one there, and as many by position."""
    for module, own in ((array_api_strict, tl), (array_api_strict.linalg, tl.linalg)):
        for name, f in functions(module).items():
            if name in PAGE["refused"]():
                assert not hasattr(own, name)
                continue
            theirs = inspect.signature(f).parameters.values()
            ours = inspect.signature(getattr(own, name)).parameters.values()
            assert {p.name for p in theirs if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)} <= {
                p.name for p in ours
            }, name
            if not any(p.kind is p.VAR_POSITIONAL for p in ours):
                by_position = [sum(p.kind <= p.POSITIONAL_OR_KEYWORD for p in some) for some in (theirs, ours)]
                assert by_position[0] <= by_position[1], name


def test_the_namespace_of_an_array() -> None:
    assert tl.ones(2).__array_namespace__() is tl.Parameter([1.0]).__array_namespace__(api_version="2023.12") is tl
    assert tl.__array_api_version__ == "2024.12"
    with pytest.raises(UsageError, match=r"version '1999' .* is not followed here, but 2024\.12"):
        tl.ones(2).__array_namespace__(api_version="1999")
    info = tl.__array_namespace_info__()
    assert info.default_device() in info.devices()
    assert info.dtypes(device="cpu", kind=("bool", "real floating")).keys() == {"bool", "float16", "float32", "float64"}
    assert not info.capabilities()["boolean indexing"]
    assert tl.bool is tl.bool_
    for word in ("complex", "signed"):
        with pytest.raises(UsageError, match="isdtype: a kind is one of"):
            tl.isdtype(tl.int8, word)


def test_a_tensor_stays_itself_in_asarray() -> None:
    x = tl.symbol("x", 2)
    assert tl.asarray(x) is tl.asarray(x, copy=False) is tl.astype(x, tl.float32) is x
    assert tl.gradients(tl.asarray([x[0], 2.0 * x[1]]).sum(), x).evaluate({x: [0.0, 0.0]}).tolist() == [1.0, 2.0]
    with pytest.raises(UsageError, match="copy=False"):
        tl.asarray([1.0], copy=False)


def test_a_borrowed_array_may_be_copied() -> None:
    array = np.ones(2)
    borrowed, copied = tl.from_dlpack(array, device="cpu", copy=False), tl.from_dlpack(array, copy=True)
    array[0] = 5.0
    assert (borrowed.tolist(), copied.tolist()) == ([5.0, 1.0], [1.0, 1.0])


def test_the_page_is_that_of_the_table() -> None:
    assert PAGE["PAGE"].read_text(encoding="utf-8") == PAGE["table"](), "run `python docs/array_api_table.py`"
