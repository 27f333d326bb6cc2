"""The tables have the same keys, and every public name is documented."""

import inspect
import re
from collections import defaultdict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.ops.cases import CASES, SPECIAL
from tinygrad_lstm import functions, ops
from tinygrad_lstm.autodiff.table import LOOP_RULES
from tinygrad_lstm.graph.dtypes import DType
from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.registry import FUNCTIONS, OPS
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.kernels.table import kernels

STRUCTURAL = {"leaf", "constant", "symbol", "arange", "scan", "call", "branch", "while_loop", "item", "stacked"}
"""What the interpreter runs itself."""
COMPILED = {"contract"}
"""What only passes make."""
WITHOUT_VALUE = {"pullback"}
"""What forward mode makes and differentiates, and nobody computes."""
PROJECTIONS = {"item", "stacked"}
"""Their gradient is a part of their loop's."""
FLAT = {
    "leaf", "constant", "symbol", "arange", "stop_gradient", "threefry2x32", "argmax",
    "sign", "right_shift", "equal", "less", "less_equal", "bitwise_and", "bitwise_or", "invert",
    "floor_divide", "argsort",
}  # fmt: skip
"""What has no derivative, or the derivative 0."""


def test_every_op_has_a_kernel_or_is_structural() -> None:
    table = set(kernels(np))
    assert table | STRUCTURAL | WITHOUT_VALUE == set(OPS)
    assert not table & STRUCTURAL


def test_every_op_has_a_gradient_rule_or_is_flat() -> None:
    rules = {*LOOP_RULES, *(name for name, op in OPS.items() if op.gradient is not None)}
    assert rules | FLAT | PROJECTIONS == set(OPS)
    assert not rules & (FLAT | PROJECTIONS)
    assert {name for name, op in OPS.items() if not op.differentiable} == FLAT
    assert {name for name, op in OPS.items() if op.kind == "compiled"} == COMPILED
    assert {name for name, op in OPS.items() if op.kind == "projection"} == PROJECTIONS


def test_every_op_has_a_case_that_contains_it() -> None:
    seen: set[str] = set()
    for case in CASES:
        inputs = [tl.symbol(f"x{k}", x.shape, x.dtype) for k, x in enumerate(case.inputs)]
        for node in topological(flatten(case.f(*inputs))[0]):
            seen.add(node.op)
            if OPS[node.op].kind == "loop":
                seen |= {inner.op for inner in node.attrs["body"].nodes()}
    assert seen == set(OPS) - COMPILED - WITHOUT_VALUE
    assert seen <= {case.name for case in CASES}


FAMILIES = [
    getattr(room, name) for room in (ops, functions) for name in room.__all__
    if name not in ("branch", "call", "loop", "random", "repeating", "source", "threefry")
]  # fmt: skip
WITHOUT_CASE = {"At", "IndexedUpdate", "unique"}
"""Types, and what always raises."""


def own_names(family) -> set[str]:
    """The public functions of a file, without second names for those of others."""
    return {name for name in family.__all__ if getattr(family, name).__name__ == name}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda m: m.__name__)
def test_every_public_function_has_a_case(family) -> None:
    assert own_names(family) - WITHOUT_CASE <= {case.name for case in CASES}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda m: m.__name__)
def test_every_function_is_public(family) -> None:
    assert set(family.__all__) - {"At", "IndexedUpdate", "at", "getitem"} <= set(tl.__all__)


def test_every_smooth_case_is_in_float64() -> None:
    for case in CASES:
        if case.smooth:
            assert {x.dtype.name for x in case.inputs if x.dtype.kind == "f"} == {"float64"}, str(case)


def test_special_values_are_what_they_are_called() -> None:
    assert np.isnan(SPECIAL[0])
    assert np.signbit(SPECIAL[4])


def test_every_op_has_a_label_and_latex() -> None:
    for op in OPS.values():
        assert op.label
        assert op.latex
        assert op.latex.isascii(), op.name


def test_there_are_few_primitives() -> None:
    assert len(set(OPS) - COMPILED - WITHOUT_VALUE) <= 65


def test_a_gradient_has_an_entry_for_each_input() -> None:
    counts = defaultdict(set)
    for case in CASES:
        for node in graph_of(case):
            counts[node.op].add(len(node.inputs))
    for name, op in OPS.items():
        if isinstance(op.gradient, tuple) and name not in COMPILED:
            assert counts[name] == {len(op.gradient)}, name


def test_every_elementwise_op_has_c_text() -> None:
    assert {name for name, op in OPS.items() if op.c is not None} == {
        name for name, op in OPS.items() if op.kind == "elementwise"
    }


def test_an_op_is_found_by_its_definition() -> None:
    """One record for each, in the file of its family: not made in a loop."""
    texts = "".join(path.read_text(encoding="utf-8") for path in Path(ops.__file__).parent.glob("*.py"))
    for name in OPS:
        assert len(re.findall(rf'define\(\s*"{name}",', texts)) == 1, name


def graph_of(case):
    inputs = [tl.symbol(f"x{k}", x.shape, x.dtype) for k, x in enumerate(case.inputs)]
    return topological(flatten(case.f(*inputs))[0])


def public_objects() -> dict[str, object]:
    found = {}
    for module in (tl, tl.nn, tl.optim, tl.random):
        for name in getattr(module, "__all__", dir(module)):
            value = getattr(module, name)
            if not name.startswith("_") and callable(value) and not isinstance(value, DType | ModuleType):
                found[f"{module.__name__}.{name}"] = value
    return found


# Bases and plain records, whose use their subclasses and makers show.
WITHOUT_EXAMPLE = {"Optimizer", "Tensor", "State", "LSTMState", "Gates", "GRUGates", "next_key"}


PUBLIC = public_objects()


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_is_documented(name: str) -> None:
    value = PUBLIC[name]
    text = inspect.getdoc(value) or ""
    assert text, f"{name} has no docstring"
    assert text[0].isupper() or not text[0].isalpha(), f"{name}: a docstring starts like a sentence"
    if name.rpartition(".")[2] not in WITHOUT_EXAMPLE and not inspect.isclass(value):
        assert ">>>" in text, f"{name} has no example"


def test_methods_dispatch_to_functions_that_exist() -> None:
    for name in ("add", "getitem", "as_tensor", "tensor", "to_numpy", "to", "mean", "matmul"):
        assert name in FUNCTIONS
