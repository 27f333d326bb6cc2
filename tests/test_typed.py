"""What newcomers from PyTorch, NumPy, JAX and Keras type: it works, or one sentence says what to write.

The tables are ``typed/*.txt``: a line of code, and what must come: ``= `` a value, ``> `` printed text (or just
that it runs), ``! `` words of the error's message.
"""

import contextlib
import copy
import io
import json
import math
import pickle
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import Error

TABLES = sorted(Path(__file__).with_name("typed").glob("*.txt"))


def entries() -> list[tuple[str, str, str]]:
    """All lines: the code, the sign, and what must come."""
    found = []
    for table in TABLES:
        for line in table.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("# "):
                match = re.fullmatch(r"(.*?)  ([=>!]) ?(.*)", line)
                assert match, line
                found.append((match[1].replace(r"\n", "\n"), match[2], match[3]))
    return found


ENTRIES = entries()


class OfTorch:
    """An element type of PyTorch's, which is known by how it prints."""

    def __repr__(self) -> str:
        return "torch.float32"


@cache
def layers() -> tuple[Any, Any]:
    key = tl.random.key(0)
    return tl.nn.LSTM(3, 4, key=key), tl.nn.LSTMCell(3, 4, key=key)


def names() -> dict[str, Any]:
    """What the lines of the tables may use."""
    p = tl.Parameter(np.full((2, 3), 2.0, np.float32), name="p")
    lstm, cell = layers()
    return {
        "tl": tl, "np": np, "math": math, "copy": copy, "pickle": pickle, "json": json,
        "x": tl.ones((2, 3)), "y": tl.ones((2, 3)) * 2, "v": tl.tensor([1.0, 2.0, 3.0]), "n": tl.tensor([1, 2, 3]),
        "i": tl.tensor([[0, 1]]), "a": np.ones(3), "s": tl.symbol("s"), "t3": tl.ones((5, 2, 3)),
        "h0": tl.zeros((1, 2, 4)), "c0": tl.zeros((1, 2, 4)), "key": tl.random.key(0), "p": p,
        "model": tl.nn.Linear(3, 2, key=tl.random.key(0)), "lstm": lstm, "cell": cell,
        "opt": tl.optim.SGD([p], lr=0.1), "loss": (p * p).sum(), "torch_float32": OfTorch(),
    }  # fmt: skip


@pytest.mark.parametrize(("code", "sign", "expected"), ENTRIES, ids=[e[0][:60] for e in ENTRIES])
def test_what_is_typed(code: str, sign: str, expected: str) -> None:
    printed, value, message = io.StringIO(), None, ""
    with contextlib.redirect_stdout(printed):
        try:
            try:
                compiled = compile(code, "<typed>", "eval")
            except SyntaxError:
                exec(compile(code, "<typed>", "exec"), names())
            else:
                value = eval(compiled, names())
        except Error as error:
            message = str(error)
    if sign == "!":
        assert expected in message
        assert expected
        assert "\n" not in message, "one sentence"
        assert len(message) < 500
    else:
        assert message == ""
        assert sign == ">" or repr(value) == expected
        assert sign == "=" or not expected or printed.getvalue().strip() == expected


def test_the_tables_are_large_and_have_no_line_twice() -> None:
    codes = [code for code, _, _ in ENTRIES]
    assert sum(sign == "!" for _, sign, _ in ENTRIES) >= 300
    assert len(set(codes)) == len(codes)
