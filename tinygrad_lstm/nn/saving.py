"""``save`` and ``load``: weights in safetensors files."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from tinygrad_lstm.errors import CheckpointError, DTypeError, ShapeError, UsageError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.function import fresh_symbol
from tinygrad_lstm.graph.scopes import warn
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Tracer, tracer
from tinygrad_lstm.nn.module import Holder, with_article
from tinygrad_lstm.runtime.creation import tensor
from tinygrad_lstm.runtime.files import read_arrays, write_arrays

__all__ = ["load", "save", "undrawn"]

_PYTORCH: Final = (".pt", ".pth")
_OTHERS: Final = {
    **dict.fromkeys(_PYTORCH, "PyTorch"),
    **dict.fromkeys((".npy", ".npz"), "NumPy"),
    **dict.fromkeys((".pickle", ".pkl"), "pickle"),
    **dict.fromkeys((".h5", ".hdf5"), "HDF5"),
    ".onnx": "ONNX",
}
"""Whose files end so."""


def save(path: str | os.PathLike[str], source: Holder | Mapping[str, Any]) -> None:
    """Write the values of a module, an optimiser, or a dict of tensors to a safetensors file.

    The path changes at once or not at all. Other programs read it as any safetensors file. A name that ends as those of
    another format, such as ``.pt``, is kept, with a warning.

    Raises:
        CheckpointError: when it cannot be written; then the path holds what it held.
        UsageError: for a source that is none of these.

    >>> from tempfile import TemporaryDirectory
    >>> model, other = tl.nn.Linear(2, 3), tl.nn.Linear(2, 3)
    >>> with TemporaryDirectory() as folder:
    ...     tl.save(f"{folder}/model.safetensors", model)
    ...     other.load_state_dict(tl.load(f"{folder}/model.safetensors"))
    >>> float(tl.max(tl.abs(model.weight - other.weight)))
    0.0
    """
    if isinstance(source, Holder):
        source = source.state_dict()
    if not isinstance(source, Mapping):
        raise UsageError(
            f"save writes a module or a dict of tensors by name, not {type(source).__name__}; the path comes first"
        )
    arrays = {}
    for name, value in source.items():
        if not isinstance(name, str):
            raise UsageError(f"save: names are strings, not {name!r}; give a flat dict such as a state_dict()")
        if isinstance(value, Mapping | Holder):
            raise UsageError(
                f"save: {name} is {with_article(type(value).__name__)}; give a flat dict such as a state_dict()"
            )
        try:
            arrays[name] = as_tensor(value).numpy()
        except (DTypeError, ShapeError) as error:
            raise type(error)(f"save: {name}: {error}") from None
    write_arrays(path, arrays)
    name, suffix = os.path.splitext(path)
    if (other := _OTHERS.get(suffix.lower())) is not None:
        # The file is written all the same: what took hours to train is not lost over its name.
        warn(
            f"save wrote a safetensors file, but {str(path)!r} ends as files of {other} do, which will not read it; "
            f"name it {name + '.safetensors'!r}"
        )


def load(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name, for ``load_state_dict``; nothing in the file is executed.

    Raises:
        CheckpointError: when the file is missing, not readable, cut off, or of another kind.
        DTypeError: for an element type that the package does not have.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     tl.save(f"{folder}/a.safetensors", {"x": tl.ones(2)})
    ...     tl.load(f"{folder}/a.safetensors")
    {'x': tensor([1., 1.])}
    """
    try:
        arrays, _ = read_arrays(path)
    except CheckpointError as error:
        if _is_of_pytorch(path):
            raise CheckpointError(
                f"{path} is a file of PyTorch, which can run code when it is read; load reads safetensors files. "
                "tl.nn.from_pytorch(module, torch.load(path, weights_only=True)) takes its weights"
            ) from error
        raise
    result = {}
    for name, array in arrays.items():
        try:
            result[name] = tensor(array)
        except DTypeError as error:
            raise DTypeError(f"{path}: {name} cannot be loaded: {error}") from None
    return result


def _is_of_pytorch(path: Any) -> bool:
    """Whether a file ends in ``.pt``, and begins as the ZIP archives and pickles of ``torch.save`` do."""
    named = isinstance(path, str | os.PathLike) and os.path.splitext(path)[1].lower() in _PYTORCH
    if not named or not os.path.isfile(path):
        return False
    with suppress(OSError), open(path, "rb") as file:
        return file.read(2) in (b"PK", b"\x80\x02")
    return False


class _WithoutValues(Tracer):
    """The tracer inside :func:`undrawn`: a new variable has a type alone."""

    def cut(self, value: Tensor) -> Tensor:
        return fresh_symbol("value", value.type, self.owner)


@contextmanager
def undrawn() -> Iterator[None]:
    """In the block, modules and optimisers are made without values, which ``load_state_dict`` then gives them.

    No numbers are drawn, and a layer of any size takes no memory before it is loaded.

    >>> with undrawn():
    ...     large = tl.nn.Linear(10**9, 10**9)
    >>> large.weight.shape
    (1000000000, 1000000000)
    """
    before = tracer.set(_WithoutValues("a module that is made to be loaded"))
    try:
        yield
    finally:
        tracer.reset(before)
