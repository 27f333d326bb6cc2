"""The C and CUDA texts of the table of cases and of all cells are the same in every process, as the disk cache needs.

Nothing is compiled here, so this also runs where there is no compiler.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tinygrad_lstm_c.printing import print_c
from tinygrad_lstm_cupy.cuda import print_cuda

import tinygrad_lstm as tl
from tests.codegen.test_lowering import symbols
from tests.codegen.traced import cell
from tests.covering import parted
from tests.nn.test_variants import CELLS, named
from tests.ops.cases import CASES
from tests.ops.cases.forms import forms
from tinygrad_lstm.codegen.lowering import lower
from tinygrad_lstm.codegen.program import Program
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.passes import optimize

PRINTERS: dict[str, Callable[[Program], Any]] = {"C": print_c, "CUDA": print_cuda}


def graphs(every: bool) -> Iterator[tuple[str, Graph]]:
    """Of all cases and cells, or of a covering set of cases and one cell of each kind."""
    cells = [(*of_one, "float32") for of_one in CELLS]
    for case in CASES if every else parted(CASES, forms)[0]:
        xs = symbols(case.inputs)
        yield str(case), Graph(tuple(xs), tuple(flatten(case.f(*xs))[0]))
    for kind, options, dtype in cells if every else parted(cells, lambda of_one: of_one[:1])[0]:
        inputs, outputs, _ = cell(kind, options, dtype)
        yield f"{kind}, {named(options)}", optimize(Graph(tuple(inputs), tuple(outputs)))


def digests(every: bool) -> list[str]:
    """A line for each text."""
    lines = []
    for name, graph in graphs(every):
        program = lower(graph)
        for printer, print_ in PRINTERS.items():
            text = print_(program).source
            lines.append(f"{name}, {printer}: {hashlib.sha256(text.encode()).hexdigest()}")
    return lines


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_another_process_prints_the_same_texts(every: bool) -> None:
    code = f"from tests.codegen.test_texts import digests; print(*digests({every}), sep='\\n')"
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    other = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, encoding="utf-8", check=True
    )
    assert other.stdout.splitlines() == digests(every)


@pytest.mark.parametrize("printer", PRINTERS)
def test_the_length_of_a_text_does_not_grow_with_the_steps(printer: str) -> None:
    def text(length: int) -> str:
        lstm = tl.nn.LSTM(3, 4, key=tl.random.key(0))
        x = tl.symbol("x", (length, 2, 3))
        loss = (lstm(x)[0] ** 2).sum()
        program = lower(optimize(Graph((x,), (loss, *tl.gradients(loss, [x, *lstm.parameters()])))))
        return str(PRINTERS[printer](program).source)

    # Longer sums may take another round.
    assert len(text(500_000)) < 1.3 * len(text(5_000))
