"""A language model that keeps the number of the subject until the verb.

In "the dogs that the cat near the birds sees bark" the verb agrees with the first noun, whatever stands between. A
model of words, trained on sentences of such a grammar, has to keep that number over all other nouns and verbs::

    sentence = phrase verb "."
    phrase   = "the" noun | phrase "near" phrase | phrase "that" phrase verb

The first verb after the inner phrases belongs to the last "that", and so on outwards: several numbers have to be kept
at a time. An LSTM, a GRU and a plain RNN with as many parameters learn it, and the example shows which unit of the LSTM
keeps the number.

Run it with ``python examples/subject_verb.py``; ``--backend c`` is faster, ``--out FOLDER`` leaves pictures there.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm.tasks.agreement import UnitPicture, threshold_share

NOUNS = (("dog", "dogs"), ("cat", "cats"), ("bird", "birds"), ("girl", "girls"))
OUTER = (("barks", "bark"), ("sleeps", "sleep"), ("runs", "run"), ("sings", "sing"))
INNER = (("sees", "see"), ("hears", "hear"))
WORDS = ["the", "that", "near", ".", *(word for pair in (*NOUNS, *OUTER, *INNER) for word in pair)]
SINGULAR, PLURAL = ([WORDS.index(pair[number]) for pair in OUTER] for number in (0, 1))

LAYERS = {"RNN": (tl.nn.RNN, 48), "GRU": (tl.nn.GRU, 28), "LSTM": (tl.nn.LSTM, 24)}  # 4,000 parameters each
EMBEDDING, WINDOW, BATCH = 8, 40, 32
MOST_TRAINED = 6
COUNTS = (0, 1, 2, 3, 4, 5, 6, 8, 10)

Random = np.random.Generator


def beginning(random: Random, numbers: Sequence[int]) -> list[str]:
    """A sentence up to its verb; ``numbers`` are those of its nouns, 0 for singular, the subject's first."""
    words: list[str] = []
    owed: list[str] = []
    for k, number in enumerate(numbers):
        if k and random.random() < 0.7:
            words.append("that")
            owed.append(INNER[random.integers(len(INNER))][number])
        elif k:
            words.append("near")
        words += ["the", NOUNS[random.integers(len(NOUNS))][number]]
    return words + owed[::-1]


def sentence(random: Random) -> list[str]:
    """A sentence with 0 to 6 nouns besides the subject, few of them more often than many."""
    numbers = random.integers(2, size=1 + min(random.geometric(0.4) - 1, MOST_TRAINED))
    return [*beginning(random, numbers), OUTER[random.integers(len(OUTER))][numbers[0]], "."]


def indices(rows: Sequence[Sequence[str]]) -> tl.Tensor:
    """Rows of words as integers ``(time, batch)``; short rows are filled up with full stops."""
    longest = max(map(len, rows))
    filled = [[*row, *["."] * (longest - len(row))] for row in rows]
    return tl.tensor(np.array([[WORDS.index(word) for word in row] for row in filled], np.int32).T)


def window(random: Random) -> list[str]:
    """The first words of a text of whole sentences."""
    words: list[str] = []
    while len(words) <= WINDOW:
        words += sentence(random)
    return words[: WINDOW + 1]


class Model(tl.nn.Module):
    """Which word comes next?"""

    def __init__(self, kind: str, key: tl.Tensor) -> None:
        layer, hidden = LAYERS[kind]
        k_embedding, k_recurrent, k_output = tl.random.split(key, 3)
        self.embedding = tl.nn.Embedding(len(WORDS), EMBEDDING, key=k_embedding)
        self.recurrent = layer(EMBEDDING, hidden, key=k_recurrent)
        self.output = tl.nn.Linear(hidden, len(WORDS), key=k_output)

    def forward(self, words: tl.Tensor) -> tl.Tensor:
        """The scores of each word as the next one ``(time, batch, words)``, for indices ``(time, batch)``."""
        outputs, _ = self.recurrent(self.embedding(words))
        return self.output(outputs)


