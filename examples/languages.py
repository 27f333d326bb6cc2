"""Classifying sequences of different lengths: which language is a name in?

Babel ships the names of countries, languages and currencies in hundreds of languages (Unicode CLDR). A recurrent layer
reads a name letter by letter, and after the last letter says the language::

    h_t = LSTM(x_t, h_{t−1}),   P(language) = softmax(h_T·W + b),   T: the length of this name

Names of a batch lie side by side, filled up at their ends; ``lengths=`` makes ``h`` that of the last letter of each.
What is named in the test, such as Hungary, is named in training in no language. Beside LSTM and plain RNN stands naive
Bayes over pairs of letters: ``log P(language) + Σ log P(pair | language)``.

Run it with ``python examples/languages.py``; ``--backend c`` is faster, ``--out FOLDER`` leaves a picture.
"""

import argparse
import sys
import time
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm.tasks import machine_name, markdown_table, written_page

try:
    import matplotlib as mpl
    import matplotlib.pyplot as plt
except ImportError:
    sys.exit("This example draws with matplotlib; get it with: pip install -e '.[plots]'")
try:
    from babel import Locale
except ImportError:
    sys.exit("This example takes its names from Babel; get it with: pip install -e '.[examples]'")

LANGUAGES = {
    "cs": "Czech",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fi": "Finnish",
    "fr": "French",
    "hu": "Hungarian",
    "it": "Italian",
    "nl": "Dutch",
    "pl": "Polish",
    "sv": "Swedish",
    "tr": "Turkish",
}
SUBJECTS = ("territories", "languages", "currencies")
LONGEST, EMBEDDING, HIDDEN, BATCH, DROPOUT = 32, 32, 96, 64, 0.3
LAYERS = {"LSTM": (tl.nn.LSTM, HIDDEN), "RNN": (tl.nn.RNN, 2 * HIDDEN + 17)}  # about as many weights


class Names(NamedTuple):
    """Texts, and the number of the language of each."""

    texts: list[str]
    spoken: Any


