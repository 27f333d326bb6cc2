"""The whole line in one run: train an LSTM on real text, let it write, draw it, and show it all on one page.

``python examples/demo.py --out out`` leaves in ``out/``: the checkpoint, a sample, pictures of the cell, of its gates
along the sample, of single units along a text, of gradients over time and of graphs, a page that plays one step, and
``index.html`` with all of them.
"""

import argparse
import html
import math
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm.data import Vocabulary, default_corpus
from tinygrad_lstm.train import LanguageModel, LanguageModelTrainer, ModelConfig, Progress, TrainConfig, bits, sample

try:
    import matplotlib as mpl
    import matplotlib.pyplot as plt
except ImportError:
    sys.exit("The demonstration draws its curve with matplotlib; get it with: pip install -e '.[plots]'")

PROMPT = "The "
LOOKED = 8_000
"""At how many characters of the held-out text the units are looked at."""

PYTHON = """\
import tinygrad_lstm as tl

model, vocabulary = tl.train.load_model("{checkpoint}")
print("".join(tl.train.sample(model, vocabulary, "{prompt}", length=200, temperature=0.5)))
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>An LSTM, trained and drawn</title>
<style>
  :root {{ color-scheme: light dark; --ink: #1d2127; --paper: #fbfbf9; --soft: #5b6370; --line: #d9dce1; }}
  @media (prefers-color-scheme: dark) {{
    :root {{ --ink: #e8eaee; --paper: #17191d; --soft: #a2abb8; --line: #363b44; }}
  }}
  body {{ margin: 0 auto; max-width: 60rem; padding: 2rem 1.2rem 4rem; background: var(--paper); color: var(--ink);
         font: 1rem/1.55 system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }}
  h1 {{ font-size: 1.7rem; margin: 0 0 .3rem; }} h2 {{ font-size: 1.2rem; margin: 2.6rem 0 .4rem; }}
  p {{ margin: .4rem 0; }} .soft {{ color: var(--soft); }}
  dl {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .8rem; margin: 1.4rem 0; }}
  dl div {{ border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .9rem; }}
  dt {{ color: var(--soft); font-size: .85rem; }} dd {{ margin: 0; font-size: 1.25rem; }}
  figure {{ margin: .8rem 0; }}
  .picture {{ background: #fff; border: 1px solid var(--line); border-radius: .5rem; padding: .8rem; overflow: auto; }}
  .picture img {{ display: block; margin: 0 auto; max-width: 100%; height: auto; }}
  iframe {{ width: 100%; height: min(85vh, 52rem); border: 1px solid var(--line); border-radius: .5rem; }}
  .wide {{ width: min(94vw, 100rem); margin-left: 50%; transform: translateX(-50%); }}
  figcaption {{ color: var(--soft); font-size: .9rem; margin-top: .4rem; }}
  pre {{ border: 1px solid var(--line); border-radius: .5rem; padding: .9rem; white-space: pre-wrap;
        overflow-wrap: anywhere; font-size: .9rem; }}
</style>
</head>
<body>
<h1>An LSTM, trained and drawn</h1>
<p class="soft">A character model of {parameters:,} parameters, made of generic operations, trained for {seconds:.0f} s
on {text}.</p>
<dl>
<div><dt>Held-out loss</dt><dd>{nats:.3f} nats</dd></div>
<div><dt>per character</dt><dd>{bits:.3f} bits</dd></div>
<div><dt>Updates</dt><dd>{steps:,}</dd></div>
<div><dt>Characters a second</dt><dd>{rate:,.0f}</dd></div>
</dl>
<h2>The cell</h2>
<figure><div class="picture"><img src="lstm.svg" alt="{cell}"></div>
<figcaption>One step of the LSTM that was trained, drawn from its own graph. Yellow boxes are layers, pink circles
pointwise operations. Merging lines concatenate, forking lines copy.</figcaption></figure>
<h2>One step, to play</h2>
<figure class="wide"><iframe src="step.html" title="One step of the trained LSTM, node by node"></iframe>
<figcaption>The step in which the trained cell reads the last character of “{read}”: every value on the way forwards,
every gradient on the way back. <a href="step.html">Open it alone</a>.</figcaption></figure>
<h2>What it learned</h2>
<figure><div class="picture"><img src="curve.svg" alt="The loss falls from {first:.2f} to {last:.2f} nats.">
</div><figcaption>Loss on the text it learns from, and on the last tenth, which it never sees. Guessing among the
{characters} characters costs {guessing:.2f} nats.</figcaption></figure>
<h2>What it writes</h2>
<pre>{sample}</pre>
<p class="soft">Temperature 0.5, after the prompt “{prompt}”. More: <code>tinygrad-lstm sample {checkpoint}</code>, or
in Python:</p>
<pre>{python}</pre>
<h2>Units that mean something</h2>
<figure class="wide"><div class="picture"><img src="units.svg" alt="{units}"></div>
<figcaption>Text that the model has never seen, coloured by the cell state of single units: of all {hidden}, the one
that follows best where in the line a character stands, the one that follows best whether it is inside quotes, and the
one that follows best how many letters of its word there have been. Nobody told the model of lines, quotes or words.
r is the correlation over {looked:,} characters.</figcaption></figure>
<h2>Its gates along what it writes</h2>
<figure class="wide"><div class="picture"><img src="gates.svg" alt="{gates}"></div>
<figcaption>The forget gate, the input gate, the output gate and the cell state at each character, for the units that
follow these signals best, five for each. Where a forget gate is near 1 the unit keeps what it holds, where it is near 0
the unit is cleared.</figcaption></figure>
<h2>How far back a gradient reaches</h2>
<figure class="wide"><div class="picture"><img src="gradient_over_time.svg" alt="{reach}"></div>
<figcaption>The gradient of the last hidden state by the states before each character, from right to left, on a
logarithmic scale: in a plain RNN of the same size before any training, in an LSTM before any training, and in the one
trained here.</figcaption></figure>
<h2>The graphs</h2>
<figure class="wide"><div class="picture"><img src="model.svg" alt="The computation graph of the model."></div>
<figcaption>From characters to the scores of the next ones, with the parts of the model folded. The loop over time is
within one of them, for any number of steps. At full size: <a href="loss.svg">the loss</a>,
<a href="gradient.svg">the gradient of the loss by all parameters</a>, in which the loop runs the other way, and
<a href="step_gradient.svg">the gradient of one step by the weight of the forget gate</a>.</figcaption></figure>
</body>
</html>
"""


