"""Files that are replaced as a whole or not at all, and arrays in them, as safetensors.

Whatever happens while a file is written, its path holds the old content or the new. Nothing that is read is executed.
"""

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from tinygrad_lstm.errors import CheckpointError, Error
from tinygrad_lstm.graph.dtypes import as_dtype
from tinygrad_lstm.runtime.leftovers import sweep
from tinygrad_lstm.runtime.serialized import write_safetensors

__all__ = [
    "CHECKSUM",
    "Array",
    "as_path",
    "check_writable",
    "read_arrays",
    "read_texts",
    "regular_file",
    "replaceable",
    "write_arrays",
    "write_whole",
]

Array = NDArray[Any]
Content = bytes | Callable[[IO[bytes]], object]
"""What is written to a file: bytes, or a function that writes them to it; it may be called again."""
CHECKSUM: Final = "tinygrad_lstm.sha256"
"""The name of the checksum in the header."""
_BESIDE: Final = r"\.tinygrad_lstm-[0-9a-f]{16}\.tmp"
"""The names of files on their way; see :func:`_beside`."""
_DESCRIPTORS: Final = "/proc/self/fd"
"""Where Linux gives a name to what a number of an open file stands for."""
_MARK: Final = "tinygrad_lstm.checked"
"""A second name, which says that there is a checksum: a damaged bit can change only one of the two names."""


def write_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None
) -> None:
    """Write arrays by name to a safetensors file, and texts by name into its header, with a checksum of all of it.

    Raises:
        CheckpointError: when it cannot be written; then the path holds what it held.
    """
    target = as_path(path)
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise CheckpointError(f"{path} cannot be written: {name!a} holds objects of Python, and files hold numbers")
        if name == "__metadata__":
            raise CheckpointError(f"{path} cannot be written: no array is called {name} in safetensors; rename it")
        if not _encodable(name):
            raise CheckpointError(
                f"{path} cannot be written: the name {name!a} holds half of a surrogate pair, which UTF-8 does not "
                "have; rename the array"
            )
    try:
        arrays = {name: _in_file_order(np.asarray(a)) for name, a in arrays.items()}
        texts = {**(metadata or {}), _MARK: "sha256"}
        checked = texts | {CHECKSUM: _checksum(arrays, texts)}
        write_whole(target, lambda file: write_safetensors(file, arrays, checked))
    except (OSError, ValueError) as error:
        # A ValueError comes from a path with a NUL byte.
        reason = getattr(error, "strerror", None) or error
        if isinstance(error, FileNotFoundError):
            reason = f"there is no folder {Path(target).parent}; make it first"
        raise CheckpointError(f"{path} cannot be written: {reason}") from error


def write_whole(path: Path, content: Content) -> None:
    """Write a new file beside ``path``, sync it to the disk, and rename it; this package writes all files this way.

    The file that a link leads to changes, not the link. A file that was there keeps its permissions and, where that is
    allowed, its owner. Only a regular file that may be written to is replaced.

    Raises:
        OSError: when it cannot be written; then the path holds what it held.
    """
    path = Path(os.path.realpath(path))
    before = replaceable(path)
    beside = _beside(path)
    # The new file is private until it gets the permissions of the old one.
    mode = 0o666 if before is None else 0o600
    try:
        if not _write_unnamed(beside, content, before, mode):
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                _fill(file, content, before)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    _sync_folder(path.parent)
    sweep(path.parent, _BESIDE)


def _fill(file: IO[bytes], content: Content, before: os.stat_result | None) -> None:
    """Write the content to the disk, with the permissions and the owner of the file that was there before."""
    if before is not None and hasattr(os, "fchmod"):
        with contextlib.suppress(PermissionError):
            os.fchown(file.fileno(), before.st_uid, before.st_gid)
        os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
    if isinstance(content, bytes):
        file.write(content)
    else:
        content(file)
    file.flush()
    os.fsync(file.fileno())


def _write_unnamed(path: Path, content: Content, before: os.stat_result | None, mode: int) -> bool:
    """Write a file that gets its name last, so that nothing is left of it if the program is killed before.

    Linux has such files, on most of its disks; elsewhere nothing happens, and the result is False.
    """
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir(_DESCRIPTORS):
        return False
    try:
        handle = os.open(path.parent, os.O_WRONLY | os.O_TMPFILE, mode)
    except OSError:
        return False
    with open(handle, "wb") as file:
        _fill(file, content, before)
        try:
            # Python follows the link that Linux gives only if a folder is named too, which counts for nothing here.
            os.link(f"{_DESCRIPTORS}/{handle}", path, src_dir_fd=handle, follow_symlinks=True)
        except OSError:
            return False
    return True


