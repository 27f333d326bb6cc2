"""``vmap`` of random programs against a Python loop: values, first and second derivatives.

The programs are those of ``tests/fuzz``, in float64, so that the order of a sum costs few digits.
"""

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.batching.looping import looped, weighed
from tests.covering import ranked
from tests.fuzz.comparing import as_tensor
from tests.fuzz.generator import generated
from tests.fuzz.program import Program, function_text
from tinygrad_lstm.errors import Error
from tinygrad_lstm.graph.structure import flatten

PARTS, EACH = 20, 50
SEED = 11


def wide(program: Program, text: str) -> Callable[..., Any]:
    """The function of a program's text, in float64."""
    contents = [widened(array) for *_, array in program.variables]
    names: dict[str, Any] = {"tl": tl, "np": np, "first": contents}
    exec(compile(text.replace("float32", "float64").replace("float16", "float64"), "<a random program>", "exec"), names)
    f, _ = names["make"]()
    return lambda *args: [as_tensor(y) for y in f(*args)]


def widened(array: Any) -> Any:
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def close(got: Any, want: Any) -> bool:
    """Whether results are the same but for rounding; numbers beyond reason are as good as none."""
    gots, wants = flatten(got)[0], flatten(want)[0]
    tl.evaluate(*gots, *wants)
    for y, w in zip(gots, wants, strict=True):
        if y.type != w.type:
            return False
        a, b = y.numpy(), w.numpy()
        if a.dtype.kind != "f":
            if not np.array_equal(a, b):
                return False
            continue
        usual = np.isfinite(b) & (np.abs(b) < 1e100)
        scale = max(1.0, float(np.abs(b[usual]).max(initial=0)))
        if not (np.abs(a[usual] - b[usual]) <= 1e-6 * scale).all():
            return False
        if not np.array_equal(np.isnan(a), np.isnan(b)) and usual.all():
            return False
    return True


def checked(number: int) -> str:
    """What came of one program: ``compared``, ``refused`` for its changes, or why it says nothing."""
    random, program = Random(number), generated(SEED, number)
    text = function_text(program)
    # What it assigns is seen by nobody but the next call.
    pure = "\n".join(line for line in text.splitlines() if ".assign(" not in line)
    f, calls = wide(program, pure), [[widened(x) for x in call] for call in program.calls]
    if not program.arguments:
        return "without arguments"
    rows = [calls[0], calls[1], calls[0]]
    axes: list[int | None] = [None if random.random() < 0.25 else 0 for _ in program.arguments]
    if not any(axis == 0 for axis in axes):
        axes[0] = 0
    args = [
        tl.tensor(calls[1][k] if axis is None else np.stack([row[k] for row in rows])) for k, axis in enumerate(axes)
    ]
    if ".assign(" in text or ".backward(" in text:
        # Or the program itself differentiates through what has no gradient, before it assigns.
        with pytest.raises(Error, match=r"not for each example; return the new value|has no gradient"):
            tl.vmap(wide(program, text), tuple(axes))(*args)
    if ".backward(" in text:
        return "refused"
    floats = tuple(k for k, x in enumerate(args) if x.dtype.is_float)
    functions = [f]
    if floats:
        functions.append(tl.grad(weighed(f), floats))
        functions.append(tl.grad(weighed(functions[-1]), floats))
    for g in functions:
        try:
            want = looped(g, axes)(*args)
            tl.evaluate(*flatten(want)[0])
        except (IndexError, Error) as error:
            return f"{type(error).__name__}: {error}"
        got = tl.vmap(g, tuple(axes))(*args)
        assert close(got, want), f"program {number}, in_axes {axes}\n{pure}"
    return "compared"


@pytest.mark.parametrize("part", ranked([0], range(1, 5), range(5, PARTS)))
def test_random_programs(part: int) -> None:
    with np.errstate(all="ignore"):
        found = [checked(number) for number in range(EACH * part, EACH * part + EACH)]
    assert found.count("compared") > EACH // 2, found
