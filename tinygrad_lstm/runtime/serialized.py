"""Arrays as a safetensors file, written piece by piece; https://huggingface.co/docs/safetensors describes the format.

The library's own ``save`` holds the whole file in memory twice, and its ``save_file`` writes no open file.
"""

import json
from collections.abc import Mapping
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["write_safetensors"]

_CODES: Final = {
    **{f"int{n}": f"I{n}" for n in (8, 16, 32, 64)},
    **{f"uint{n}": f"U{n}" for n in (8, 16, 32, 64)},
    **{f"float{n}": f"F{n}" for n in (16, 32, 64)},
    "bfloat16": "BF16", "bool": "BOOL", "complex64": "C64",
}  # fmt: skip


def write_safetensors(file: IO[bytes], arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, str]) -> None:
    """Write arrays by name, and texts by name into the header, to a file that is open for writing.

    The arrays have the least byte of a number first, as the format does.

    Raises:
        ValueError: for a dtype that the format does not have.

    >>> import io
    >>> from safetensors.numpy import load
    >>> file = io.BytesIO()
    >>> write_safetensors(file, {"W": np.eye(2, dtype=np.float32)}, {"of": "a layer"})
    >>> load(file.getvalue())["W"].tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    header: dict[str, Any] = {"__metadata__": dict(sorted(texts.items()))}
    # Each array begins at a multiple of its element size, since larger elements come first.
    ordered = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    end = 0
    for name in ordered:
        array = arrays[name]
        if array.dtype.name not in _CODES:
            raise ValueError(f"the array {name!r} is of {array.dtype.name}, which safetensors does not have")
        start, end = end, end + array.nbytes
        header[name] = {
            "dtype": _CODES[array.dtype.name], "shape": list(array.shape), "data_offsets": [start, end]
        }  # fmt: skip
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in ordered:
        file.write(np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data)
