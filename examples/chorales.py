"""Polyphonic music: which keys sound next?

A frame of music is 88 yes-or-no questions, one for each key of a piano; a recurrent layer reads frames, and from its
hidden state answers all of them for the next one::

    h_t = LSTM(x_t, h_{t−1}),   P(key k sounds in frame t+1) = σ(h_t·W + b)_k

    negative log-likelihood of a frame = −Σ_k [x_k·log p_k + (1 − x_k)·log(1 − p_k)],  in nats

Without a file, music is made by rules: four voices in one of twelve keys, chords that follow each other as in a simple
chorale and move each voice as little as can be, in phrases of eight, of which the second repeats the first. A file in
JSON or npz (see ``tl.data.read_piano_rolls``), such as the JSB chorales, is read with ``--file``.

Source: N. Boulanger-Lewandowski, Y. Bengio, P. Vincent, "Modeling temporal dependencies in high-dimensional sequences",
2012, for the measure.

Run it with ``python examples/chorales.py``; ``--out FOLDER`` leaves a picture, and generated music as MIDI.
"""

import argparse
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm.data import PianoRolls, piano_roll, read_piano_rolls, write_midi
from tinygrad_lstm.tasks import machine_name, markdown_table, written_page

try:
    import matplotlib as mpl
    import matplotlib.pyplot as plt
except ImportError:
    sys.exit("This example draws with matplotlib; get it with: pip install -e '.[plots]'")

KEYS = 88
LAYERS = {"LSTM": (tl.nn.LSTM, 48, 0.03), "RNN": (tl.nn.RNN, 108, 0.01)}  # about as many weights; learning rates
BATCH, WINDOW, PROMPT = 32, 128, 9
COUNTS = (2000, 50, 100)  # pieces for training, validation and test
SCALE = (0, 2, 4, 5, 7, 9, 11)
FOLLOWS = {0: (1, 3, 4, 5), 1: (4, 4, 6), 3: (0, 1, 4), 4: (0, 0, 5), 5: (1, 3, 4), 6: (0,)}  # I ii IV V vi vii
RANGES = ((40, 55), (48, 63), (55, 70), (60, 77))  # bass, tenor, alto, soprano


def chord_voices(key: int, degree: int, before: list[int]) -> list[int]:
    """The four pitches of a triad, the root in the bass, that are nearest to those before."""
    notes = [(key + SCALE[(degree + third) % 7]) % 12 for third in (0, 2, 4)]
    choices = [
        [pitch for pitch in range(low, high + 1) if pitch % 12 in (notes[:1] if voice == 0 else notes)]
        for voice, (low, high) in enumerate(RANGES)
    ]
    full = [v for v in product(*choices) if len({pitch % 12 for pitch in v}) == 3 and list(v) == sorted(set(v))]
    return list(min(full, key=lambda voices: sum(abs(a - b) for a, b in zip(voices, before, strict=True))))


def phrase(random: np.random.Generator, key: int) -> list[list[int]]:
    """Eight chords that end in V and I; each lasts one frame, the last one two."""
    degrees = [0]
    while len(degrees) < 6:
        degrees.append(int(random.choice(FOLLOWS[degrees[-1]])))
    voices, frames = [48, 55, 64, 72], []
    for degree in [*degrees, 4, 0, 0]:
        voices = chord_voices(key, degree, voices)
        frames.append(voices)
    return frames


def made_by_rules(seed: int) -> PianoRolls:
    """Pieces of two phrases, each of which is played twice."""

    def pieces(count: int, part: int) -> tuple[Any, ...]:
        random = np.random.default_rng([seed, part])
        made = []
        for _ in range(count):
            key = int(random.integers(12))
            first, second = phrase(random, key), phrase(random, key)
            made.append(piano_roll([*first, *first, *second, *second]))
        return tuple(made)

    return PianoRolls(*[pieces(count, part) for part, count in enumerate(COUNTS)])


