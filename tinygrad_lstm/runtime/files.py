"""Files that change at once or not at all, and arrays in them, as safetensors.

Whatever happens while a file is written, its path holds the old content or the new. Nothing that is read is executed.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from tinygrad_lstm.errors import CheckpointError

__all__ = ["Array", "check_writable", "read_arrays", "write_arrays", "write_whole"]

Array = NDArray[Any]


def write_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None
) -> None:
    """Write arrays by name to a safetensors file, and texts by name into its header.

    Raises:
        CheckpointError: when it cannot be written; then the path holds what it held.
    """
    # The file that a link leads to changes, not the link.
    try:
        path = Path(os.path.realpath(path))
        content = save({name: np.asarray(a, order="C") for name, a in arrays.items()}, dict(metadata or {}) or None)
        write_whole(path, content)
        _sync_folder(path.parent)
    except (OSError, ValueError) as error:
        # A ValueError is that of a path with a zero byte.
        told = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{path} cannot be written: {told}") from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside, sync it to the disk, and rename it.

    Raises:
        OSError: when it cannot be written; then the path holds what it held.
    """
    beside = _beside(path)
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read_arrays(path: str | os.PathLike[str], what: str = "file") -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays of a safetensors file, and the texts in its header.

    Args:
        what: what errors call the file.

    Raises:
        CheckpointError: when the file is missing, not readable, cut off, or of another kind.
    """
    path = Path(path)
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder; name the {what} in it")
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except FileNotFoundError:
        raise CheckpointError(f"there is no {what} {path}; check its name and folder") from None
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is no whole safetensors file: it was cut off or is of another kind ({error})"
        ) from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        # Not permitted, or an element type that NumPy does not have.
        raise CheckpointError(f"{str(path)!r} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def check_writable(path: str | os.PathLike[str], what: str = "checkpoint") -> None:
    """Find out, before any work is done, whether a file of arrays can be written to ``path``.

    Args:
        what: what errors call the file.

    Raises:
        CheckpointError: when it cannot, and when another kind of file is there.
    """
    try:
        real = Path(os.path.realpath(path))
        if real.is_dir():
            raise CheckpointError(f"{path} is a folder; name the {what} file to be written in it")
        if not real.parent.is_dir():
            raise CheckpointError(f"{path} cannot be written: there is no folder {real.parent}; make it first")
        if real.exists() and not _may_be_replaced(real):
            raise CheckpointError(f"{path} exists and is no {what}; name another file")
        beside = _beside(real)
        try:
            beside.touch(exist_ok=False)
        finally:
            beside.unlink(missing_ok=True)
    except CheckpointError:
        raise
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{str(path)!r} cannot be written: {getattr(error, 'strerror', None) or error}") from None


def _may_be_replaced(path: Path) -> bool:
    """Whether ``path`` looks like safetensors, so that no text file or device is lost to a slip of the keyboard."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(9)
    # The length of the header in eight bytes, and its first character. Eight bytes of text would be a huge length.
    return not start or (start[8:] == b"{" and int.from_bytes(start[:8], "little") < 2**32)


def _beside(path: Path) -> Path:
    # Not tempfile's: those files are private to the user, and this one gets the permissions of any new file.
    return path.with_name(f".{os.urandom(8).hex()}.tmp")


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself last through a loss of power, where folders can be opened."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