def names_of(seed: int) -> tuple[Names, Names]:
    """Names for training and for the test, a fifth of what is named. What two languages call alike is left out."""
    found: dict[str, set[tuple[str, str, str]]] = {}
    for code in LANGUAGES:
        locale = Locale(code)
        for subject in SUBJECTS:
            for key, name in getattr(locale, subject).items():
                if len(name) <= LONGEST:
                    found.setdefault(name.lower(), set()).add((code, subject, key))
    named = sorted({(subject, key) for places in found.values() for _, subject, key in places})
    order = np.random.default_rng([seed, 0]).permutation(len(named))
    tested = {named[k] for k in order[: len(named) // 5]}
    rows: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
    for name, places in sorted(found.items()):
        codes = {code for code, _, _ in places}
        inside = {(subject, key) in tested for _, subject, key in places}
        if len(codes) == len(inside) == 1:
            rows[inside.pop()].append((name, codes.pop()))
    codes = list(LANGUAGES)
    train, test = (Names([name for name, _ in some], np.array([codes.index(c) for _, c in some])) for some in rows)
    return train, test


class Reader(tl.nn.Module):
    """Says the language after each letter."""

    def __init__(self, kind: str, letters: str, key: tl.Tensor) -> None:
        layer, hidden = LAYERS[kind]
        k_embedding, k_recurrent, k_output, k_dropout = tl.random.split(key, 4)
        self.letters = letters
        self.embedding = tl.nn.Embedding(len(letters) + 1, EMBEDDING, key=k_embedding)
        self.recurrent = layer(EMBEDDING, hidden, key=k_recurrent)
        self.output = tl.nn.Linear(hidden, len(LANGUAGES), key=k_output)
        self.dropout = tl.nn.Dropout(DROPOUT, k_dropout)

    def read(self, texts: list[str]) -> tuple[tl.Tensor, tl.Tensor]:
        """Letters as integers ``(LONGEST, batch)``, those unknown as the last one, and the lengths ``(batch,)``."""
        signs = np.zeros((LONGEST, len(texts)), np.int32)
        for k, text in enumerate(texts):
            signs[: len(text), k] = [self.letters.find(sign) % (len(self.letters) + 1) for sign in text]
        return tl.tensor(signs), tl.tensor(np.array([len(text) for text in texts], np.int32))

    def forward(self, signs: tl.Tensor, lengths: tl.Tensor) -> tl.Tensor:
        """Scores ``(batch, languages)`` after the last letter of each name."""
        _, state = self.recurrent(self.dropout(self.embedding(signs)), lengths=lengths)
        h = state.h if isinstance(self.recurrent, tl.nn.LSTM) else state
        return self.output(self.dropout(h[-1]))

    def along(self, text: str) -> Any:
        """The probabilities after each letter of one name, ``(letters, languages)``."""
        outputs, _ = self.recurrent(self.embedding(self.read([text])[0][: len(text)]))
        return tl.softmax(self.output(outputs)[:, 0], axis=-1).numpy()


def train(kind: str, known: Names, seed: int, steps: int) -> Reader:
    """Adam at a rate that rises and falls once."""
    model = Reader(kind, "".join(sorted(set("".join(known.texts)))), tl.random.key(seed))
    optimizer, rate = tl.optim.Adam(model.parameters()), tl.optim.schedules.one_cycle(0.01, steps)

    @tl.jit
    def update(signs: tl.Tensor, lengths: tl.Tensor, spoken: tl.Tensor) -> tl.Tensor:
        loss = tl.nn.cross_entropy(model(signs, lengths), spoken)
        loss.backward()
        tl.optim.clip_grad_norm(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss

    random = np.random.default_rng([seed, 1])
    for step in range(steps):
        optimizer.lr = rate(step)
        places = random.integers(len(known.texts), size=BATCH)
        loss = update(*model.read([known.texts[k] for k in places]), tl.tensor(known.spoken[places].astype(np.int32)))
        if step % 500 == 0 or step == steps - 1:
            print(f"{kind}, step {step}: {loss.item():.3f} nats a name", flush=True)
    return tl.nn.deterministic(model)


def answers(model: Reader, asked: Names) -> Any:
    """The language that the model gives to each name."""
    answer = tl.jit(lambda signs, lengths: tl.argmax(model(signs, lengths), axis=-1))
    texts, size = asked.texts, 256
    filled = [texts[at : at + size] for at in range(0, len(texts), size)]
    filled[-1] = filled[-1] + texts[:1] * (size - len(filled[-1]))  # one program for all parts
    return np.concatenate([answer(*model.read(part)).numpy() for part in filled])[: len(texts)]


def naive_bayes(known: Names, asked: Names) -> Any:
    """The likeliest languages by pairs of letters; each language and each pair counts as seen once more than it was."""

    def pairs(text: str) -> list[str]:
        return [a + b for a, b in pairwise(f"^{text}$")]

    places = {pair: k for k, pair in enumerate(sorted({pair for text in known.texts for pair in pairs(text)}))}
    counts = np.ones((len(LANGUAGES), len(places) + 1))
    for text, language in zip(known.texts, known.spoken, strict=True):
        np.add.at(counts[language], [places[pair] for pair in pairs(text)], 1)
    logs = np.log(counts / counts.sum(axis=1, keepdims=True))
    prior = np.log(1 + np.bincount(known.spoken, minlength=len(LANGUAGES)))
    return np.array(
        [(prior + logs[:, [places.get(pair, -1) for pair in pairs(text)]].sum(axis=1)).argmax() for text in asked.texts]
    )


def draw(model: Reader, asked: Names, found: Any, name: str, path: Path) -> None:
    """Left, which languages are taken for which; right, how the answer comes about letter by letter."""
    mpl.rcParams["svg.hashsalt"] = "tinygrad_lstm"
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 4.4), layout="constrained")
    table = np.zeros((len(LANGUAGES), len(LANGUAGES)))
    np.add.at(table, (asked.spoken, found), 1)
    shares = table / table.sum(axis=1, keepdims=True)
    left.set_title("Test: the language (row), and the answer", fontsize=11)
    left.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in zip(*np.nonzero(shares >= 0.005), strict=True):
        share = shares[row, column]
        left.text(
            column,
            row,
            f"{100 * share:.0f}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if share > 0.5 else "k",
        )
    left.set_xticks(range(len(LANGUAGES)), list(LANGUAGES))
    right.set_title(f"The answer along “{name}”", fontsize=11)
    right.imshow(model.along(name).T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    right.set_xticks(range(len(name)), list(name))
    for axes in (left, right):
        axes.set_yticks(range(len(LANGUAGES)), list(LANGUAGES.values()))
        axes.tick_params(length=0)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def main(argv: list[str] | None = None) -> None:
    """Train, compare, draw."""
    parser = argparse.ArgumentParser(description="Which language is a name in?")
    parser.add_argument("--steps", type=int, default=2500, help="updates of each network")
    parser.add_argument("--seed", type=int, default=0, help="of the test, the batches and the first weights")
    parser.add_argument("--backend", default=tl.get_backend(), help="the one of the session, or c, which is faster")
    parser.add_argument("--out", type=Path, help="folder for the picture")
    parser.add_argument("--page", type=Path, help="file for the results, in Markdown")
    options = parser.parse_args(argv)
    if options.steps < 1 or options.seed < 0:
        parser.error("--steps is at least 1, and --seed at least 0")
    if options.page is not None and not options.page.parent.is_dir():
        parser.error(f"there is no folder {options.page.parent}; make it, or name a file elsewhere")
    known, asked = names_of(options.seed)
    print(f"{len(known.texts):,} names for training, {len(asked.texts):,} for the test")
    started = time.perf_counter()
    with tl.use_backend(options.backend), tl.blas_threads(1):
        models = {kind: train(kind, known, options.seed, options.steps) for kind in LAYERS}
        found = {kind: answers(model, asked) for kind, model in models.items()}
    seconds = time.perf_counter() - started
    found["naive Bayes over pairs of letters"] = naive_bayes(known, asked)
    lengths = np.array([len(text) for text in asked.texts])
    spans = ((1, 6), (7, 10), (11, 16), (17, LONGEST))
    rows = []
    for name, given in found.items():
        right = given == asked.spoken
        size = f"{sum(p.size for p in models[name].parameters()):,}" if name in models else "–"
        each = [f"{100 * right[(lengths >= low) & (lengths <= high)].mean():.1f} %" for low, high in spans]
        rows.append([name, size, f"{100 * right.mean():.1f} %", *each])
    table = markdown_table(["right", "weights", "all", *[f"{low} to {high} letters" for low, high in spans]], rows)
    print(f"\n{table}")
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        with tl.use_backend(options.backend):
            draw(models["LSTM"], asked, found["LSTM"], "französische", options.out / "languages.svg")
        print(options.out / "languages.svg")
    if options.page is not None:
        about = (
            f"Names of countries, languages and currencies in {len(LANGUAGES)} languages, from Babel "
            f"{version('babel')}: {len(known.texts):,} for training and {len(asked.texts):,} for the test, of other "
            f"things. {options.steps:,} updates of {BATCH} names each, Adam. "
            "Names are in lower case, and of at most 32 letters."
        )
        chosen = f"--steps {options.steps} --seed {options.seed} --backend {options.backend}"
        note = f"LSTM and RNN together {seconds:.0f} s, {machine_name()}."
        page = written_page(
            "Languages of names", about, table, command=f"python examples/languages.py {chosen}", note=note
        )
        options.page.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except (tl.errors.Error, OSError) as error:
        sys.exit(f"languages: {error}")
    except KeyboardInterrupt:
        sys.exit("languages: interrupted")