class Player(tl.nn.Module):
    """The scores of all keys in the next frame."""

    def __init__(self, kind: str, key: tl.Tensor) -> None:
        layer, hidden, _ = LAYERS[kind]
        k_recurrent, k_output = tl.random.split(key)
        self.recurrent = layer(KEYS, hidden, key=k_recurrent)
        self.output = tl.nn.Linear(hidden, KEYS, key=k_output)

    def forward(self, frames: tl.Tensor) -> tl.Tensor:
        """Scores ``(time, batch, 88)`` for frames of that shape."""
        return self.output(self.recurrent(frames)[0])

    def surprise(self, frames: tl.Tensor, inside: tl.Tensor) -> tl.Tensor:
        """Nats a frame, over those ``(time, batch)`` inside the pieces; before the first one is silence."""
        before = tl.concatenate([tl.zeros((1, *frames.shape[1:])), frames[:-1]], axis=0)
        terms = tl.nn.bce_with_logits(self(before), frames, reduction="none").sum(axis=-1)
        return (terms * inside).sum() / inside.sum()


def beside(pieces: Any) -> tuple[tl.Tensor, tl.Tensor]:
    """Pieces side by side, ``(time, batch, 88)``, filled up with silence; and which frames belong to them."""
    longest = max(len(piece) for piece in pieces)
    frames = np.zeros((longest, len(pieces), KEYS), np.float32)
    inside = np.zeros((longest, len(pieces)), np.float32)
    for k, piece in enumerate(pieces):
        frames[: len(piece), k], inside[: len(piece), k] = piece, 1
    return tl.tensor(frames), tl.tensor(inside)


def parts(random: np.random.Generator, pieces: Any, length: int) -> Any:
    """A batch of pieces; of longer ones a part of this length."""
    chosen = [pieces[k] for k in random.integers(len(pieces), size=BATCH)]
    starts = [random.integers(max(1, len(piece) - length + 1)) for piece in chosen]
    return [piece[at : at + length] for piece, at in zip(chosen, starts, strict=True)]


