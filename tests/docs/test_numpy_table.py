"""The table of NumPy's functions: each is here, under another name, or left out with a reason."""

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl

ROOT = Path(__file__).parent.parent.parent
TABLE = runpy.run_path(str(ROOT / "docs" / "numpy_table.py"))
OTHERWISE, REFUSED = TABLE["OTHERWISE"], TABLE["refused"]()


def functions(module: Any) -> set[str]:
    found = {name: getattr(module, name, None) for name in module.__all__ if not name.startswith("_")}
    return {name for name, value in found.items() if callable(value) and not isinstance(value, type)}


def test_the_page_is_that_of_the_table() -> None:
    assert TABLE["PAGE"].read_text(encoding="utf-8") == TABLE["table"](), "run `python docs/numpy_table.py`"


def test_every_function_of_numpy_has_one_place() -> None:
    here = set(TABLE["same_name"]())
    assert not here & {*OTHERWISE}
    assert not {*OTHERWISE} & {*REFUSED}
    assert functions(np) <= {*here, *OTHERWISE, *REFUSED}
    linear = set(tl.linalg.__all__)
    assert functions(np.linalg) - {"LinAlgError"} <= {*linear, *OTHERWISE, *REFUSED}
    assert linear <= set(TABLE["LINALG"])


def test_what_is_called_the_same_is_here() -> None:
    assert {name for name in TABLE["NUMPY"] if name not in OTHERWISE and name not in REFUSED} == set(
        TABLE["same_name"]()
    )
    for name in functions(np) & set(tl.__all__):
        assert name in TABLE["NUMPY"], name


@pytest.mark.parametrize("name", sorted(OTHERWISE))
def test_what_is_written_otherwise_exists(name: str) -> None:
    for path in re.findall(r"\btl((?:\.\w+)+)", OTHERWISE[name]):
        place: Any = tl
        for step in path[1:].split("."):
            place = getattr(place, step)
    for method in re.findall(r"\bx\.(\w+)", OTHERWISE[name]):
        assert hasattr(tl.Tensor, method) or method in ("dtype", "shape")


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_refused_is_not_here(name: str) -> None:
    assert name not in tl.__all__ or name == "unique"


X = np.array([[0.5, -1.5, 2.0], [3.0, 0.25, -0.75], [1.25, -2.0, 0.125]])


@pytest.mark.parametrize("name", sorted(name for name in OTHERWISE if hasattr(np, name)))
@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated:DeprecationWarning")
def test_what_is_written_otherwise_gives_the_same(name: str) -> None:
    """Of functions of one array, where the line needs nothing but it."""
    try:
        line = compile(OTHERWISE[name], name, "eval")
    except SyntaxError:
        return
    x = np.abs(X) / 4 if name in ("asin", "acos", "atanh") else X + 4 if name == "acosh" else X
    if set(line.co_names) & {
        "y",
        "n",
        "m",
        "i",
        "a",
        "b",
        "values",
        "weights",
        "mask",
        "axes",
        "indices",
        "reps",
        "arrays",
    }:
        return
    try:
        want = getattr(np, name)(x)
    except (TypeError, ValueError):
        return
    got = eval(line, {"tl": tl, "x": tl.tensor(x), "axis": None, "decimals": 0})
    if isinstance(want, np.ndarray | np.generic | float):
        np.testing.assert_allclose(np.asarray(got), want, rtol=1e-12)
