"""``Description``: what a checkpoint says besides its arrays, checked as a whole before anything is made of it."""

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final

from tinygrad_lstm.data.vocabulary import TokenVocabulary, Vocabulary, WordVocabulary
from tinygrad_lstm.errors import CheckpointError, Error
from tinygrad_lstm.train.config import TextConfig, TrainConfig
from tinygrad_lstm.train.language_model import ModelConfig

__all__ = ["Description"]

_FORMAT: Final = 3
_NAMES: Final = ("format", "model", "training", "reading", "vocabulary", "data", "step", "validations")
_DIGEST: Final = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Description:
    """What a checkpoint says of a training.

    Attributes:
        model: the architecture.
        training: the settings.
        reading: what is read of the text.
        vocabulary: the characters or words of the text.
        text: the name of the text.
        sha256: the SHA-256 of the text.
        step: how many updates were made.
        validations: pairs of a step and the loss over the held-out text.
    """

    model: ModelConfig
    training: TrainConfig
    reading: TextConfig
    vocabulary: TokenVocabulary
    text: str
    sha256: str
    step: int
    validations: tuple[tuple[int, float], ...]

    def as_json(self) -> str:
        """The text for the header of a file, which :meth:`of` reads."""
        fields = {
            "format": _FORMAT,
            "model": asdict(self.model),
            "training": asdict(self.training),
            "reading": asdict(self.reading),
            "vocabulary": self.vocabulary.tokens,
            "data": {"name": self.text, "sha256": self.sha256},
            "step": self.step,
            "validations": self.validations,
        }
        return json.dumps(fields, ensure_ascii=False, allow_nan=False)

    @classmethod
    def of(cls, path: str | os.PathLike[str], text: str) -> "Description":
        """The description that the header of the file at ``path`` has as JSON.

        Raises:
            CheckpointError: when ``text`` is no JSON, has another format, lacks a part or has one too many, or when a
                part is out of its range.

        >>> fields = {"format": 3, "model": {}, "training": {}, "reading": {}, "vocabulary": "ab", "data": {}}
        >>> Description.of("a", json.dumps(fields))
        Traceback (most recent call last):
            ...
        tinygrad_lstm.errors.CheckpointError: a is damaged: it has no 'step', 'validations'
        """
        try:
            fields = json.loads(text, parse_float=_finite, parse_constant=_finite)
            version = fields["format"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise CheckpointError(f"{path} is damaged: the JSON in its header cannot be read") from None
        if version != _FORMAT:
            raise CheckpointError(
                f"{path} has format {version!r:.40}, this program reads {_FORMAT}; use the one that wrote it"
            )
        try:
            return cls._checked(fields)
        except (Error, TypeError) as error:
            # A TypeError comes from a field that a configuration does not have.
            raise CheckpointError(f"{path} is damaged: {error}") from None

    @classmethod
    def _checked(cls, fields: Mapping[str, Any]) -> "Description":
        _check_names(fields, _NAMES, "it")
        model, training = _mapping(fields, "model"), _mapping(fields, "training")
        data, step, pairs = _mapping(fields, "data"), fields["step"], fields["validations"]
        _check_names(data, ("name", "sha256"), "data")
        if not isinstance(data["name"], str) or not isinstance(data["sha256"], str):
            raise CheckpointError("name and SHA-256 of its text are no texts")
        if not _DIGEST.fullmatch(data["sha256"]):
            raise CheckpointError("the SHA-256 of its text has not 64 hexadecimal digits")
        if not _whole(step) or step < 0:
            raise CheckpointError(f"step is an integer of at least 0, not {step!r:.40}")
        if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            raise CheckpointError("validations are no pairs of a step and a loss")
        steps = [0, *[at for at, _ in pairs]]
        rising = all(_whole(at) for at in steps) and all(a < b for a, b in pairwise(steps))
        if not rising or steps[-1] > step:
            raise CheckpointError(f"the steps of its validations do not rise from 1 to {step:,} at most")
        if not all(isinstance(loss, float) for _, loss in pairs):
            raise CheckpointError("the losses of its validations are no numbers")
        reading = TextConfig(**_mapping(fields, "reading"))
        return cls(
            ModelConfig(**model),
            TrainConfig(**training),
            reading,
            _vocabulary(reading, fields["vocabulary"]),
            data["name"],
            data["sha256"],
            step,
            tuple((at, loss) for at, loss in pairs),
        )


def _vocabulary(reading: TextConfig, tokens: Any) -> TokenVocabulary:
    if reading.level == "char":
        if not isinstance(tokens, str):
            raise CheckpointError("vocabulary is no text")
        return Vocabulary(tokens)
    if not isinstance(tokens, list):
        raise CheckpointError("vocabulary is no list of words")
    return WordVocabulary(tokens)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _mapping(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields[name]
    if not isinstance(value, Mapping):
        raise CheckpointError(f"{name} is no object with named fields")
    return value


def _check_names(fields: Mapping[str, Any], expected: tuple[str, ...], what: str) -> None:
    missing, extra = [n for n in expected if n not in fields], [n for n in fields if n not in expected]
    if missing:
        raise CheckpointError(f"{what} has no {', '.join(map(repr, missing))}")
    if extra:
        raise CheckpointError(f"{what} has a part {extra[0]!r:.40}, which is not known")
