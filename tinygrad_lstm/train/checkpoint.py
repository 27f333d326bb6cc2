"""Checkpoints: one safetensors file whose header carries the rest as JSON.

One file is renamed into place at once: whatever happens while it is written, the path holds the old checkpoint or
the new one, and arrays and description can not come from different moments. Two files would need two renames, with a
moment between them. Other programs read the arrays as those of any safetensors file, and the JSON, which the header
holds under ``tinygrad_lstm``, as its metadata. Nothing that is loaded is executed.
"""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from tinygrad_lstm.data.vocabulary import Vocabulary
from tinygrad_lstm.errors import CheckpointError, Error, StateDictError
from tinygrad_lstm.ops import random
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

Array = NDArray[Any]
_KEY: Final = "tinygrad_lstm"
_FORMAT: Final = 1


def write_checkpoint(path: str | os.PathLike[str], arrays: Mapping[str, Array], description: Mapping[str, Any]) -> None:
    """Write arrays and a description in JSON's types so that ``path`` changes at once or not at all.

    The file is written beside, synced to the disk, and renamed.

    Raises:
        CheckpointError: when it can not be written; then the path holds what it held.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_checkpoint(f"{folder}/a.safetensors", {"x": np.ones(2)}, {"step": 3})
    ...     read_checkpoint(f"{folder}/a.safetensors")
    ({'x': array([1., 1.])}, {'step': 3})
    """
    # The file that a link leads to changes, not the link.
    path = Path(os.path.realpath(path))
    header = json.dumps({"format": _FORMAT, **description}, ensure_ascii=False, allow_nan=False)
    content = save({name: np.asarray(array, order="C") for name, array in arrays.items()}, {_KEY: header})
    beside = _beside(path)
    try:
        try:
            with beside.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise CheckpointError(f"{path} can not be written: {error.strerror or error}") from error


def read_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays and the description of a checkpoint.

    Raises:
        CheckpointError: when the file is missing, not readable, cut off, or no checkpoint of this program.
    """
    path = Path(path)
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder; name the checkpoint file in it")
    try:
        with safe_open(path, framework="numpy") as file:
            header = (file.metadata() or {}).get(_KEY)
            arrays = {name: file.get_tensor(name) for name in file.keys()} if header else {}  # noqa: SIM118
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {path}; check its name and folder") from None
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is no whole safetensors file: it was cut off or is of another kind ({error})"
        ) from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        # Not permitted, or an element type that NumPy does not have.
        raise CheckpointError(f"{str(path)!r} can not be read: {getattr(error, 'strerror', None) or error}") from None
    if header is None:
        raise CheckpointError(f"{path} is a safetensors file of another program: its header has no {_KEY!r}")
    try:
        description = json.loads(header)
        version = description.pop("format")
    except (ValueError, TypeError, AttributeError, KeyError):
        raise CheckpointError(f"{path} is damaged: the JSON in its header can not be read") from None
    if version != _FORMAT:
        raise CheckpointError(f"{path} has format {version!r}, this program reads {_FORMAT}; use the one that wrote it")
    return arrays, description


def load_model(path: str | os.PathLike[str]) -> tuple[LanguageModel, Vocabulary]:
    """The model that a checkpoint holds, and the vocabulary that it was trained with.

    Raises:
        CheckpointError: when there is none to be read; see :func:`read_checkpoint`.
    """
    arrays, description = read_checkpoint(path)
    return restored_model(path, arrays, description)


def restored_model(
    path: str | os.PathLike[str], arrays: Mapping[str, Array], description: Mapping[str, Any]
) -> tuple[LanguageModel, Vocabulary]:
    """The model and the vocabulary of a checkpoint that was read from ``path``.

    Raises:
        CheckpointError: when the arrays do not fit the description.
    """
    with described(path):
        vocabulary = Vocabulary(description["vocabulary"])
        model = LanguageModel(len(vocabulary), ModelConfig(**description["model"]), key=random.key(0))
        model.load_state_dict(part(arrays, "model"))
    return model, vocabulary


def part(arrays: Mapping[str, Array], name: str) -> dict[str, Array]:
    """The arrays whose names begin with ``name`` and a point, without it."""
    return {path.removeprefix(f"{name}."): array for path, array in arrays.items() if path.startswith(f"{name}.")}


@contextmanager
def described(path: str | os.PathLike[str]) -> Iterator[None]:
    """Where a description is read: what fails in it is told of the checkpoint at ``path``."""
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


def check_writable(path: str | os.PathLike[str]) -> None:
    """Find out, before any work is done, whether a checkpoint can be written to ``path``.

    Raises:
        CheckpointError: when it can not, and when another kind of file is there.
    """
    try:
        real = Path(os.path.realpath(path))
        if real.is_dir():
            raise CheckpointError(f"{path} is a folder; name the checkpoint file to be written in it")
        if not real.parent.is_dir():
            raise CheckpointError(f"{path} can not be written: there is no folder {real.parent}; make it first")
        if real.exists() and not _may_be_replaced(real):
            raise CheckpointError(f"{path} exists and is no checkpoint; name another file, or remove it")
        beside = _beside(real)
        try:
            beside.touch(exist_ok=False)
        finally:
            beside.unlink(missing_ok=True)
    except CheckpointError:
        raise
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{str(path)!r} can not be written: {getattr(error, 'strerror', None) or error}"
        ) from None


def _may_be_replaced(path: Path) -> bool:
    """Whether ``path`` looks like a checkpoint, so that no text file or device is lost to a slip of the keyboard."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(9)
    # The length of the header in eight bytes, and its first character. Eight bytes of text would be a huge length.
    return not start or (start[8:] == b"{" and int.from_bytes(start[:8], "little") < 2**32)


def _beside(path: Path) -> Path:
    # Not tempfile's: those files are private to the user, and a checkpoint gets the permissions of any new file.
    return path.with_name(f".{secrets.token_hex(8)}.tmp")


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself last through a loss of power, where folders can be opened."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
