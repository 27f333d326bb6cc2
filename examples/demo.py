"""The whole line in one run: train an LSTM on real text, let it write, draw it, and show it all on one page.

``python examples/demo.py --out out`` leaves in ``out/``: the checkpoint, a sample, the LSTM cell's picture, the graph
of the loss, its gradient graph, the loss curve, and ``index.html``, which shows them.
"""

import argparse
import html
import sys
import time
from pathlib import Path

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm.data import default_corpus
from tinygrad_lstm.train import LanguageModel, ModelConfig, Progress, TrainConfig, Trainer, bits, sample

try:
    import matplotlib as mpl
    import matplotlib.pyplot as plt
except ImportError:
    sys.exit("The demonstration draws its curve with matplotlib; get it with: pip install -e '.[plots]'")

PROMPT = "The "

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
<h2>What it learned</h2>
<figure><div class="picture"><img src="curve.svg" alt="The loss falls from {first:.2f} to {last:.2f} nats.">
</div><figcaption>Loss on the text it learns from, and on the last tenth, which it never sees.</figcaption></figure>
<h2>What it writes</h2>
<pre>{sample}</pre>
<p class="soft">Temperature 0.5, after the prompt “{prompt}”. More:
<code>tinygrad-lstm sample {checkpoint} --prompt "…"</code></p>
<h2>The graph of the loss</h2>
<figure class="wide"><div class="picture"><a href="loss.svg">
<img src="loss.svg" alt="The computation graph of the loss."></a></div>
<figcaption>From characters to the loss. The loop over time is one box, for any number of steps.
<a href="loss.svg">Open it at full size</a>.</figcaption></figure>
<h2>The graph of its gradient</h2>
<figure class="wide"><div class="picture"><a href="gradient.svg">
<img src="gradient.svg" alt="The graph of the gradient."></a></div>
<figcaption>The gradient of the loss by all parameters, with the cells folded: a graph like any other, in which the loop
runs the other way. <a href="gradient.svg">Open it at full size</a>.</figcaption></figure>
<h2>The gradient of one step</h2>
<figure class="wide"><div class="picture"><a href="step.svg">
<img src="step.svg" alt="The graph of the gradient of one step."></a></div>
<figcaption>One step of the cell, and the gradient of its output by the weight of the forget gate.
<a href="step.svg">Open it at full size</a>.</figcaption></figure>
</body>
</html>
"""


def draw_curve(trainer: Trainer, path: Path) -> None:
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


def draw_graphs(model: LanguageModel, out: Path) -> tl.draw.Drawing:
    """The cell, the graph of the loss, and that of a gradient; returns the picture of the cell."""
    cell = model.recurrent.cells[0]
    picture = tl.draw.cell(cell)
    picture.save(out / "lstm.svg")

    indices = tl.symbol("characters", (64, 32), tl.int32)
    targets = tl.symbol("next characters", (64, 32), tl.int32)
    logits, _ = model(indices, model.zeros(32))
    loss = tl.nn.cross_entropy(logits, targets)
    tl.draw.graph(loss, title="The loss of the language model").save(out / "loss.svg")
    slopes = tl.gradients(loss, dict(model.named_parameters()))
    tl.draw.graph(slopes, depth=3, title="The gradient of the loss").save(out / "gradient.svg")

    x = tl.symbol("x_t", (1, cell.input_size))
    h, _ = cell(x, (tl.symbol("h_{t-1}", (1, cell.hidden_size)), tl.symbol("C_{t-1}", (1, cell.hidden_size))))
    slope = tl.gradients((h * h).sum(), cell.forget.weight)
    tl.draw.graph(slope, title="The gradient of one step").save(out / "step.svg")
    return picture


def main(argv: list[str] | None = None) -> None:
    """Run the demonstration."""
    parser = argparse.ArgumentParser(description="Train an LSTM on real text, draw it, and show it on one page.")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for what is made")
    parser.add_argument("--steps", type=int, default=1000, help="updates to train")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint = options.out / "model.safetensors"
    # Before the training, so that what is missing for pictures is told at once.
    tl.draw.cell(tl.nn.LSTMCell(3, 4)).save(options.out / "lstm.svg")

    corpus = default_corpus()
    print(f"Text: {corpus.name}, {len(corpus.text):,} characters, SHA-256 {corpus.sha256}")
    trainer = Trainer(corpus, ModelConfig(), TrainConfig(steps=options.steps))
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

    draw_curve(trainer, options.out / "curve.svg")
    picture = draw_graphs(trainer.model, options.out)
    config = trainer.config
    page = PAGE.format(
        parameters=sum(p.size for p in trainer.model.parameters()),
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
    )
    (options.out / "index.html").write_text(page, encoding="utf-8")
    print(f"Everything is in {options.out}/; open {options.out / 'index.html'}")


if __name__ == "__main__":
    try:
        main()
    except (tl.errors.Error, OSError) as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit("demo: interrupted")