def train(kind: str, seed: int, steps: int) -> tuple[Model, float]:
    """A trained model and its last loss, in nats a word."""
    random = np.random.default_rng(seed)
    model = Model(kind, tl.random.key(seed))
    optimizer = tl.optim.Adam(model.parameters())
    rate = tl.optim.schedules.one_cycle(0.02, steps)

    @tl.jit
    def step(words: tl.Tensor) -> tl.Tensor:
        loss = tl.nn.cross_entropy(model(words[:-1]), words[1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    for at in range(steps):
        optimizer.lr = rate(at)
        loss = step(indices([window(random) for _ in range(BATCH)]))
    return model, loss.item()


def next_word(model: Model, rows: Sequence[Sequence[str]]) -> Any:
    """The probabilities of each word after each row, ``(rows, words)``."""
    last = [len(row) - 1 for row in rows]
    return tl.softmax(model(indices(rows)), axis=-1).numpy()[last, range(len(rows))]


def accuracy(model: Model, attractors: int, sentences: int = 200) -> float:
    """How often the verbs of the right number are the likelier ones, when all other nouns have the other number."""
    random = np.random.default_rng(1)
    subjects = random.integers(2, size=sentences)
    probabilities = next_word(model, [beginning(random, [number] + [1 - number] * attractors) for number in subjects])
    plural = probabilities[:, PLURAL].sum(axis=1) > probabilities[:, SINGULAR].sum(axis=1)
    return float(np.mean(plural == subjects))


def along(model: Model, rows: Sequence[Sequence[str]]) -> dict[str, Any]:
    """What the cell of an LSTM computes at each word, by name, each ``(time, rows, units)``."""
    cell = model.recurrent.cells[0]

    def step(state: Any, x_t: tl.Tensor) -> tuple[Any, Any]:
        gates = cell.gates(x_t, state)
        return type(state)(gates.hidden, gates.cell), gates._asdict()

    _, stacks = tl.scan(step, cell.zeros(len(rows)), model.embedding(indices(rows)))
    return {name: value.numpy() for name, value in stacks.items()}


def number_unit(model: Model) -> tuple[int, float]:
    """The unit of the cell state that shows the number of the subject best, and how often it does.

    It is asked at every word from the subject to the verb, in pairs of sentences that differ in the subject's number
    alone: is it on this or that side of one threshold, the best there is for this unit?
    """
    random = np.random.default_rng(2)
    some = [beginning(random, random.integers(2, size=5)) for _ in range(400)]
    rows = [row for row in some if len(row) == len(some[0])]
    rows = [["the", noun, *row[2:]] for noun in NOUNS[0] for row in rows]
    values = along(model, rows)["cell"][1:]
    plural = np.broadcast_to(np.arange(len(rows)) >= len(rows) / 2, values.shape[:2]).reshape(-1)
    shares = [threshold_share(unit, plural) for unit in values.reshape(len(plural), -1).T]
    return int(np.argmax(shares)), float(max(shares))


PAIR = [f"the {subject} that the cats near the bird that the girls hear see".split() for subject in NOUNS[0]]


def draw_unit(model: Model, unit: int) -> UnitPicture:
    """The gates and the state of one unit along two sentences that differ in the number of the subject."""
    title = f"Unit {unit} of the LSTM after “the dog” and “the dogs”"
    values = along(model, PAIR)
    ends = " and ".join(f"{float(value):.2f}" for value in values["cell"][-1, :, unit])
    return UnitPicture(title, f"Gates and state; at the end the state is {ends}", values, unit, PAIR)


def draw_gradients(models: dict[str, Model]) -> tl.draw.Figure:
    """How much the choice of the verb's number at the end depends on the state at each word."""
    words = PAIR[1]

    def slopes(name: str, model: Model) -> tl.draw.Figure:
        def odds(h: tl.Tensor) -> tl.Tensor:
            scores = model.output(h)[0]
            return tl.logsumexp(scores[PLURAL]) - tl.logsumexp(scores[SINGULAR])

        return tl.draw.gradient_over_time({name: model.recurrent}, model.embedding(indices([words])), words, loss=odds)

    figures = [slopes(name, model) for name, model in models.items()]
    decades = [figure.panels[0].decades for figure in figures]
    scale = min(low for low, _ in decades), max(high for _, high in decades)
    panels = tuple(replace(figure.panels[0], decades=scale) for figure in figures)
    said = " ".join(figure.description for figure in figures)
    return tl.draw.Figure("The choice of the verb by each earlier state", said, panels, tuple(words), len(panels))


def main(argv: list[str] | None = None) -> None:
    """Train, ask, count, and draw."""
    parser = argparse.ArgumentParser(description="A language model that keeps the subject's number until the verb.")
    parser.add_argument("--steps", type=int, default=1500, help="updates of each model")
    parser.add_argument("--seed", type=int, default=3, help="of the sentences and of the first weights")
    parser.add_argument("--backend", default=tl.get_backend(), help="the one of the session, or c, which is faster")
    parser.add_argument("--out", type=Path, help="folder for pictures")
    options = parser.parse_args(argv)
    if options.steps < 1 or options.seed < 0:
        parser.error("--steps is at least 1, and --seed at least 0")
    random = np.random.default_rng(options.seed)
    print("The text:", *(word for _ in range(3) for word in sentence(random)))
    models = {}
    with tl.use_backend(options.backend), tl.blas_threads(1):
        for kind in LAYERS:
            started = time.perf_counter()
            models[kind], loss = train(kind, options.seed, options.steps)
            size = sum(p.size for p in models[kind].parameters())
            print(f"{kind}: {size:,} parameters, {loss:.3f} nats a word, {time.perf_counter() - started:.0f} s")

    print(f"\n{'The next word of the LSTM after':64s}P(barks) P(bark)")
    asked = ["the dog", "the dogs", "the dog near the cats", "the dogs near the cat", *map(" ".join, PAIR)]
    for row, found in zip(asked, next_word(models["LSTM"], [row.split() for row in asked]), strict=True):
        print(f"  {row:62s}{found[SINGULAR[0]]:8.4f} {found[PLURAL[0]]:7.4f}")

    print(f"\nThe right number, in %, by nouns of the other number before the verb (trained on 0 to {MOST_TRAINED})")
    print("      " + "".join(f"{count:5d}" for count in COUNTS))
    for kind, model in models.items():
        print(f"{kind:6s}" + "".join(f"{100 * accuracy(model, count):5.0f}" for count in COUNTS))

    unit, share = number_unit(models["LSTM"])
    print(f"\nUnit {unit} of the cell state shows the number of the subject best: one threshold is right")
    print(f"at {100 * share:.0f}% of the words between subject and verb, whatever stands there.")
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        print(draw_unit(models["LSTM"], unit).save(options.out / "subject_verb_unit.svg"))
        print(draw_gradients(models).save(options.out / "subject_verb_gradient.svg"))


if __name__ == "__main__":
    try:
        main()
    except (tl.errors.Error, OSError) as error:
        sys.exit(f"subject_verb: {error}")
    except KeyboardInterrupt:
        sys.exit("subject_verb: interrupted")
