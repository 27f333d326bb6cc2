"""Random cells of fixed seeds: what the passes make of each keeps its values, and has the size that it had.

``UPDATE_GOLDEN=1 pytest tests/passes`` writes the sizes anew: fewer products or nodes are welcome, more are to be
explained.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest

from tests.passes.cells import Subject, differences, random_cell
from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.passes import optimize
from tinygrad_lstm.passes.compiling import ACROSS, IN_BODIES

GOLDEN = Path(__file__).parent.parent / "golden" / "passes" / "seeded_cells.txt"
SEEDS = 80

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def cell(seed: int) -> Subject:
    random = Random(seed)
    return random_cell(lambda n: random.randrange(n) if n > 1 else 0)


def size(outputs: Iterable[Tensor]) -> str:
    """Products and nodes, and in brackets those of each loop's body."""
    order = topological(outputs)
    inside = " ".join(f"[{size(n.attrs['body'].outputs)}]" for n in order if n.op == "scan")
    return f"{sum(n.op == 'contract' for n in order)}/{len(order)} {inside}".rstrip()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_cell(seed: int) -> None:
    subject = cell(seed)
    fast = optimize(subject.graph)
    assert differences(subject, fast) < 1e-12
    for rewriting in {**IN_BODIES, **ACROSS}.values():
        assert all(a is b for a, b in zip(rewriting(fast.outputs), fast.outputs, strict=True))
    if os.environ.get("UPDATE_GOLDEN"):
        return
    assert size(fast.outputs) == GOLDEN.read_text(encoding="utf-8").splitlines()[seed]


def test_what_is_recorded() -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        sizes = [size(optimize(cell(seed).graph).outputs) for seed in range(SEEDS)]
        GOLDEN.write_text("\n".join(sizes) + "\n", encoding="utf-8")
    assert len(GOLDEN.read_text(encoding="utf-8").splitlines()) == SEEDS
