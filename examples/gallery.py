"""Every kind of picture that ``tl.draw`` makes, into ``docs/gallery``, with the page that shows them.

``python examples/gallery.py`` makes all of them; ``--only lstm_cell`` makes one, ``--out FOLDER`` puts them elsewhere.
A new one is a function here, under :func:`picture`: its docstring is the caption, its body the code on the page.
"""

import argparse
import inspect
import re
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

import tinygrad_lstm as tl

DOCS = Path(__file__).resolve().parent.parent / "docs"
FOLDER, PAGE = DOCS / "gallery", DOCS / "gallery.md"

INTRODUCTION = """# Gallery

All pictures are drawn from graphs: nothing here is a stored drawing. `python examples/gallery.py` makes them, and this
page. Before each piece of code stands `import tinygrad_lstm as tl`.
"""


class Saved(Protocol):
    """A picture: a Drawing or a Figure."""

    description: str

    def save(self, path: Path) -> Path: ...


@dataclass(frozen=True)
class Entry:
    """A picture of the gallery: where it stands, what it is called, and the function that makes it."""

    section: str
    title: str
    make: Callable[[], Saved]

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return self.make.__name__

    @property
    def caption(self) -> str:
        """What the docstring says."""
        return inspect.cleandoc(self.make.__doc__ or "")

    @property
    def code(self) -> str:
        """The body of the function, without the docstring."""
        source = inspect.getsource(self.make)
        body = source.rpartition('"""\n')[2]
        return re.sub(r"^return ", "", textwrap.dedent(body).rstrip(), flags=re.MULTILINE)


GALLERY: list[Entry] = []


def picture(section: str, title: str) -> Callable[[Callable[[], Saved]], Callable[[], Saved]]:
    """Put a function that makes a picture into the gallery."""

    def put(make: Callable[[], Saved]) -> Callable[[], Saved]:
        GALLERY.append(Entry(section, title, make))
        return make

    return put


CELLS, STEPS, TIME, TRAINED, GRAPHS = (
    "Cells",
    "The LSTM, step by step",
    "Layers over time",
    "What a network does",
    "Graphs",
)


@picture(CELLS, "LSTM")
def lstm_cell() -> Saved:
    """The long short-term memory: the cell state runs straight along the top, gates decide what is taken away from it
    and what is put in."""
    return tl.draw.cell(tl.nn.LSTMCell(3, 4), legend=True)


@picture(CELLS, "LSTM with peepholes")
def lstm_peephole() -> Saved:
    """The gates look at the cell state too."""
    return tl.draw.cell(tl.nn.LSTMCell(3, 4, peephole=True))


@picture(CELLS, "LSTM with coupled gates")
def lstm_coupled() -> Saved:
    """What is forgotten makes room for what is stored."""
    return tl.draw.cell(tl.nn.LSTMCell(3, 4, coupled=True))


@picture(CELLS, "LSTM with layer normalisation")
def lstm_layer_norm() -> Saved:
    """LN: each layer normalises its product. So is the cell state before its tanh, which makes a layer of it."""
    return tl.draw.cell(tl.nn.LSTMCell(3, 4, layer_norm=True))


@picture(CELLS, "LSTM with a projection")
def lstm_projection() -> Saved:
    """Fewer numbers go to the next step than the cell remembers (H. Sak et al., 2014)."""
    return tl.draw.cell(tl.nn.LSTMCell(3, 4, proj_size=2))


@picture(CELLS, "GRU")
def gru_cell() -> Saved:
    """The gated recurrent unit: one state, which is the conveyor."""
    return tl.draw.cell(tl.nn.GRUCell(3, 4))


@picture(CELLS, "GRU with the reset behind the product")
def gru_reset_after() -> Saved:
    """As cuDNN and PyTorch compute it."""
    return tl.draw.cell(tl.nn.GRUCell(3, 4, reset_after=True))


@picture(CELLS, "A plain recurrent cell")
def rnn_cell() -> Saved:
    """A single layer."""
    return tl.draw.cell(tl.nn.RNNCell(3, 4))


@picture(CELLS, "A cell of one's own")
def leaky_cell() -> Saved:
    """Scopes with roles make the boxes, names the labels. The gate here is a parameter alone, and looks at nothing."""

    class LeakyCell(tl.nn.Module):
        role = "cell"
        input_size = 3

        def __init__(self) -> None:
            self.decay = tl.Parameter(tl.zeros(4))
            self.candidate = tl.nn.Linear(7, 4)

        def zeros(self, batch: int) -> tl.Tensor:
            return tl.zeros((batch, 4))

        def forward(self, x: tl.Tensor, h: tl.Tensor) -> tl.Tensor:
            with tl.scope("decay", role="gate"):
                d = tl.sigmoid(self.decay).named("d")
            with tl.scope("candidate", role="layer"):
                new = tl.tanh(self.candidate(tl.concatenate([h, x], axis=-1))).named("h̃_t")
            return (d * h + (1 - d) * new).named("h_t")

    return tl.draw.cell(LeakyCell())


