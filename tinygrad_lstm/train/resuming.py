"""Which settings a training that is resumed goes on with."""

import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from tinygrad_lstm.data.large import LargeCorpus
from tinygrad_lstm.data.text import Corpus
from tinygrad_lstm.errors import CheckpointError
from tinygrad_lstm.train.config import TrainConfig
from tinygrad_lstm.train.description import Description

__all__ = ["resumed_config"]

_MAY_CHANGE: Final = frozenset(("steps", "epochs", "validate_every"))


def resumed_config(
    path: str | os.PathLike[str], saved: Description, corpus: Corpus | LargeCorpus, wanted: Mapping[str, Any]
) -> TrainConfig:
    """The settings of a checkpoint, with those of ``wanted`` that may change.

    Raises:
        CheckpointError: when others differ from the checkpoint's, or it was trained on another text.
    """
    settings = {**asdict(saved.model), **asdict(saved.training), **asdict(saved.reading)}
    for key, value in wanted.items():
        if key not in _MAY_CHANGE and settings[key] != value:
            raise CheckpointError(
                f"{path} was trained with {key} {settings[key]}, not {value}; "
                f"leave that out to go on, or train a new model"
            )
    if saved.sha256 != corpus.sha256:
        raise CheckpointError(
            f"{path} was trained on another text, {saved.text} with SHA-256 {saved.sha256[:12]}…, and this is "
            f"{corpus.name} with {corpus.sha256[:12]}…; name the files it was trained on"
        )
    changes = {key: value for key, value in wanted.items() if key in _MAY_CHANGE}
    if "steps" in changes:  # the last word on how long
        changes.setdefault("epochs", None)
    return replace(saved.training, **changes)
