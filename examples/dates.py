"""From one sequence to another, with attention: dates as people write them, into ISO 8601.

"Thursday, 3rd of May 1979" becomes "1979-05-03". An encoder, an LSTM in both directions, gives a vector h_k for each
character that was read; a decoder, a second LSTM, writes one character a step, and looks at all h_k before each::

    e_k = s_{t−1}·W·h_k                     how well character k fits what is to be written
    α   = softmax(e)                        the attention: shares of the characters, 1 together
    c_t = Σ_k α_k·h_k                       what is looked at
    s_t = LSTM([y_{t−1}, c_t], s_{t−1})     y_{t−1}: the character that was written last
    P(y_t) = softmax([s_t, c_t]·V + b)

Source: D. Bahdanau, K. Cho, Y. Bengio, "Neural machine translation by jointly learning to align and translate", 2015;
the product in e is that of M. Luong et al., "Effective approaches to attention-based neural machine translation", 2015.

Run it with ``python examples/dates.py``; ``--backend c`` is faster, ``--out FOLDER`` leaves a picture of the attention.
"""

import argparse
import calendar
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm.tasks import machine_name, markdown_table, written_page

try:
    import matplotlib as mpl
    import matplotlib.pyplot as plt
except ImportError:
    sys.exit("This example draws with matplotlib; get it with: pip install -e '.[plots]'")

MONTHS, DAYS = list(calendar.month_name)[1:], list(calendar.day_name)
FIRST, LAST = date(1900, 1, 1).toordinal(), date(2050, 1, 1).toordinal()
FORMS = (
    "{d} {month} {y}",
    "{d}. {month} {y}",
    "{month} {d}, {y}",
    "{day}, {d}{th} of {month} {y}",
    "{day} {month} {d} {y}",
    "the {d}{th} of {month}, {y}",
    "{month} the {d}{th}, {y}",
    "{d} {mon} {y}",
    "{dow} {d:02}-{MON}-{y}",
    "{m}/{d}/{y}",  # with strokes the month comes first, with full stops the day
    "{m:02}/{d:02}/{y}",
    "{d}.{m}.{y}",
    "{d:02}.{m:02}.{y}",
)
READ = sorted({*" ,./-0123456789", *"".join([*MONTHS, *DAYS, "the of st nd rd th"]), *"".join(MONTHS).upper()})
WRITTEN = "0123456789-"
START = len(WRITTEN)
LONGEST, SIGNS = 34, 10
EMBEDDING, HIDDEN, BATCH, HELD_OUT = 16, 32, 64, 1000


def written_out(day: date, form: str) -> str:
    """A date in one of the forms."""
    month, d = MONTHS[day.month - 1], day.day
    ending = "th" if 10 < d < 14 else {1: "st", 2: "nd", 3: "rd"}.get(d % 10, "th")
    names = {"month": month, "mon": month[:3], "MON": month[:3].upper(), "day": DAYS[day.weekday()], "th": ending}
    return form.format(d=d, m=day.month, y=day.year, dow=DAYS[day.weekday()][:3], **names)


def read(texts: list[str]) -> tuple[Any, Any]:
    """Characters as integers ``(LONGEST, batch)``, and the lengths of the texts."""
    signs = np.zeros((LONGEST, len(texts)), np.int32)
    for k, text in enumerate(texts):
        signs[: len(text), k] = [READ.index(sign) for sign in text]
    return signs, np.array([len(text) for text in texts], np.int32)


def pairs(random: np.random.Generator, days: Any) -> tuple[Any, Any, Any]:
    """For each day, a number, a date in a random form, its length, and what is to be written ``(10, batch)``."""
    dates = [date.fromordinal(int(day)) for day in days]
    signs, lengths = read([written_out(day, FORMS[random.integers(len(FORMS))]) for day in dates])
    return signs, lengths, np.array([[WRITTEN.index(sign) for sign in day.isoformat()] for day in dates], np.int32).T


class Normaliser(tl.nn.Module):
    """Encoder, attention and decoder."""

    def __init__(self, key: tl.Tensor) -> None:
        keys = tl.random.split(key, 6)
        self.read = tl.nn.Embedding(len(READ), EMBEDDING, key=keys[0])
        self.encoder = tl.nn.LSTM(EMBEDDING, HIDDEN, bidirectional=True, key=keys[1])
        self.fit = tl.nn.Linear(HIDDEN, 2 * HIDDEN, bias=False, key=keys[2])
        self.written = tl.nn.Embedding(len(WRITTEN) + 1, EMBEDDING, key=keys[3])
        self.decoder = tl.nn.LSTMCell(EMBEDDING + 2 * HIDDEN, HIDDEN, key=keys[4])
        self.output = tl.nn.Linear(3 * HIDDEN, len(WRITTEN), key=keys[5])

    def forward(self, signs: Any, lengths: Any, given: Any = None) -> tuple[tl.Tensor, tl.Tensor]:
        """Scores ``(10, batch, signs)`` and attention ``(10, batch, characters)``.

        Each step sees the sign before it: of ``given`` in training, else the likeliest that was just written.
        """
        h, _ = self.encoder(self.read(signs), lengths=lengths)
        h = tl.swapaxes(h, 0, 1)  # (batch, characters, 2·HIDDEN)
        inside = tl.arange(LONGEST) < tl.expand_dims(lengths, 1)
        first = tl.full((signs.shape[1],), START, tl.int32)

        def step(carry: Any, sign: Any) -> Any:
            state, last = carry
            with tl.scope("attention"):
                e = (self.fit(state.h)[:, None, :] * h).sum(axis=-1)
                shares = tl.softmax(tl.where(inside, e, -1e9), axis=-1).named("α_t")
                seen = (shares[:, :, None] * h).sum(axis=1).named("c_t")
            state = self.decoder(tl.concatenate([self.written(last), seen], axis=-1), state)
            scores = self.output(tl.concatenate([state.h, seen], axis=-1))
            last = tl.argmax(scores, axis=-1).astype(tl.int32) if sign is None else sign
            return (state, last), (scores, shares)

        start = (self.decoder.zeros(signs.shape[1]), first)
        _, (scores, shares) = tl.scan(step, start, given, length=SIGNS if given is None else None)
        return scores, shares