@picture(STEPS, "What to throw away")
def lstm_step1_forget() -> Saved:
    """`f_t = σ(W_f·[h_{t−1}, x_t] + b_f)`"""
    cell = tl.nn.LSTMCell(3, 4)
    return tl.draw.walkthrough(cell, tl.ones((1, 3)))[0].drawing


@picture(STEPS, "What to store")
def lstm_step2_input() -> Saved:
    """`i_t = σ(W_i·[h_{t−1}, x_t] + b_i)` and `C̃_t = tanh(W_C·[h_{t−1}, x_t] + b_C)`"""
    cell = tl.nn.LSTMCell(3, 4)
    return tl.draw.walkthrough(cell, tl.ones((1, 3)))[1].drawing


@picture(STEPS, "Update the state")
def lstm_step3_update() -> Saved:
    """`C_t = f_t∘C_{t−1} + i_t∘C̃_t`"""
    cell = tl.nn.LSTMCell(3, 4)
    return tl.draw.walkthrough(cell, tl.ones((1, 3)))[2].drawing


@picture(STEPS, "What to output")
def lstm_step4_output() -> Saved:
    """`o_t = σ(W_o·[h_{t−1}, x_t] + b_o)` and `h_t = o_t∘tanh(C_t)`"""
    cell = tl.nn.LSTMCell(3, 4)
    return tl.draw.walkthrough(cell, tl.ones((1, 3)))[3].drawing


@picture(TIME, "Rolled")
def lstm_rolled() -> Saved:
    """A layer with an arrow back for each state that it carries."""
    return tl.draw.rolled(tl.nn.LSTM(3, 4))


@picture(TIME, "Rolled and unrolled")
def rnn_rolled() -> Saved:
    """The same layer, with a copy for each step."""
    return tl.draw.unrolled(tl.nn.RNN(3, 4), steps=3, beside_rolled=True)


@picture(TIME, "In both directions")
def bidirectional() -> Saved:
    """Two loops, read off the graph of the layer: one of them goes from the last step to the first."""
    return tl.draw.unrolled(tl.nn.GRU(3, 4, bidirectional=True), steps=3)


@picture(TIME, "Two layers")
def two_layers() -> Saved:
    """The hidden states of the lower one are the inputs of the upper one."""
    return tl.draw.unrolled(tl.nn.LSTM(3, 4, num_layers=2), steps=3)


@picture(TIME, "The chain")
def lstm_chain() -> Saved:
    """The repeating module between its neighbours."""
    return tl.draw.chain(tl.nn.LSTM(3, 4), legend=True)


class CountingModel(tl.nn.Module):
    """Which of the letters a, b and T comes next?"""

    def __init__(self, key: Any) -> None:
        k_recurrent, k_output = tl.random.split(key)
        self.recurrent = tl.nn.LSTM(3, 6, key=k_recurrent)
        self.output = tl.nn.Linear(6, 3, key=k_output)

    def forward(self, letters: Any) -> Any:
        """The scores of each letter as the next one, for indices ``(time, batch)``."""
        outputs, _ = self.recurrent(tl.one_hot(letters, 3))
        return self.output(outputs)


def trained(steps: int = 250) -> CountingModel:
    """A model that has learnt to count: strings of n times a, as many b, and an end."""
    random = np.random.default_rng(0)
    model = CountingModel(tl.random.key(1))
    optimizer = tl.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        texts = ["".join("a" * n + "b" * n + "T" for n in random.integers(1, 11, size=40))[:49] for _ in range(16)]
        letters = np.array([["abT".index(c) for c in text] for text in texts], dtype=np.int32).T
        scores = model(tl.tensor(letters[:-1]))
        loss = tl.nn.cross_entropy(scores.reshape((-1, 3)), tl.tensor(letters[1:].reshape(-1)))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


@picture(TRAINED, "Gates along a text")
def counting() -> Saved:
    """A small LSTM has learnt strings of n times a, as many b, and an end T. Units 0 and 4 of its cell state count up
    along the a and down along the b, while unit 2 rises all the way. At T some forget gates close, which clears their
    units for the next string."""
    text = "aaaaaabbbbbbTaabbTaaaaaaaabbbbbbbbT"
    letters = tl.tensor([["abT".index(c)] for c in text])
    return tl.draw.gates(trained()(letters), text, title="An LSTM that counts")


@picture(TRAINED, "A text coloured by a unit")
def coloured() -> Saved:
    """The same text, each letter on the colour of the cell state of single units. Which units to look at, `correlate`
    says: those that follow closest how many b are still to come, and whether the string is at its b."""
    text = "aaaaaabbbbbbTaabbTaaaaaaaabbbbbbbbT" * 2
    seen = tl.observe(trained(), tl.tensor([["abT".index(c)] for c in text]))
    open_, still = 0, []
    for c in text:
        open_ = 0 if c == "T" else open_ + (1 if c == "a" else -1)
        still.append(open_)
    signals = {"b still to come": still, "at the b": [c == "b" for c in text]}
    best = {name: seen.correlate(signal, names=["C_t"], top=1)[0] for name, signal in signals.items()}
    values = {f"{name}: unit {c.unit}, r = {c.r:.2f}": seen.C_t[:, 0, c.unit] for name, c in best.items()}
    return tl.draw.coloured(text, values, title="An LSTM that counts")


