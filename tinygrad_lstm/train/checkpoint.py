"""Checkpoints: one safetensors file whose header carries the rest as JSON.

One file is renamed into place at once: whatever happens while it is written, the path holds the old checkpoint or
the new one, and arrays and description cannot come from different moments. Two files would need two renames, with a
moment between them. Other programs read the arrays as those of any safetensors file, and the JSON, which the header
holds under ``tinygrad_lstm``, as its metadata. Nothing that is loaded is executed.

The model is in it twice: ``model.…`` are the weights of the last step, with which training goes on, and ``best.…``
those that did best on the held-out text, once it was looked at.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import numpy as np

from tinygrad_lstm.data.vocabulary import TokenVocabulary
from tinygrad_lstm.errors import CheckpointError, Error, StateDictError
from tinygrad_lstm.graph.dtypes import as_dtype
from tinygrad_lstm.graph.scopes import warn
from tinygrad_lstm.nn.saving import undrawn
from tinygrad_lstm.runtime.files import CHECKSUM, Array, check_writable, read_arrays, read_texts, write_arrays
from tinygrad_lstm.train.description import Description
from tinygrad_lstm.train.language_model import LanguageModel

__all__ = [
    "Array",
    "check_writable",
    "described",
    "holds_model",
    "is_sound",
    "load_model",
    "part",
    "read_checkpoint",
    "restored_model",
    "write_checkpoint",
]

_KEY: Final = "tinygrad_lstm"


def write_checkpoint(path: str | os.PathLike[str], arrays: Mapping[str, Array], description: Description) -> None:
    """Write arrays and a description so that ``path`` changes at once or not at all.

    Raises:
        CheckpointError: when it cannot be written; then the path holds what it held.
    """
    write_arrays(path, arrays, {_KEY: description.as_json()})


def read_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, Array], Description]:
    """The arrays and the description of a checkpoint.

    Raises:
        CheckpointError: when the file is missing, not readable, cut off, changed, or no checkpoint of this program, and
            when its description is not whole or names numbers out of their range.
    """
    arrays, metadata = read_arrays(path, "checkpoint")
    if _KEY not in metadata:
        raise CheckpointError(
            f"{path} holds arrays, and no model as `tinygrad-lstm train` writes it; tl.load reads such a file"
        )
    description = Description.of(path, metadata[_KEY])
    if CHECKSUM not in metadata:
        warn(f"{path} has no checksum, as an earlier version wrote it: whether it is damaged cannot be checked")
    return arrays, description


def holds_model(path: str | os.PathLike[str]) -> bool:
    """Whether a file of arrays is one that ``tinygrad-lstm train`` wrote; only its header is read.

    Raises:
        CheckpointError: when it is no file of arrays.
    """
    return _KEY in read_texts(path, "checkpoint")


def is_sound(path: str | os.PathLike[str]) -> bool:
    """Whether a checkpoint can be gone on from."""
    try:
        restored_model(path, *read_checkpoint(path))
    except CheckpointError:
        return False
    return True


def load_model(path: str | os.PathLike[str]) -> tuple[LanguageModel, TokenVocabulary]:
    """The model that a checkpoint holds, and the vocabulary that it was trained with.

    It has the weights of the step at which the loss over the held-out text was lowest; those of the last step where the
    training ended before a first look at that text.

    Raises:
        CheckpointError: when there is none to be read; see :func:`read_checkpoint`.

    >>> from tempfile import TemporaryDirectory
    >>> text = tl.data.Corpus("to be or not to be, that is the question: " * 20, "a question")
    >>> config = tl.train.TrainConfig(steps=30, window=8, batch=4)
    >>> with TemporaryDirectory() as folder:
    ...     tl.train.LanguageModelTrainer(text, config=config).run(checkpoint=f"{folder}/model.safetensors")
    ...     model, vocabulary = tl.train.load_model(f"{folder}/model.safetensors")
    >>> logits, state = model(vocabulary.encode("to be")[:, None])
    >>> logits.shape == (5, 1, len(vocabulary))
    True
    """
    arrays, description = read_checkpoint(path)
    return restored_model(path, arrays, description)


def restored_model(
    path: str | os.PathLike[str], arrays: Mapping[str, Array], description: Description
) -> tuple[LanguageModel, TokenVocabulary]:
    """The model, as :func:`load_model` gives it, and the vocabulary of a checkpoint that was read from ``path``.

    Raises:
        CheckpointError: when the arrays do not fit the description.
    """
    vocabulary, last, best = description.vocabulary, part(arrays, "model"), part(arrays, "best")
    with described(path):
        model = undrawn_model(description, last)
        spoilt = [name for weights in (last, best) for name, array in weights.items() if not np.isfinite(array).all()]
        if spoilt:
            raise CheckpointError(f"{path} holds weights that are no finite numbers, in {spoilt[0]}; train anew")
        model.load_state_dict(best or last)
    return model, vocabulary


def undrawn_model(description: Description, weights: Mapping[str, Array]) -> LanguageModel:
    """The model of a description, without values.

    Raises:
        StateDictError: when it has other layers or sizes than these weights; that is found out before it is made.
    """
    config, tokens = description.model, len(description.vocabulary)
    # A header of a few bytes could name a model that fills the memory. These decide about all sizes.
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (tokens, config.embedding)}
    # Tied weights make hidden equal to embedding.
    shapes |= {"bias": (tokens,)} if config.tied else {"output.weight": (config.hidden, tokens)}
    for name, shape in shapes.items():
        found = list(weights[name].shape) if name in weights else "missing"
        if found != list(shape):
            raise StateDictError(f"{name} is {found}, expected {list(shape)}")
    if config.layers > len(weights):
        raise StateDictError(f"it names {config.layers:,} layers, and has {len(weights)} arrays")
    with undrawn():
        return LanguageModel(tokens, config, dtype=as_dtype(description.training.precision))


def part(arrays: Mapping[str, Array], name: str) -> dict[str, Array]:
    """The arrays whose names begin with ``name`` and a point, without it."""
    return {path.removeprefix(f"{name}."): array for path, array in arrays.items() if path.startswith(f"{name}.")}


@contextmanager
def described(path: str | os.PathLike[str]) -> Iterator[None]:
    """A context for reading arrays: errors in it become errors of the checkpoint at ``path``."""
    try:
        yield
    except CheckpointError:
        raise
    except StateDictError as error:
        raise CheckpointError(f"{path} does not fit the architecture it names: {error}") from None
    except KeyError as error:
        raise CheckpointError(f"{path} is damaged: it has no {error}") from None
    except (Error, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from None