def train(model: Normaliser, seed: int, steps: int, days: Any) -> float:
    """Adam at a rate that rises and falls once; the last loss."""
    optimizer, rate = tl.optim.Adam(model.parameters()), tl.optim.schedules.one_cycle(0.01, steps)

    @tl.jit
    def update(signs: tl.Tensor, lengths: tl.Tensor, target: tl.Tensor) -> tl.Tensor:
        loss = tl.nn.cross_entropy(model(signs, lengths, target)[0], target)
        loss.backward()
        tl.optim.clip_grad_norm(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss

    random = np.random.default_rng([seed, 1])
    for step in range(steps):
        optimizer.lr = rate(step)
        loss = update(*map(tl.tensor, pairs(random, random.choice(days, BATCH))))
        if step % 500 == 0 or step == steps - 1:
            print(f"step {step}: {loss.item():.4f} nats a sign", flush=True)
    return loss.item()


def draw(model: Normaliser, texts: list[str], path: Path) -> None:
    """The attention while dates are written."""
    scores, shares = (value.numpy() for value in model(*map(tl.tensor, read(texts))))
    mpl.rcParams["svg.hashsalt"] = "tinygrad_lstm"
    figure, panels = plt.subplots(
        1, len(texts), figsize=(7.6, 3.4), layout="constrained", width_ratios=[len(text) for text in texts]
    )
    figure.suptitle("Where the decoder looks: each row writes one sign, darker is more attention")
    for k, (axes, text) in enumerate(zip(panels, texts, strict=True)):
        axes.imshow(shares[:, k, : len(text)], cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(text)), [sign.replace(" ", "␣") for sign in text], fontsize=9)
        axes.set_yticks(range(SIGNS), [WRITTEN[sign] for sign in scores[:, k].argmax(axis=-1)], fontsize=10)
        axes.tick_params(length=0)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def main(argv: list[str] | None = None) -> None:
    """Train, ask the held-out dates, draw."""
    parser = argparse.ArgumentParser(description="Dates as people write them, into ISO 8601.")
    parser.add_argument("--steps", type=int, default=1000, help="updates")
    parser.add_argument("--seed", type=int, default=0, help="of the dates and of the first weights")
    parser.add_argument("--backend", default=tl.get_backend(), help="the one of the session, or c, which is faster")
    parser.add_argument("--out", type=Path, help="folder for the picture")
    parser.add_argument("--page", type=Path, help="file for the results, in Markdown")
    options = parser.parse_args(argv)
    if options.steps < 1 or options.seed < 0:
        parser.error("--steps is at least 1, and --seed at least 0")
    if options.page is not None and not options.page.parent.is_dir():
        parser.error(f"there is no folder {options.page.parent}; make it, or name a file elsewhere")
    days = np.random.default_rng([options.seed, 0]).permutation(np.arange(FIRST, LAST))
    with tl.use_backend(options.backend), tl.blas_threads(1):
        model = Normaliser(tl.random.key(options.seed))
        started = time.perf_counter()
        loss = train(model, options.seed, options.steps, days[HELD_OUT:])
        seconds = time.perf_counter() - started
        answer = tl.jit(lambda signs, lengths: model(signs, lengths)[0])
        asked = [date.fromordinal(int(day)) for day in days[:HELD_OUT]]
        rows, right = [], []
        for form in FORMS:
            texts = [written_out(day, form) for day in asked]
            found = answer(*map(tl.tensor, read(texts))).numpy().argmax(axis=-1).T
            right.append(
                np.mean(
                    [
                        "".join(WRITTEN[k] for k in row) == day.isoformat()
                        for row, day in zip(found, asked, strict=False)
                    ]
                )
            )
            rows.append([texts[0], "".join(WRITTEN[k] for k in found[0]), f"{100 * right[-1]:.1f} %"])
        table = markdown_table(["held-out date", "written", "all ten signs right"], rows)
        summary = f"{HELD_OUT:,} held-out dates in {len(FORMS)} forms: {100 * np.mean(right):.2f} % exactly right."
        print(f"\n{table}\n\n{summary}")
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            path = options.out / "dates_attention.svg"
            draw(model, ["Thursday, 3rd of May 1979", "5/3/1979", "3.5.1979"], path)
            print(path)
    if options.page is not None:
        size = sum(p.size for p in model.parameters())
        about = (
            f"An LSTM in both directions reads a date, another writes it, with attention; {size:,} weights. "
            f"{options.steps:,} updates of {BATCH} dates each from {len(days) - HELD_OUT:,} of the years "
            f"1900 to 2049, the forms at random; Adam. The held-out dates were seen in no form. {summary}"
        )
        command = f"python examples/dates.py --steps {options.steps} --seed {options.seed} --backend {options.backend}"
        note = f"{loss:.4f} nats a sign at the end, {seconds:.0f} s, {machine_name()}."
        options.page.write_text(
            written_page("Dates into ISO 8601, with attention", about, table, command=command, note=note),
            encoding="utf-8",
        )


if __name__ == "__main__":
    try:
        main()
    except (tl.errors.Error, OSError) as error:
        sys.exit(f"dates: {error}")
    except KeyboardInterrupt:
        sys.exit("dates: interrupted")
