"""The commands ``train``, ``sample``, ``evaluate`` and ``inspect``."""

import argparse
import math
import os
import shlex
import sys
import tempfile
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from itertools import chain
from pathlib import Path

from tinygrad_lstm.cli.texts import Report, corpus_of
from tinygrad_lstm.data.large import is_large, tokens_of
from tinygrad_lstm.data.text import read_corpus
from tinygrad_lstm.draw.time.sequences import gates
from tinygrad_lstm.errors import Error, UsageError, printable
from tinygrad_lstm.nn.stochastic import deterministic
from tinygrad_lstm.runtime.backend import get_backend, use_backend
from tinygrad_lstm.runtime.creation import tensor
from tinygrad_lstm.runtime.threads import blas_threads
from tinygrad_lstm.train.checkpoint import check_writable, holds_model, load_model
from tinygrad_lstm.train.journal import Journal, check_curve, save_curve
from tinygrad_lstm.train.language_model_trainer import LanguageModelTrainer
from tinygrad_lstm.train.measuring import bits, evaluate_text, evaluate_tokens
from tinygrad_lstm.train.parallel import ParallelTrainer
from tinygrad_lstm.train.progress import Progress
from tinygrad_lstm.train.ranks import Ranks
from tinygrad_lstm.train.sampling import beam_search, sample
from tinygrad_lstm.train.settings import settings_with

__all__ = ["run_evaluate", "run_inspect", "run_sample", "run_train"]

_CHECKPOINT = "model.safetensors"


def run_train(arguments: argparse.Namespace) -> int:
    """Train a model, from the start or from a checkpoint."""
    if not arguments.data_parallel:
        return _train(arguments, LanguageModelTrainer)
    ranks = Ranks()
    if arguments.backend == "cupy":
        # Each process has a GPU of its own.
        arguments.backend = f"cupy:{ranks.local}"
    if not ranks.rank:
        return _train(arguments, ParallelTrainer)
    # What rank 0 says, the others need not repeat.
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        for option in ("log", "curve", "tensorboard"):
            vars(arguments).pop(option, None)
        try:
            return _train(arguments, ParallelTrainer)
        except KeyboardInterrupt as interrupt:
            return int(getattr(interrupt, "status", 130))
        except Error:
            return 2


def _train(arguments: argparse.Namespace, kind: type[LanguageModelTrainer]) -> int:
    given = vars(arguments)
    # The path of the checkpoint to resume, or True for that of --checkpoint.
    resumed = given.get("resume")
    checkpoint = given.get("checkpoint") or (resumed if isinstance(resumed, str) else _CHECKPOINT)
    settings = settings_with(given.get("config"), given)
    check_writable(checkpoint)
    if "curve" in given:
        check_curve(given["curve"])
    reading = Report()
    corpus = corpus_of(given, reading)
    with use_backend(arguments.backend or get_backend()), blas_threads(arguments.threads):
        if resumed is None:
            if not arguments.overwrite:
                _check_absent(checkpoint)
            trainer = kind(corpus, settings.model, settings.training, settings.reading)
        else:
            trainer = kind.resume(checkpoint if resumed is True else resumed, corpus, settings.whole)
        reading.close()
        _describe(trainer)
        if trainer.at >= trainer.steps and trainer.validations and trainer.validations[-1][0] == trainer.at:
            print(f"nothing is left to do at step {trainer.at:,}; a larger --steps or --epochs goes further")
            return 0
        try:
            with (
                Progress(trainer, sys.stderr) as progress,
                Journal(trainer, given.get("log"), given.get("tensorboard")) as journal,
            ):

                def report(trainer: LanguageModelTrainer) -> None:
                    progress(trainer)
                    journal(trainer)

                options = {name: given[name] for name in ("keep", "save_every", "time_limit") if name in given}
                trainer.run(report, checkpoint, **options)
        except KeyboardInterrupt as interrupt:
            interrupt.args = (_how_to_resume(trainer, arguments),)
            raise
        if trainer.at < trainer.steps:
            print(_how_to_resume(trainer, arguments, "the time is over"))
            return 0
        if "curve" in given:
            save_curve(trainer, given["curve"])
        _conclude(trainer)
    return 0


def _check_absent(checkpoint: str) -> None:
    """Raise UsageError where a file would be replaced that is not empty."""
    if not os.path.exists(checkpoint) or not os.path.getsize(checkpoint):
        return
    if holds_model(checkpoint):
        raise UsageError(
            f"{checkpoint} holds a trained model; --resume goes on from it, --overwrite starts anew, "
            "and --checkpoint names another file"
        )
    raise UsageError(
        f"{checkpoint} holds arrays of another program; --overwrite replaces them, and --checkpoint names another file"
    )