@picture(TRAINED, "How far back a gradient reaches")
def long_term() -> Saved:
    """The norm of the gradient of a loss at the end by each earlier state, before any training. Through the plain
    network it falls by the same factor at each step; along the cell state of an LSTM whose forget gates are open it
    stays."""
    key = tl.random.key(0)
    layers = {"RNN": tl.nn.RNN(3, 16, key=key), "LSTM": tl.nn.LSTM(3, 16, key=key, forget_bias=3.0)}
    return tl.draw.gradient_over_time(layers, tl.random.normal(key, (40, 1, 3)))


@picture(TRAINED, "The unit that carries the number")
def number_unit() -> Saved:
    """An LSTM has learnt to say whether the next verb is singular or plural. From the subject to its verb one unit of
    the cell state is negative in the singular and positive in the plural, whatever other nouns and verbs come between,
    and its output gate opens at the end."""
    agreement = tl.tasks.agreement
    trained = agreement.train_sentences(agreement.from_grammar(), "lstm", trials=3, steps=3000)
    return agreement.picture_of_unit(trained, agreement.find_number_unit(trained))


@picture(GRAPHS, "A function and its derivative")
def sine_gradient() -> Saved:
    """A gradient is a graph like any other. What helps to compute it has a dashed outline; multiplications by 1, with
    which backpropagation begins, are left out."""
    x = tl.symbol("x")
    y = tl.sin(x**2)
    return tl.draw.graph((y, tl.gradients(y, x)), title="sin(x²) and its derivative")


@picture(GRAPHS, "One step as a graph of operations")
def rnn_graph() -> Saved:
    """The same cell as above, with each of its operations."""
    cell = tl.nn.RNNCell(3, 4)
    return tl.draw.graph(cell, tl.symbol("x_t", (1, 3)), tl.symbol("h_{t-1}", (1, 4)))


@picture(GRAPHS, "A loop")
def loop_graph() -> Saved:
    """A scan is one box with its body inside, for any number of steps."""
    x = tl.symbol("x", (10, 2))
    total, sums = tl.scan(lambda c, x_t: (c + x_t, tl.tanh(c)), tl.zeros(2), x)
    return tl.draw.graph({"total": total, "sums": sums})


@picture(GRAPHS, "Forward and backward together")
def sine_together() -> Saved:
    """The backward pass stands with the forward pass, and dotted lines tie each of its nodes to what it belongs to."""
    x = tl.symbol("x")
    y = tl.sin(x**2)
    return tl.draw.graph((y, tl.gradients(y, x)), gradients="together", ties=True)


@picture(GRAPHS, "Values on the nodes")
def rnn_values() -> Saved:
    """A graph computed at one input, in dark colours. The colours are on a logarithmic scale, on which zeros have no
    place."""
    cell = tl.nn.RNNCell(3, 4, key=tl.random.key(0))
    return tl.draw.graph(cell, tl.ones((1, 3)), cell.zeros(1), values="heat", theme="dark")


@picture(GRAPHS, "The gradient that flows back")
def vanishing() -> Saved:
    """A loop with a step beside the other: the width and the colour of an edge are the size of the gradient that comes
    back over it. It shrinks from the last step to the first."""
    weight = tl.tensor(0.4)

    def step(h: tl.Tensor, x_t: tl.Tensor) -> tuple[tl.Tensor, None]:
        return tl.tanh(h * weight + x_t).named("h_t"), None

    last, _ = tl.scan(step, tl.tensor(0.0), tl.tensor([0.5, 1.0, -0.5, 1.5]))
    return tl.draw.graph(last, loops="unrolled", flow=True, shapes=False)


def page() -> str:
    """The page of the documentation that shows the gallery."""
    parts = [INTRODUCTION]
    section = ""
    for entry in GALLERY:
        if entry.section != section:
            section = entry.section
            parts.append(f"## {section}\n")
        parts.append(f"### {entry.title}\n\n{entry.caption}\n\n![{entry.title}](gallery/{entry.name}.svg)\n")
        parts.append(f"```py\n{entry.code}\n```\n")
    return "\n".join(parts)


def main(argv: list[str] | None = None) -> None:
    """Make the pictures and the page."""
    parser = argparse.ArgumentParser(description="Make every kind of picture, and the page that shows them.")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the pictures")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="the names of the pictures to make")
    options = parser.parse_args(argv)
    unknown = [name for name in options.only or [] if name not in {entry.name for entry in GALLERY}]
    if unknown:
        parser.error(f"no picture is called {unknown[0]}; there are {', '.join(e.name for e in GALLERY)}")
    options.out.mkdir(parents=True, exist_ok=True)
    tl.seed(0)
    for entry in GALLERY:
        if options.only is None or entry.name in options.only:
            print(entry.make().save(options.out / f"{entry.name}.svg"))
    if options.out == FOLDER:
        PAGE.write_text(page(), encoding="utf-8")
        print(PAGE)


if __name__ == "__main__":
    try:
        main()
    except (tl.errors.Error, OSError) as error:
        sys.exit(f"gallery: {error}")
