"""Files that are written piece by piece are those that safetensors reads, and writing takes no second copy of them."""

import io
import json
import tracemalloc
from tempfile import TemporaryDirectory

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load, save

from tinygrad_lstm.errors import CheckpointError
from tinygrad_lstm.runtime.files import read_arrays, write_arrays
from tinygrad_lstm.runtime.serialized import write_safetensors

DTYPES = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
]  # fmt: skip
ARRAYS = st.sampled_from(DTYPES).flatmap(lambda name: hnp.arrays(name, hnp.array_shapes(min_dims=0, min_side=0)))
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda name: name != "__metadata__")


def written(arrays, texts):
    file = io.BytesIO()
    write_safetensors(file, arrays, texts)
    return file.getvalue()


def header_of(content):
    return json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])


@given(st.dictionaries(NAMES, ARRAYS, max_size=4), st.dictionaries(NAMES, NAMES, min_size=1, max_size=3))
def test_safetensors_reads_what_is_written(arrays, texts):
    content = written(arrays, texts)
    read = load(content)
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
        assert read[name].tobytes() == array.tobytes()
    header, theirs = header_of(content), header_of(save(arrays, texts))
    assert header.pop("__metadata__") == theirs.pop("__metadata__") == texts
    start = 8 + int.from_bytes(content[:8], "little")
    assert start % 8 == 0
    for name, told in header.items():
        assert {k: told[k] for k in ("dtype", "shape")} == {k: theirs[name][k] for k in ("dtype", "shape")}
        assert told["data_offsets"][0] % arrays[name].dtype.itemsize == 0


@given(ARRAYS, st.sampled_from("<>"), st.booleans())
def test_saved_arrays_come_back_in_any_order_of_bytes_and_axes(array, order, turned):
    given_array = array.astype(array.dtype.newbyteorder(order))
    given_array = given_array.T if turned else given_array
    with TemporaryDirectory() as folder:
        write_arrays(f"{folder}/x.safetensors", {"x": given_array})
        read = read_arrays(f"{folder}/x.safetensors")[0]["x"]
    assert (read.dtype, read.shape) == (array.dtype, given_array.shape)
    np.testing.assert_array_equal(read, given_array)


def test_strides_and_the_order_of_bytes_are_not_those_of_memory(tmp_path):
    x = np.arange(12.0).reshape(3, 4)
    path = tmp_path / "x.safetensors"
    write_arrays(path, {"turned": x.T, "other": x.astype(">f8"), "half": x.astype(ml_dtypes.bfloat16)})
    read, _ = read_arrays(path)
    assert read["turned"].tolist() == x.T.tolist()
    assert read["other"].tolist() == x.tolist()
    assert read["half"].astype("f").tolist() == x.tolist()


def test_what_the_format_does_not_have_is_named():
    with pytest.raises(ValueError, match="the array 'when' is of datetime64"):
        written({"when": np.zeros(2, "datetime64[s]")}, {})


@pytest.mark.parametrize("array", [np.array([1, "a"], object), np.array(["a"]), np.zeros(1, "datetime64[s]")])
def test_what_is_no_number_is_refused_before_the_file_changes(array, tmp_path):
    path = tmp_path / "x.safetensors"
    write_arrays(path, {"x": np.zeros(1)})
    with pytest.raises(CheckpointError, match=r"cannot be written: .*x' (holds objects|is of)"):
        write_arrays(path, {"x": array})
    assert read_arrays(path)[0]["x"].tolist() == [0.0]


def test_a_file_is_not_held_in_memory(tmp_path):
    arrays = {"W": np.zeros(2_000_000, np.float32)}
    with (tmp_path / "x").open("wb") as file:
        tracemalloc.start()
        try:
            write_safetensors(file, arrays, {})
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < 1e6