def run_sample(arguments: argparse.Namespace) -> int:
    """Write text with a trained model, character by character."""
    with use_backend(arguments.backend or get_backend()), blas_threads(arguments.threads):
        model, vocabulary = load_model(arguments.checkpoint)
        prompt = arguments.prompt
        if vocabulary.unit == "word" and prompt and not prompt[-1].isspace():
            prompt += " "
        if "beam" in arguments:
            text: Iterable[str] = beam_search(model, vocabulary, prompt, length=arguments.length, width=arguments.beam)
        else:
            text = sample(
                model,
                vocabulary,
                prompt,
                length=arguments.length,
                temperature=arguments.temperature,
                top_k=vars(arguments).get("top_k"),
                top_p=arguments.top_p,
                seed=arguments.seed,
            )
        # A model may have learned, or been given, characters that a terminal obeys.
        terminal = sys.stdout.isatty()
        try:
            for piece in chain(prompt, text):
                safe = not terminal or piece == "\t"
                print(piece if safe else printable(piece), end="", flush=terminal)
        finally:
            print()
    return 0


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Print how well a trained model predicts a text."""
    large, text = is_large([arguments.file]), ""
    if not large:
        text = read_corpus([arguments.file]).text
    with use_backend(arguments.backend or get_backend()), blas_threads(arguments.threads):
        model, vocabulary = load_model(arguments.checkpoint)
        size: dict[str, int] = {"window": arguments.window, "batch": arguments.batch}
        if large:
            with tempfile.TemporaryDirectory(prefix="tinygrad_lstm-") as folder:
                report = Report()
                tokens, words = tokens_of(arguments.file, vocabulary, Path(folder) / "tokens", report)
                report.close()
                found = evaluate_tokens(model, tokens, words, vocabulary.unit, **size)
        else:
            found = evaluate_text(model, vocabulary, text, **size)
    print(f"{printable(arguments.file)}: {found.tokens:,} {found.unit}s predicted, {found.words:,} words")
    print(f"{_both(found.nats)} per {found.unit}, perplexity {found.perplexity:,.2f}")
    print(f"{found.per_word:.4f} nats per word, perplexity {math.exp(min(found.per_word, 700)):,.2f} per word")
    return 0


def run_inspect(arguments: argparse.Namespace) -> int:
    """Draw the gates of a trained model along a text."""
    with use_backend(arguments.backend or get_backend()), blas_threads(arguments.threads):
        model, vocabulary = load_model(arguments.checkpoint)
        layers = model.config.layers
        if arguments.layer > layers:
            raise UsageError(f"--layer is at most {layers}, the number of layers of this model, not {arguments.layer}")
        indices = vocabulary.encode(arguments.text)
        if not len(indices):
            raise UsageError("a text of at least one character is wanted, to draw the gates along it")
        logits, _ = deterministic(model)(tensor(indices[:, None]))
        tokens = [vocabulary.tokens[k] for k in indices]
        figure = gates(logits, tokens, loop=arguments.layer - 1, title=f"The gates of layer {arguments.layer}")
        print(figure.save(arguments.output))
    return 0


def _describe(trainer: LanguageModelTrainer) -> None:
    corpus, config = trainer.corpus, trainer.model.config
    tokens, unit = len(trainer.vocabulary), trainer.vocabulary.unit
    numbers = sum(p.leaf.size for p in trainer.model.parameters())
    print(f"text: {printable(corpus.name)}, {corpus.characters:,} characters, {tokens:,} different {unit}s known")
    print(f"model: {config.cell}, layers {config.layers}, hidden {config.hidden}, {numbers:,} parameters")
    guess = math.log(tokens)
    print(f"yardstick: guessing among {tokens:,} {unit}s costs ln {tokens} = {_cost(trainer, guess)} per {unit}")
    if trainer.at:
        print(f"going on from step {trainer.at:,}")
    sys.stdout.flush()


def _conclude(trainer: LanguageModelTrainer) -> None:
    (step, held_out), (best, lowest) = trainer.validations[-1], trainer.lowest
    tokens, unit = len(trainer.vocabulary), trainer.vocabulary.unit
    print(f"held-out text: {_cost(trainer, held_out)} per {unit} after {step:,} steps")
    if best != step:
        print(f"it was lowest after {best:,} steps, {_cost(trainer, lowest)}; that model is kept")
    if lowest >= math.log(tokens):
        print(
            f"guessing, with {_cost(trainer, math.log(tokens))}, is as good: nothing was learned that holds for other "
            "text; give more text, or a smaller --hidden"
        )
    test = trainer.test()
    if test is not None:
        print(f"test text: {_cost(trainer, test.nats)} per {unit}")
    path = trainer.saved_to or ""
    print(printable(f"saved in {path}; write with it: tinygrad-lstm sample {shlex.quote(path)}"))
    print(f"in Python: import tinygrad_lstm as tl; model, vocabulary = tl.train.load_model({path!r})")


def _cost(trainer: LanguageModelTrainer, nats: float) -> str:
    if trainer.vocabulary.unit == "word":
        return f"{nats:.4f} nats, perplexity {math.exp(min(nats, 700.0)):,.2f}"
    return _both(nats)


def _both(nats: float) -> str:
    return f"{nats:.4f} nats = {bits(nats):.4f} bits"


def _how_to_resume(trainer: LanguageModelTrainer, arguments: argparse.Namespace, why: str = "interrupted") -> str:
    if trainer.saved_to is None:
        return f"{why} before there was anything to save"
    # The checkpoint does not record the backend, so the command must name it.
    given = vars(arguments)
    words = ["tinygrad-lstm", "train", *given["files"], *given.get("train", [])]
    for option in ("valid", "test", "tokens", "log", "curve", "tensorboard"):
        words += [f"--{option}", given[option]] if option in given else []
    words += ["--backend", arguments.backend] if arguments.backend not in (None, "numpy") else []
    words += ["--threads", str(arguments.threads)] if arguments.threads != 1 else []
    words += ["--resume", trainer.saved_to]
    return f"{why}; step {trainer.saved_at:,} is saved, go on with: {shlex.join(words)}"
