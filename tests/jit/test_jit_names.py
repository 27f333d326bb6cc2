"""What a compiled function names in other files may be replaced there."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tinygrad_lstm as tl

WEIGHTS = """
import tinygrad_lstm as tl

w = tl.Parameter(2.0)
"""
PARTS = """
import tinygrad_lstm as tl
import weights_of_test
import weights_of_test as renamed

factor = tl.Parameter(1.0)


def scaled(x):
    return x * factor * renamed.w


class Layer(tl.nn.Module):
    def forward(self, x):
        return x * factor


layer = Layer()
stack = tl.nn.Sequential(tl.nn.Identity(), Layer())
"""
MAIN = """
import parts_of_test
import tinygrad_lstm as tl
import weights_of_test
from parts_of_test import scaled, layer, stack

count = []


@tl.jit
def by_attribute(x):
    count.append(1)
    return x * weights_of_test.w


@tl.jit
def by_function(x):
    count.append(1)
    return scaled(x)


@tl.jit
def by_path(x):
    count.append(1)
    return parts_of_test.weights_of_test.w * x


@tl.jit
def by_module(x):
    count.append(1)
    return layer(x)


@tl.jit
def by_stack(x):
    count.append(1)
    return stack(x)


@tl.jit
def by_argument(m, x):
    count.append(1)
    return m(x)
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, ModuleType, ModuleType]]:
    names = ("weights_of_test", "parts_of_test", "main_of_test")
    for name, text in zip(names, (WEIGHTS, PARTS, MAIN), strict=True):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield tuple(importlib.import_module(name) for name in names)  # type: ignore[misc]
    for name in names:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("function", "module", "name"),
    [
        ("by_attribute", 0, "w"),
        ("by_function", 0, "w"),
        ("by_function", 1, "factor"),
        ("by_path", 0, "w"),
        ("by_module", 1, "factor"),
        ("by_stack", 1, "factor"),
        ("by_argument", 1, "factor"),
    ],
)
def test_a_parameter_that_was_replaced_in_another_file_is_seen(
    files: tuple[ModuleType, ...], function: str, module: int, name: str
) -> None:
    main = files[2]
    f: Any = getattr(main, function)
    arguments = (files[1].layer, 1.0) if function == "by_argument" else (1.0,)
    before = f(*arguments).item()
    assert f(*arguments).item() == before
    assert len(main.count) == 1
    setattr(files[module], name, tl.Parameter(10.0))
    after = f(*arguments).item()
    assert f(*arguments).item() == after
    assert len(main.count) == 2
    assert f.__wrapped__(*arguments).item() == after != before


def test_a_function_of_another_file_that_was_replaced_is_seen(files: tuple[ModuleType, ...]) -> None:
    main, parts = files[2], files[1]
    assert main.by_function(1.0).item() == 2.0
    main.scaled = lambda x: x * 7  # type: ignore[attr-defined]
    assert main.by_function(1.0).item() == 7.0
    parts.other = tl.Parameter(1.0)  # type: ignore[attr-defined]  # named by none of them
    main.by_function(1.0)
    assert len(main.count) == 2


def test_installed_packages_are_taken_as_they_are(files: tuple[ModuleType, ...]) -> None:
    main = files[2]
    main.by_function(1.0)
    (entries,) = main.by_function._entries.values()
    spaces = {space["__name__"] for space, _, _ in entries[0]._named._variables}
    assert spaces <= {"main_of_test", "parts_of_test", "weights_of_test"}
