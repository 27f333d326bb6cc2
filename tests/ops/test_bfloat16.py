"""bfloat16: casts, files, and ops that compute in float32 and round."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.codegen.small_programs import needs_c
from tinygrad_lstm.errors import DTypeError

ml_dtypes = pytest.importorskip("ml_dtypes")
BACKENDS = ["numpy", pytest.param("c", marks=needs_c)]
FUNCTIONS: dict[str, Any] = {
    "tanh": tl.tanh,
    "products": lambda x: x * x - x / 3,
    "sum": lambda x: tl.sum(x, axis=0),
    "softmax": tl.softmax,
    "variance": tl.var,
    "largest": lambda x: tl.max(x, axis=-1),
    "matmul": lambda x: x @ tl.transpose(x),
    "choice": lambda x: tl.where(x < 0, 0, x),
    "moved": lambda x: tl.concatenate([x[::-1], tl.pad(x, 1)[1:-1, 1:-1]], axis=0),
    "rows": lambda x: tl.take(x, tl.tensor([0, 0, -1]), axis=0),
    "logsumexp": lambda x: tl.logsumexp(x, axis=1),
    "scan": lambda x: tl.scan(lambda c, v: (tl.tanh(c + v), c * v), x[0], x)[1],
}


def halves(values: Any) -> Any:
    return np.asarray(values).astype(ml_dtypes.bfloat16)


X = np.random.default_rng(0).normal(size=(4, 4))


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_op_computes_in_float32_and_rounds(backend: str) -> None:
    x = tl.tensor(X).astype(tl.bfloat16)
    with tl.use_backend(backend):
        for name, f in FUNCTIONS.items():
            plain, compiled = f(x), tl.jit(f)(x)
            wide = f(x.astype(tl.float32)).numpy()
            assert plain.dtype is compiled.dtype is tl.bfloat16, name
            # A function of one op is its result in float32, rounded; of several, each rounds by 2⁻⁹ of its size.
            near = 2.0**-6 * (1 + np.abs(wide).max())
            for got in (plain, compiled):
                np.testing.assert_allclose(got.astype(tl.float32).numpy(), wide, atol=near, err_msg=name)
        for f in (tl.tanh, tl.sum, tl.exp, lambda v: v @ v, tl.abs):
            np.testing.assert_array_equal(f(x).numpy(), halves(f(x.astype(tl.float32)).numpy()))


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_and_training(backend: str) -> None:
    with tl.use_backend(backend):
        for name, f in FUNCTIONS.items():
            # With more terms than one the cotangents are added in bfloat16.
            loss = tl.grad(lambda x, f=f: (f(x) ** 2).sum())
            x = tl.tensor(X).astype(tl.bfloat16)
            got, want = tl.jit(loss)(x), loss(x.astype(tl.float32)).numpy()
            assert got.dtype is tl.bfloat16
            np.testing.assert_allclose(
                got.astype(tl.float32).numpy(), want, atol=0.06 * np.abs(want).max(), err_msg=name
            )
        layer = tl.nn.GRU(3, 4, key=tl.random.key(0), dtype=tl.bfloat16)
        optimizer = tl.optim.Adam(layer.parameters(), lr=0.01)

        @tl.jit
        def step(xs: Any) -> Any:
            loss = ((layer(xs)[0] - 0.5) ** 2).mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss

        xs = tl.ones((3, 2, 3), tl.bfloat16)
        losses = [float(step(xs)) for _ in range(30)]
        assert losses[-1] < losses[0] / 4
        assert all(p.dtype is tl.bfloat16 for p in layer.parameters())


@settings(max_examples=60, deadline=None)
@given(st.floats(allow_nan=False) | st.integers(-(2**62), 2**62))
def test_a_cast_gives_the_nearest_number(value: float) -> None:
    wide = np.array(value, dtype=float if isinstance(value, float) else np.int64)
    got = tl.tensor(wide).astype(tl.bfloat16)
    bits = got.numpy().view("uint16")
    exact = float(wide)
    if np.isinf(got.numpy().astype(float)):
        assert abs(exact) >= float(tl.finfo(tl.bfloat16).max)
        return
    error = abs(float(got) - exact)
    for other in (bits + np.uint16(1), bits - np.uint16(1)):
        near = float(np.asarray(other).view(ml_dtypes.bfloat16))
        assert not abs(near - exact) < error
    assert float(got.astype(tl.float64).astype(tl.bfloat16)) == float(got)


def test_files_hold_it_and_are_read_by_a_program_that_has_not_asked_for_it(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    tl.save(path, {"x": tl.tensor([1.5, -2.0]).astype(tl.bfloat16), "y": tl.ones(2)})
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert header["x"]["dtype"] == "BF16"
    code = (
        "import sys, tinygrad_lstm as tl; assert 'ml_dtypes' not in sys.modules; "
        f"x = tl.load({str(path)!r})['x']; print(x.dtype, x.tolist())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert said.stdout == "bfloat16 [1.5, -2.0]\n"


class TheirTensor:
    """A tensor of PyTorch of bfloat16, which NumPy does not take."""

    dtype = "torch.bfloat16"

    def __init__(self, value: Any) -> None:
        self.value = value

    def float(self) -> Any:
        return np.asarray(self.value)

    def numpy(self) -> Any:
        raise TypeError("Got unsupported ScalarType BFloat16")

    def detach(self) -> Any:
        return self

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.numpy()


def test_weights_of_pytorch() -> None:
    layer = tl.nn.Linear(2, 1, dtype=tl.bfloat16)
    tl.nn.from_pytorch(layer, {"weight": TheirTensor([[1.5, 2.0]]), "bias": TheirTensor([0.25])})
    assert (layer.weight.dtype, layer.weight.tolist(), layer.bias.tolist()) == (tl.bfloat16, [[1.5], [2.0]], [0.25])


def test_what_is_refused_says_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    x = tl.ones(2, tl.bfloat16)
    with pytest.raises(DTypeError, match="bfloat16 and float32 do not mix"):
        x * tl.tensor(np.ones(2, "float32"))
    with pytest.raises(DTypeError, match=r"no bfloat16 by DLPack; give x\.astype\(tl\.float32\)"):
        np.from_dlpack(x)
    with pytest.raises(DTypeError, match=r"no array of torch\.bfloat16 \(Got unsupported .*; give value\.float\(\)"):
        tl.tensor(TheirTensor([1.0]))
    with pytest.raises(DTypeError, match="there are no complex numbers here"):
        x.astype("complex64")
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    for call in (lambda: tl.ones(2).astype(tl.bfloat16), lambda: tl.tensor([1.0], dtype="bfloat16")):
        with pytest.raises(DTypeError, match=r"pip install 'tinygrad-lstm\[bfloat16\]'"):
            call()
