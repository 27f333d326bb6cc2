"""``explain``: what it counts, and both of its forms."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.jit.explain import _DOES, Explanation, explained
from tinygrad_lstm.passes.compiling import PASSES

STEPS, BATCH, INPUT, HIDDEN = 20, 16, 32, 64


@pytest.fixture(scope="module")
def training() -> Explanation:
    """Forward and backward of a layer written as four equations over ``[h, x]``."""
    model = tl.nn.LSTM(INPUT, HIDDEN, key=tl.random.key(0))

    @tl.jit
    def step(x: Any) -> Any:
        y, _ = model(x)
        return tl.gradients((y * y).sum(), [*model.parameters(), x])

    with tl.use_backend("numpy"):
        explanation: Explanation = step.explain(np.zeros((STEPS, BATCH, INPUT), np.float32))
    return explanation


def test_the_training_of_an_lstm_has_one_product_and_one_kernel_a_step(training: Explanation) -> None:
    first, last = training.stages[0], training.stages[-1]
    assert [count for _, count in first.steps] == [4, 8]
    assert [count for _, count in last.steps] == [1, 1]
    assert last.products == 3
    found = training.counts
    assert found is not None
    assert found.gemms == 3
    assert [(loop.gemms, loop.kernels, loop.calls) for loop in found.loops] == [(1, 1, 0), (1, 1, 0)]
    assert training.memory > found.arena > 0
    assert found.bytes_moved > STEPS * sum(loop.bytes_moved for loop in found.loops)


def test_each_pass_that_changed_the_graph_is_a_stage(training: Explanation) -> None:
    names = [stage.name for stage in training.stages]
    assert names[0] == "traced"
    assert {"stack_matmuls", "split_concat", "sink", "hoist"} <= set(names) <= {"traced", *PASSES}
    assert set(_DOES) == {"traced", *PASSES}


def test_the_summary_has_a_line_for_each_stage(training: Explanation) -> None:
    lines = training.summary().splitlines()
    assert lines[0] == "step on numpy"
    assert [line.split()[0] for line in lines[3 : 3 + len(training.stages)]] == [s.name for s in training.stages]
    assert lines[-3].startswith("outside loops: 3 GEMMs, ")
    assert lines[-2].startswith(f"each of {STEPS} steps of LSTM: 1 GEMM, 1 kernel; ")
    assert lines[-1].startswith(f"each of {STEPS} steps of gradient/LSTM: 1 GEMM, 1 kernel; ")


def test_the_text_has_all_graphs_the_program_and_the_code(training: Explanation) -> None:
    text = training.text()
    assert text.startswith(training.summary())
    assert text.count("\n== ") == len(training.stages) + len(training.forms) + 2
    assert list(training.forms) == ["operations", "placed", "fused", "scheduled"]
    assert all(f"\n== {name}\n{form}\n" in text for name, form in training.forms.items())
    assert training.source in text


def test_print_gives_the_summary_and_tells_how_to_get_the_rest(training: Explanation) -> None:
    summary, _, last = str(training).rpartition("\n\n")
    assert summary == training.summary()
    assert last == 'The graphs, the program and the code: .text(), or .save("explain.html") for a page.'


def test_lines_of_bodies_say_what_decides() -> None:
    def f(x: Any, w: Any) -> Any:
        step = lambda c, x: ((tl.tanh(c[0] + tl.exp(x)), c[1] + x * w, c[2] * 2), c[0] * 3)  # noqa: E731
        return tl.scan(step, (tl.zeros(3), tl.zeros(3), tl.ones(3)), x)

    text = tl.jit(f).explain(np.ones((5, 3), np.float32), np.ones(3, np.float32)).text()
    traced = text.partition("== traced")[2].partition("\n== ")[0]
    ends = {line.split(" = ")[1].split()[0]: line.partition("; ")[2] for line in traced.splitlines() if "  ; " in line}
    assert ends["exp"] == "sliced, awaited, 12 B"
    assert ends["tanh"] == "carried, awaited, 12 B"
    assert "f32[3] = add" in traced
    assert "; carried, sum, 12 B" in traced
    assert "; fixed, 12 B" in traced
    assert "; carried, 12 B" in traced


class Tags(HTMLParser):
    """Fails where a tag is closed that is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_no_network(training: Explanation) -> None:
    page = training.html()
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not [attrs for _, attrs in tags.seen if {"src", "srcset"} & set(attrs)]
    assert "http" not in page
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page
    links = {attrs["href"] for tag, attrs in tags.seen if tag == "a"}
    parts = [attrs for tag, attrs in tags.seen if tag == "details"]
    assert links <= {f"#{attrs['id']}" for attrs in parts}
    assert [k for k, attrs in enumerate(parts) if "open" in attrs] == [len(training.stages) - 1]
    assert training._repr_html_().startswith("<iframe ")


def test_names_are_escaped() -> None:
    def f(x: Any) -> Any:
        return x.named("</pre><script>")

    f.__name__ = f.__qualname__ = "<i>&"
    page = tl.jit(f).explain(np.ones(2, np.float32)).html()
    assert "&lt;i&gt;&amp;" in page
    assert "<i>" not in page
    assert "&lt;/pre&gt;&lt;script&gt;" in page


def test_saving(tmp_path: Path, training: Explanation) -> None:
    assert training.save(tmp_path / "explain.html").read_text(encoding="utf-8") == training.html() + "\n"
    assert training.save(str(tmp_path / "explain.txt")).read_text(encoding="utf-8") == training.text() + "\n"
    with pytest.raises(UsageError, match=r"'explain.pdf' is neither a page nor text; end it in .html or .txt"):
        training.save(tmp_path / "explain.pdf")
    with pytest.raises(UsageError, match=r"cannot write .*; choose another place"):
        training.save(tmp_path / "missing" / "explain.html")


def test_a_backend_that_does_not_compile() -> None:
    graph = tl.jit(lambda x: tl.tanh(x)).graph(np.ones(2, np.float32))
    explanation = explained("f", "plain", graph, None, "", halves=False)
    assert explanation.counts is None
    assert explanation.memory == 0
    assert explanation.summary().endswith("op by op; the backends numpy, c and cupy compile it.")
    assert "== program" not in explanation.text()
    assert "generated code" not in explanation.html()


def test_loops_in_loops_and_calls() -> None:
    def f(x: Any) -> Any:
        inner = lambda h, row: (tl.tanh(h + row @ h), None)  # noqa: E731
        outer = lambda h, x: (tl.scan(inner, h, tl.stack([x, x @ h]))[0], None)  # noqa: E731
        again = tl.checkpoint(lambda v: tl.sin(v @ v))
        return tl.scan(outer, again(x[0]), x)[0]

    explanation = tl.jit(f).explain(np.ones((4, 3, 3), np.float32))
    assert explanation.stages[0].products == 1
    assert sorted(count for _, count in explanation.stages[0].steps) == [1, 1]
    assert [len(loop.loops) for loop in explanation.counts.loops] == [1]  # type: ignore[union-attr]  # numpy compiles
    assert "each of 2 steps" in explanation.summary()
    assert "each of 4 steps" in explanation.summary()
