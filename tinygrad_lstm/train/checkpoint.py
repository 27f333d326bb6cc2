"""Checkpoints: one safetensors file whose header carries the rest as JSON.

One file is renamed into place at once: whatever happens while it is written, the path holds the old checkpoint or
the new one, and arrays and description cannot come from different moments. Two files would need two renames, with a
moment between them. Other programs read the arrays as those of any safetensors file, and the JSON, which the header
holds under ``tinygrad_lstm``, as its metadata. Nothing that is loaded is executed.

The model is in it twice: ``model.…`` are the weights of the last step, with which training goes on, and ``best.…``
those that did best on the held-out text, once it was looked at.
"""

import json
import math
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from tinygrad_lstm.data.vocabulary import Vocabulary
from tinygrad_lstm.errors import CheckpointError, Error, StateDictError
from tinygrad_lstm.functions import random
from tinygrad_lstm.runtime.files import CHECKSUM, Array, check_writable, read_arrays, write_arrays
from tinygrad_lstm.train.language_model import LanguageModel, ModelConfig

__all__ = [
    "Array",
    "check_writable",
    "described",
    "load_model",
    "part",
    "read_checkpoint",
    "restored_model",
    "write_checkpoint",
]

_KEY: Final = "tinygrad_lstm"
_FORMAT: Final = 2


def write_checkpoint(path: str | os.PathLike[str], arrays: Mapping[str, Array], description: Mapping[str, Any]) -> None:
    """Write arrays and a description in JSON's types so that ``path`` changes at once or not at all.

    Raises:
        CheckpointError: when it cannot be written; then the path holds what it held.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_checkpoint(f"{folder}/a.safetensors", {"x": np.ones(2)}, {"step": 3})
    ...     read_checkpoint(f"{folder}/a.safetensors")
    ({'x': array([1., 1.])}, {'step': 3})
    """
    header = json.dumps({"format": _FORMAT, **description}, ensure_ascii=False, allow_nan=False)
    write_arrays(path, arrays, {_KEY: header})


def read_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays and the description of a checkpoint.

    Raises:
        CheckpointError: when the file is missing, not readable, cut off, or no checkpoint of this program.
    """
    arrays, metadata = read_arrays(path, "checkpoint")
    header = metadata.get(_KEY)
    if header is None:
        raise CheckpointError(
            f"{path} holds arrays, and no model as `tinygrad-lstm train` writes it; tl.load reads such a file"
        )
    if CHECKSUM not in metadata:
        warnings.warn(
            f"{path} has no checksum, as an earlier version wrote it: whether it is damaged cannot be checked",
            stacklevel=3,
        )
    try:
        description = json.loads(header, parse_float=_finite, parse_constant=_finite)
        version = description.pop("format")
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        raise CheckpointError(f"{path} is damaged: the JSON in its header cannot be read") from None
    if version != _FORMAT:
        raise CheckpointError(f"{path} has format {version!r}, this program reads {_FORMAT}; use the one that wrote it")
    return arrays, description


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def load_model(path: str | os.PathLike[str]) -> tuple[LanguageModel, Vocabulary]:
    """The model that a checkpoint holds, and the vocabulary that it was trained with.

    It has the weights of the step at which the loss over the held-out text was lowest; those of the last step where the
    training ended before a first look at that text.

    Raises:
        CheckpointError: when there is none to be read; see :func:`read_checkpoint`.

    >>> from tempfile import TemporaryDirectory
    >>> text = tl.data.Corpus("to be or not to be, that is the question: " * 20, "a question")
    >>> config = tl.train.TrainConfig(steps=30, window=8, batch=4)
    >>> with TemporaryDirectory() as folder:
    ...     tl.train.Trainer(text, config=config).run(checkpoint=f"{folder}/model.safetensors")
    ...     model, vocabulary = tl.train.load_model(f"{folder}/model.safetensors")
    >>> logits, state = model(vocabulary.encode("to be")[:, None])
    >>> logits.shape == (5, 1, len(vocabulary))
    True
    """
    arrays, description = read_checkpoint(path)
    return restored_model(path, arrays, description)


def restored_model(
    path: str | os.PathLike[str], arrays: Mapping[str, Array], description: Mapping[str, Any]
) -> tuple[LanguageModel, Vocabulary]:
    """The model, as :func:`load_model` gives it, and the vocabulary of a checkpoint that was read from ``path``.

    Raises:
        CheckpointError: when the arrays do not fit the description.
    """
    with described(path):
        vocabulary = Vocabulary(description["vocabulary"])
        config = ModelConfig(**description["model"])
        last, best = part(arrays, "model"), part(arrays, "best")
        # Checked before the model is made: a file of a few bytes could ask for a model that fills the memory.
        room = sum(array.size for array in last.values())
        if config.layers > len(last) or max(config.hidden**2, config.embedding * len(vocabulary)) > room:
            raise CheckpointError(f"{path} does not fit the architecture it names: it holds {room:,} numbers in all")
        model = LanguageModel(len(vocabulary), config, key=random.key(0))
        spoilt = [name for weights in (last, best) for name, array in weights.items() if not np.isfinite(array).all()]
        if spoilt:
            raise CheckpointError(f"{path} holds weights that are no finite numbers, in {spoilt[0]}; train anew")
        model.load_state_dict(best or last)
    return model, vocabulary


def part(arrays: Mapping[str, Array], name: str) -> dict[str, Array]:
    """The arrays whose names begin with ``name`` and a point, without it."""
    return {path.removeprefix(f"{name}."): array for path, array in arrays.items() if path.startswith(f"{name}.")}


@contextmanager
def described(path: str | os.PathLike[str]) -> Iterator[None]:
    """A context for reading a description: errors in it become errors of the checkpoint at ``path``."""
    try:
        yield
    except CheckpointError:
        raise
    except StateDictError as error:
        raise CheckpointError(f"{path} does not fit the architecture it names: {error}") from None
    except KeyError as error:
        raise CheckpointError(f"{path} is damaged: it has no {error}") from None
    except (Error, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from None