def replaceable(path: Path) -> os.stat_result | None:
    """The status of the file at ``path``, None if there is none.

    Raises:
        OSError: for what is no regular file, or must not be written to.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder; name a file in it")
    if not stat.S_ISREG(status.st_mode):
        kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFLNK: "a link that leads to itself"}
        kind = kinds.get(stat.S_IFMT(status.st_mode), "a device")
        raise FileExistsError(errno.EEXIST, f"it is {kind}, and only regular files are replaced; name another file")
    if not status.st_mode & stat.S_IWUSR:
        raise PermissionError(errno.EACCES, "it is read-only; make it writable with chmod u+w, or name another file")
    return status


def read_arrays(path: str | os.PathLike[str], what: str = "file") -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays of a safetensors file, and the texts in its header.

    The checksum that this package writes is checked; files of other programs have none.

    Args:
        what: what errors call the file.

    Raises:
        CheckpointError: when the file is missing, not readable, cut off, changed since it was written, or of another
            kind.
    """
    with _opened(path, what) as file:
        names = list(file.keys())
        if any(file.get_slice(name).get_dtype() == "BF16" for name in names):
            as_dtype("bfloat16")
        arrays = {name: file.get_tensor(name) for name in names}
        texts = dict(file.metadata() or {})
    written = texts.get(CHECKSUM)
    if (written is None) is (_MARK in texts) or (
        written is not None and written != _checksum(arrays, {k: v for k, v in texts.items() if k != CHECKSUM})
    ):
        raise CheckpointError(f"{path} has changed since it was written: its checksum differs; take another copy")
    return arrays, texts


def read_texts(path: str | os.PathLike[str], what: str = "file") -> dict[str, str]:
    """The texts in the header of a safetensors file; nothing else of it is read, and no checksum checked.

    Raises:
        CheckpointError: as :func:`read_arrays`.
    """
    with _opened(path, what) as file:
        return dict(file.metadata() or {})


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str], what: str) -> Iterator[Any]:
    """A safetensors file; an error in the block becomes a CheckpointError."""
    try:
        with safe_open(regular_file(path, what), framework="numpy") as file:
            yield file
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is no whole safetensors file: it was cut off or is of another kind ({error})"
        ) from None
    except MemoryError:
        raise CheckpointError(f"{path} cannot be read: it does not fit into the memory") from None
    except CheckpointError:
        raise
    except (OSError, ValueError, TypeError, AttributeError) as error:
        # No permission, a NUL character in the path, or an element type that NumPy lacks.
        raise CheckpointError(f"{str(path)!r} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def regular_file(path: Any, what: str, error: type[Error] = CheckpointError) -> Path:
    """``path``, if a regular file is there: a device has no end, and a pipe may have no writer.

    Args:
        what: what the file is called in errors.

    Raises:
        CheckpointError: or ``error``, when it is something else, or nothing is there.
    """
    real = as_path(path, error)
    try:
        kind = real.stat().st_mode
    except FileNotFoundError:
        raise error(f"there is no {what} {real}; check its name and folder") from None
    except (OSError, ValueError) as reason:
        # A ValueError is that of a NUL character.
        raise error(f"{str(path)!r} cannot be read: {getattr(reason, 'strerror', None) or reason}") from None
    if stat.S_ISDIR(kind):
        raise error(f"{real} is a folder; name the {what} in it")
    if not stat.S_ISREG(kind):
        raise error(f"{real} is no regular file, and may have no end; name a {what}")
    return real


def as_path(path: Any, error: type[Error] = CheckpointError) -> Path:
    """``path`` as a Path; raises ``error`` for what is none."""
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        raise error(f"a path is a text or a pathlib.Path, not {path!r:.60}")
    return Path(path)


def check_writable(path: str | os.PathLike[str], what: str = "checkpoint") -> None:
    """Check, before any work is done, whether a file of arrays can be written to ``path``.

    Args:
        what: what errors call the file.

    Raises:
        CheckpointError: when it cannot, and when another kind of file is there.
    """
    as_path(path)
    try:
        real = Path(os.path.realpath(path))
        if real.is_dir():
            raise CheckpointError(f"{path} is a folder; name the {what} file to be written in it")
        if not real.parent.is_dir():
            raise CheckpointError(f"{path} cannot be written: there is no folder {real.parent}; make it first")
        if replaceable(real) is not None and not _may_be_replaced(real):
            raise CheckpointError(f"{path} exists and is no {what}; name another file")
        sweep(real.parent, _BESIDE)
        beside = _beside(real)
        try:
            beside.touch(exist_ok=False)
        finally:
            beside.unlink(missing_ok=True)
    except CheckpointError:
        raise
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{str(path)!r} cannot be written: {getattr(error, 'strerror', None) or error}") from None


def _encodable(text: str) -> bool:
    """Whether UTF-8 can hold a text."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _in_file_order(array: Array) -> Array:
    """The array row by row, the least byte of a number first."""
    return np.asarray(array, array.dtype.newbyteorder("<"), order="C")


def _checksum(arrays: Mapping[str, Array], texts: Mapping[str, str]) -> str:
    """SHA-256 over names, types, shapes and bytes of the arrays, and over the texts."""
    digest = hashlib.sha256(repr(sorted(texts.items())).encode("utf-8", "surrogatepass"))
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(repr((name, array.dtype.str, array.shape)).encode("utf-8", "surrogatepass"))
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _may_be_replaced(path: Path) -> bool:
    """Whether a file looks like safetensors, so that a mistyped name overwrites no other file."""
    with path.open("rb") as file:
        start = file.read(9)
    # Eight bytes with the length of the header, and its first character. Eight bytes of text would be a huge length.
    return not start or (start[8:] == b"{" and int.from_bytes(start[:8], "little") < 2**32)


def _beside(path: Path) -> Path:
    return path.with_name(f".tinygrad_lstm-{os.urandom(8).hex()}.tmp")


def _sync_folder(folder: Path) -> None:
    """Sync a folder, so that a rename in it survives a loss of power, on systems that can open folders."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