def train(kind: str, music: PianoRolls, seed: int, steps: int) -> Player:
    """Adam at a rate that rises and falls once; the weights that did best on the validation pieces are kept."""
    model = Player(kind, tl.random.key(seed))
    optimizer, rate = tl.optim.Adam(model.parameters()), tl.optim.schedules.one_cycle(LAYERS[kind][2], steps)

    @tl.jit
    def update(frames: tl.Tensor, inside: tl.Tensor) -> tl.Tensor:
        loss = model.surprise(frames, inside)
        loss.backward()
        tl.optim.clip_grad_norm(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss

    ask = tl.jit(model.surprise)
    random, held_out = np.random.default_rng([seed, 3]), beside(music.valid)
    length = min(WINDOW, max(len(piece) for piece in music.train))
    best, kept = np.inf, model.state_dict()
    for step in range(steps):
        optimizer.lr = rate(step)
        loss = update(*beside(parts(random, music.train, length)))
        if step % 100 == 99 or step == steps - 1:
            found = ask(*held_out).item()
            if found < best:
                best, kept = found, model.state_dict()
            if step % 500 == 499:
                print(f"{kind}, step {step + 1}: {loss.item():.2f} nats a frame, validation {found:.2f}", flush=True)
    model.load_state_dict(kept)
    return model


def play(model: Player, start: Any, length: int, seed: int) -> Any:
    """Music that goes on from the frames ``start``: each key sounds with the probability that the model gives it."""
    random, frames = np.random.default_rng([seed, 4]), [np.zeros(KEYS, bool), *start]
    answer = tl.jit(lambda x: tl.sigmoid(model(x)[:, 0]))
    while len(frames) <= length:
        given = np.zeros((length, 1, KEYS), np.float32)  # all of one length, so that one program serves
        given[: len(frames), 0] = frames
        frames.append(random.random(KEYS) < answer(tl.tensor(given)).numpy()[len(frames) - 1])
    return np.stack(frames[1:])


def draw(model: Player, piece: Any, played: Any, path: Path) -> None:
    """A piece of the test, what the model expected in it, and a piece that the model played."""
    given = np.concatenate([np.zeros((1, KEYS)), piece[:-1]])[:, None].astype(np.float32)
    expected = tl.sigmoid(model(tl.tensor(given)))[:, 0].numpy()
    low, high = (int(k) for k in np.flatnonzero(piece.any(axis=0) | played.any(axis=0))[[0, -1]])
    mpl.rcParams["svg.hashsalt"] = "tinygrad_lstm"
    figure, panels = plt.subplots(3, figsize=(7.6, 6.4), layout="constrained")
    titles = (
        "A piece of the test",
        "What the LSTM expected in each frame, from those before",
        f"Played by the LSTM from {PROMPT} frames on",
    )
    for axes, title, values in zip(panels, titles, (piece, expected, played), strict=True):
        axes.set_title(title, loc="left", fontsize=11)
        axes.imshow(
            values.T, cmap="Blues", vmin=0, vmax=1, origin="lower", aspect="auto", extent=(0, len(values), 20.5, 108.5)
        )
        axes.set_ylim(low + 20, high + 22)
        axes.set_ylabel("MIDI pitch")
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].axvline(PROMPT, color="#d55e00", linewidth=1)
    panels[-1].set_xlabel("frame")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def main(argv: list[str] | None = None) -> None:
    """Train, measure, play."""
    parser = argparse.ArgumentParser(description="A model of polyphonic music, as piano rolls.")
    parser.add_argument("--file", type=Path, help="music of your own, .json or .npz; by rules without it")
    parser.add_argument("--steps", type=int, default=3000, help="updates of each network")
    parser.add_argument("--seed", type=int, default=0, help="of the music, the batches and the first weights")
    parser.add_argument("--backend", default=tl.get_backend(), help="the one of the session, or c, which is faster")
    parser.add_argument("--out", type=Path, help="folder for the picture, and for music as MIDI")
    parser.add_argument("--page", type=Path, help="file for the results, in Markdown")
    options = parser.parse_args(argv)
    if options.steps < 1 or options.seed < 0:
        parser.error("--steps is at least 1, and --seed at least 0")
    if options.page is not None and not options.page.parent.is_dir():
        parser.error(f"there is no folder {options.page.parent}; make it, or name a file elsewhere")
    music = made_by_rules(options.seed) if options.file is None else read_piano_rolls(options.file)
    started = time.perf_counter()
    with tl.use_backend(options.backend), tl.blas_threads(1):
        models = {kind: train(kind, music, options.seed, options.steps) for kind in LAYERS}
        found = {kind: model.surprise(*beside(music.test)).item() for kind, model in models.items()}
        seconds = time.perf_counter() - started
        shares = (np.concatenate(music.train).sum(axis=0) + 0.5) / (sum(map(len, music.train)) + 1)
        heard = np.concatenate(music.test)
        alone = -(np.where(heard, np.log(shares), np.log(1 - shares))).sum() / len(heard)
        rows = [["each key as often as in training", "–", f"{alone:.2f}"]]
        rows += [[k, f"{sum(p.size for p in m.parameters()):,}", f"{found[k]:.2f}"] for k, m in models.items()]
        table = markdown_table(["test", "weights", "nats a frame"], rows)
        print(f"\n{table}")
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            piece = music.test[0][:WINDOW]
            played = play(models["LSTM"], piece[:PROMPT], len(piece), options.seed)
            draw(models["LSTM"], piece, played, options.out / "chorales.svg")
            print(options.out / "chorales.svg", write_midi(options.out / "chorale.mid", played))
    if options.page is not None:
        what = "made by rules" if options.file is None else f"of {options.file.name}"
        about = (
            f"Music {what}: {len(music.train)} pieces for training, {len(music.valid)} for validation, "
            f"{len(music.test)} for the test. {options.steps:,} updates of {BATCH} pieces each, Adam; the weights "
            "that were best on the validation pieces."
        )
        chosen = f"--steps {options.steps} --seed {options.seed} --backend {options.backend}"
        chosen += "" if options.file is None else f" --file {options.file}"
        page = written_page(
            "Polyphonic music",
            about,
            table,
            command=f"python examples/chorales.py {chosen}",
            note=f"LSTM and RNN together {seconds:.0f} s, {machine_name()}.",
        )
        options.page.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except (tl.errors.Error, OSError) as error:
        sys.exit(f"chorales: {error}")
    except KeyboardInterrupt:
        sys.exit("chorales: interrupted")
