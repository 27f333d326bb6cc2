"""The commands ``train`` and ``sample``."""

import argparse
import math
import os
import shlex
import sys
from dataclasses import fields
from itertools import chain
from typing import Any

from tinygrad_lstm.data.text import default_corpus, read_corpus
from tinygrad_lstm.errors import UsageError, printable
from tinygrad_lstm.runtime.backend import get_backend, use_backend
from tinygrad_lstm.runtime.threads import blas_threads
from tinygrad_lstm.train.checkpoint import check_writable, holds_model, load_model
from tinygrad_lstm.train.config import TrainConfig
from tinygrad_lstm.train.language_model import ModelConfig
from tinygrad_lstm.train.progress import Progress, bits
from tinygrad_lstm.train.sampling import sample
from tinygrad_lstm.train.trainer import Trainer

__all__ = ["run_sample", "run_train"]

_CHECKPOINT = "model.safetensors"


def run_train(arguments: argparse.Namespace) -> int:
    """Train a model, from the start or from a checkpoint."""
    given = vars(arguments)
    # The path of the checkpoint to resume, or True for that of --checkpoint.
    resumed = given.get("resume")
    checkpoint = given.get("checkpoint") or (resumed if isinstance(resumed, str) else _CHECKPOINT)
    check_writable(checkpoint)
    corpus = read_corpus(arguments.files) if arguments.files else default_corpus()
    with use_backend(arguments.backend or get_backend()), blas_threads(arguments.threads):
        model, training = _given(ModelConfig, given), _given(TrainConfig, given)
        if resumed is None:
            if not arguments.overwrite:
                _check_absent(checkpoint)
            trainer = Trainer(corpus, ModelConfig(**model), TrainConfig(**training))
        else:
            trainer = Trainer.resume(checkpoint if resumed is True else resumed, corpus, {**model, **training})
        _describe(trainer)
        if trainer.at >= trainer.config.steps and trainer.validations:
            print(f"nothing is left to do at step {trainer.at:,}; a larger --steps goes further")
            return 0
        try:
            with Progress(trainer, sys.stderr) as progress:
                trainer.run(progress, checkpoint, save_every=given.get("save_every"))
        except KeyboardInterrupt as interrupt:
            interrupt.args = (_how_to_resume(trainer, arguments),)
            raise
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
        text = sample(
            model,
            vocabulary,
            arguments.prompt,
            length=arguments.length,
            temperature=arguments.temperature,
            seed=arguments.seed,
        )
        # A model may have learned, or been given, characters that a terminal obeys.
        terminal = sys.stdout.isatty()
        try:
            for character in chain(arguments.prompt, text):
                safe = not terminal or character == "\t"
                print(character if safe else printable(character), end="", flush=terminal)
        finally:
            print()
    return 0


def _given(kind: type[Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """The fields of a configuration for which the user gave options."""
    return {field.name: arguments[field.name] for field in fields(kind) if field.name in arguments}


def _describe(trainer: Trainer) -> None:
    corpus, config, characters = trainer.corpus, trainer.model.config, len(trainer.vocabulary)
    numbers = sum(p.leaf.size for p in trainer.model.parameters())
    print(f"text: {printable(corpus.name)}, {len(corpus.text):,} characters, {characters} different")
    print(f"model: {config.cell}, layers {config.layers}, hidden {config.hidden}, {numbers:,} parameters")
    guess = math.log(characters)
    print(f"yardstick: guessing among {characters} characters costs ln {characters} = {_both(guess)} per character")
    if trainer.at:
        print(f"going on from step {trainer.at:,}")
    sys.stdout.flush()


def _conclude(trainer: Trainer) -> None:
    (step, held_out), (best, lowest) = trainer.validations[-1], trainer.lowest
    characters = len(trainer.vocabulary)
    print(f"held-out text: {_both(held_out)} per character after {step:,} steps")
    if best != step:
        print(f"it was lowest after {best:,} steps, {_both(lowest)}; that model is kept")
    if lowest >= math.log(characters):
        print(
            f"guessing, with {_both(math.log(characters))}, is as good: nothing was learned that holds for other text; "
            "give more text, or a smaller --hidden"
        )
    path = trainer.saved_to or ""
    print(printable(f"saved in {path}; write with it: tinygrad-lstm sample {shlex.quote(path)}"))
    print(f"in Python: import tinygrad_lstm as tl; model, vocabulary = tl.train.load_model({path!r})")


def _both(nats: float) -> str:
    return f"{nats:.4f} nats = {bits(nats):.4f} bits"


def _how_to_resume(trainer: Trainer, arguments: argparse.Namespace) -> str:
    if trainer.saved_to is None:
        return "interrupted before there was anything to save"
    # The checkpoint does not record the backend, so the command must name it.
    words = ["tinygrad-lstm", "train", *arguments.files]
    words += ["--backend", arguments.backend] if arguments.backend not in (None, "numpy") else []
    words += ["--threads", str(arguments.threads)] if arguments.threads != 1 else []
    words += ["--resume", trainer.saved_to]
    return f"interrupted; step {trainer.saved_at:,} is saved, go on with: {shlex.join(words)}"