def draw_curve(trainer: LanguageModelTrainer, path: Path) -> None:
    """The loss of each update, smoothed, and the held-out loss."""
    mpl.rcParams["svg.hashsalt"] = "tinygrad_lstm"
    losses = np.array(trainer.losses)
    width = max(1, len(losses) // 60)
    smooth = np.convolve(losses, np.ones(width) / width, mode="valid")
    figure, axes = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
    axes.plot(np.arange(len(losses)) + 1, losses, color="#9ecae1", linewidth=0.7)
    axes.plot(np.arange(len(smooth)) + width, smooth, color="#0b5394", linewidth=1.8, label="training text")
    steps, held_out = zip(*trainer.validations, strict=True)
    axes.plot(steps, held_out, "o--", color="#c2410c", linewidth=1.4, markersize=5, label="held-out text")
    axes.annotate(
        f"{held_out[-1]:.3f}", (steps[-1], held_out[-1]), xytext=(0, 9), textcoords="offset points", ha="right"
    )
    axes.set(xlabel="updates", ylabel="nats per character", ylim=(0.9 * losses.min(), losses.max() * 1.03))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e5e7eb")
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def draw_graphs(model: LanguageModel, out: Path) -> None:
    """The graphs of the model and of its loss, and two graphs of gradients."""
    indices = tl.symbol("characters", (64, 32), tl.int32)
    targets = tl.symbol("next characters", (64, 32), tl.int32)
    logits, _ = model(indices)
    loss = tl.nn.cross_entropy(logits, targets)
    tl.draw.graph({"scores": logits}, depth=1, title="The language model").save(out / "model.svg")
    tl.draw.graph(loss, title="The loss of the language model").save(out / "loss.svg")
    slopes = tl.gradients(loss, dict(model.named_parameters()))
    tl.draw.graph(slopes, depth=3, title="The gradient of the loss").save(out / "gradient.svg")

    cell = model.recurrent.cells[0]
    x = tl.symbol("x_t", (1, cell.input_size))
    h, _ = cell(x, (tl.symbol("h_{t-1}", (1, cell.hidden_size)), tl.symbol("C_{t-1}", (1, cell.hidden_size))))
    slope = tl.gradients((h * h).sum(), cell.forget.weight)
    tl.draw.graph(slope, title="The gradient of one step").save(out / "step_gradient.svg")


def draw_step(model: LanguageModel, vocabulary: Vocabulary, text: str, out: Path) -> tl.draw.Drawing:
    """The picture of the trained cell, and the page that plays its step at the last character of ``text``."""
    cell = model.recurrent.cells[0]
    picture = tl.draw.cell(cell)
    picture.save(out / "lstm.svg")
    *before, now = vocabulary.encode(text)
    _, (h, c) = model(tl.tensor(before)[:, None])
    state = type(cell.zeros(1))(h[0].detach(), c[0].detach())
    tl.draw.page(cell, model.embedding(tl.tensor([now])).detach(), state, title="One step of the trained LSTM").save(
        out / "step.html"
    )
    return picture


def signals(text: str) -> dict[str, list[int]]:
    """What a unit may follow along a text: a number for each character."""
    position, quoted, letters = [-1], [0], [0]
    for before, character in zip(" " + text, text, strict=False):
        position.append(0 if before == "\n" else position[-1] + 1)
        # An empty line ends a quotation that nobody has closed.
        quoted.append(0 if before + character == "\n\n" else (1 - quoted[-1] if character == '"' else quoted[-1]))
        letters.append(letters[-1] + 1 if character.isalpha() else 0)
    return {
        "position in the line": position[1:],
        "inside quotes": quoted[1:],
        "letters of the word so far": letters[1:],
    }


def excerpt(text: str, lines: int = 11) -> slice:
    """Some lines in a row that no table stands in, those with most quotes."""
    starts = [0, *[k + 1 for k, c in enumerate(text) if c == "\n"]]
    parts = [slice(a, b) for a, b in zip(starts, starts[lines:], strict=False)]
    return max(parts, key=lambda part: text[part].count('"') - 100 * (text[part].count("|") + text[part].count("--")))


def draw_units(model: LanguageModel, vocabulary: Vocabulary, text: str, out: Path) -> tuple[str, list[int]]:
    """The text coloured by the units that follow each signal best; returns what it shows, and the five best of each."""
    seen = tl.observe(model, tl.tensor(vocabulary.encode(text))[:, None])["recurrent.cells.0"]
    part, coloured, units = excerpt(text), {}, set()
    for name, signal in signals(text).items():
        found = seen.correlate(signal, names=["C_t"], top=5)
        said = f"{name}: unit {found[0].unit}, r = {found[0].r:+.2f}".replace("-", "−")
        print(said)
        coloured[said] = seen.C_t[part, 0, found[0].unit]
        units |= {c.unit for c in found}
    figure = tl.draw.coloured(text[part], coloured, title="The cell state of three units")
    figure.save(out / "units.svg")
    return figure.description, sorted(units)


def draw_along(model: LanguageModel, vocabulary: Vocabulary, text: str, units: list[int], out: Path) -> tuple[str, str]:
    """The gates along a text, and the gradients over its first characters; returns what the two pictures show."""
    indices = tl.tensor(vocabulary.encode(text))[:, None]
    seen = tl.observe(model, indices)
    gates = tl.draw.gates(seen, text, units=units, title="The trained LSTM along its own text")
    gates.save(out / "gates.svg")

    config, few = model.config, 28
    sizes = (config.embedding, config.hidden)
    layers = {
        "RNN, untrained": tl.nn.RNN(*sizes, key=tl.random.key(0)),
        "LSTM, untrained": tl.nn.LSTM(*sizes, key=tl.random.key(0)),
        "LSTM, trained": model.recurrent,
    }
    reach = tl.draw.gradient_over_time(layers, model.embedding(indices[:few]), text[:few])
    replace(reach, columns=len(layers)).save(out / "gradient_over_time.svg")
    return gates.description, reach.description


def main(argv: list[str] | None = None) -> None:
    """Run the demonstration."""
    parser = argparse.ArgumentParser(description="Train an LSTM on real text, draw it, and show it on one page.")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for what is made")
    parser.add_argument("--steps", type=int, default=1000, help="updates to train")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint = options.out / "model.safetensors"
    # Imported before the training, so that a missing package is reported at once.
    tl.draw.cell(tl.nn.LSTMCell(3, 4)).save(options.out / "lstm.svg")

    corpus = default_corpus()
    print(f"Text: {corpus.name}, {len(corpus.text):,} characters")
    trainer = LanguageModelTrainer(corpus, ModelConfig(), TrainConfig(steps=options.steps))
    print(f"Training {options.steps:,} updates; the held-out text is its last tenth.")
    started = time.perf_counter()
    with tl.blas_threads(1), Progress(trainer, sys.stderr) as progress:
        trainer.run(progress, checkpoint)
    seconds = time.perf_counter() - started
    nats = trainer.validations[-1][1]
    print(f"Held out: {nats:.3f} nats = {bits(nats):.3f} bits per character, after {seconds:.0f} s\n")

    written = PROMPT + "".join(sample(trainer.model, trainer.vocabulary, PROMPT, length=400, temperature=0.5, seed=2))
    print(f"A sample:\n{written}\n")
    (options.out / "sample.txt").write_text(written + "\n", encoding="utf-8")

    model, vocabulary = trainer.model, trainer.vocabulary
    draw_curve(trainer, options.out / "curve.svg")
    draw_graphs(model, options.out)
    read = written[:12].rstrip()
    picture = draw_step(model, vocabulary, read, options.out)
    held_out = corpus.text[-LOOKED:]
    units, best = draw_units(model, vocabulary, held_out[held_out.index("\n") + 1 :], options.out)
    gates, reach = draw_along(model, vocabulary, written[:60], best, options.out)
    python = PYTHON.format(checkpoint=checkpoint, prompt=PROMPT)
    config = trainer.config
    page = PAGE.format(
        parameters=sum(p.size for p in model.parameters()),
        seconds=seconds,
        text=html.escape(corpus.name),
        nats=nats,
        bits=bits(nats),
        steps=trainer.at,
        rate=config.steps * config.window * config.batch / seconds,
        cell=html.escape(picture.description or picture.title),
        first=trainer.losses[0],
        last=nats,
        sample=html.escape(written),
        prompt=html.escape(PROMPT),
        checkpoint=html.escape(str(checkpoint)),
        python=html.escape(python),
        read=html.escape(read),
        units=html.escape(units),
        looked=LOOKED,
        gates=html.escape(gates),
        reach=html.escape(reach),
        characters=len(vocabulary),
        guessing=math.log(len(vocabulary)),
        hidden=model.config.hidden,
    )
    (options.out / "index.html").write_text(page, encoding="utf-8")
    print(f"The model in Python:\n\n{python}")
    print(f"Everything is in {options.out}/; open {options.out / 'index.html'}")


if __name__ == "__main__":
    try:
        main()
    except (tl.errors.Error, OSError) as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit("demo: interrupted")
