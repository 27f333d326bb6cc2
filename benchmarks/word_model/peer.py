"""The small configuration of Zaremba et al. 2014 in eager PyTorch: ``python -m benchmarks.word_model.peer TEXTS``.

The words, the windows and the order of the updates are those of ``tinygrad-lstm train --config zaremba-small``; the
rest is PyTorch's. It writes a line of JSON for each round over the text, with the median time of an update.
"""

import argparse
import json
import math
import resource
import statistics
import time
from pathlib import Path

import torch

import tinygrad_lstm as tl
from tinygrad_lstm.data.windows import Windows, held_out_windows

HIDDEN, LAYERS, WINDOW, BATCH, CLIP, BOUND = 200, 2, 20, 20, 5.0, 0.1


class Model(torch.nn.Module):
    """Embedding, two layers, and a score for each word."""

    def __init__(self, words: int, biases: int) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(words, HIDDEN)
        self.recurrent = torch.nn.LSTM(HIDDEN, HIDDEN, LAYERS)
        self.output = torch.nn.Linear(HIDDEN, words)
        for name, p in self.named_parameters():
            torch.nn.init.uniform_(p, -BOUND, BOUND)
            # Of two biases to a gate both learn, which is twice as fast as one does.
            if "bias_hh" in name and biases == 1:
                torch.nn.init.zeros_(p).requires_grad_(False)

    def forward(self, indices: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor] | None) -> tuple:
        """The scores at each step, and the last state."""
        outputs, state = self.recurrent(self.embedding(indices), state)
        return self.output(outputs), state


def loss_of(model: Model, window: object, state: tuple | None) -> tuple[torch.Tensor, tuple]:
    """The mean loss over a window, and the state after it."""
    state = None if window.first else state
    scores, state = model(torch.as_tensor(window.inputs.copy(), dtype=torch.long), state)
    targets = torch.as_tensor(window.targets.copy(), dtype=torch.long)
    loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1), targets.flatten())
    return loss, tuple(part.detach() for part in state)


def judged(model: Model, windows: list) -> float:
    """The mean loss over a held-out text."""
    total, count, state = 0.0, 0, None
    with torch.no_grad():
        for window in windows:
            loss, state = loss_of(model, window, state)
            total, count = total + float(loss) * window.inputs.size, count + window.inputs.size
    return total / count


def main() -> None:
    """Train, and report each round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", type=Path, help="folder with train.txt, valid.txt and test.txt")
    parser.add_argument("--epochs", type=int, default=13)
    parser.add_argument("--steps", type=int, help="stop after so many updates")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--biases", type=int, choices=(1, 2), default=1, help="to each gate; PyTorch's layer has 2")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    texts = {part: (arguments.texts / f"{part}.txt").read_text(encoding="utf-8") for part in ("train", "valid", "test")}
    vocabulary = tl.train.TextConfig("word", vocabulary=10_000).vocabulary_of(texts["train"])
    encoded = {part: vocabulary.encode(text) for part, text in texts.items()}
    windows = Windows(encoded["train"], WINDOW, BATCH)
    held_out = {part: list(held_out_windows(encoded[part], WINDOW, BATCH)) for part in ("valid", "test")}
    model = Model(len(vocabulary), arguments.biases)
    best, kept, taken = math.inf, model.state_dict(), 0
    for epoch in range(arguments.epochs):
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0 / 2.0 ** max(0, epoch + 1 - 4))
        total, state, times = 0.0, None, []
        for k in range(len(windows)):
            started = time.perf_counter()
            loss, state = loss_of(model, windows[k], state)
            optimizer.zero_grad()
            (loss * WINDOW).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            total, taken = total + loss.item(), taken + 1
            times.append(time.perf_counter() - started)
            if taken == arguments.steps:
                break
        valid = judged(model, held_out["valid"])
        if valid < best:
            best, kept = valid, {name: value.clone() for name, value in model.state_dict().items()}
        report = {
            "epoch": epoch + 1,
            "train": total / (k + 1),
            "valid": valid,
            "seconds_per_step": statistics.median(times),
        }
        print(json.dumps(report), flush=True)
        if taken == arguments.steps:
            break
    model.load_state_dict(kept)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"test": judged(model, held_out["test"]), "peak_mib": peak, "threads": arguments.threads}))


if __name__ == "__main__":
    main()
