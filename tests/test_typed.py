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
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import Error

TABLES = sorted(Path(__file__).with_name("typed").glob("*.txt"))


def entries(table: Path) -> list[tuple[str, str, str]]:
    """The lines of a table: the code, the sign, and what must come."""
    found = []
    for line in table.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("# "):
            match = re.fullmatch(r"(.*?)  ([=>!]) ?(.*)", line)
            assert match, line
            found.append((match[1].replace(r"\n", "\n"), match[2], match[3]))
    return found


class OfTorch:
    """An element type of PyTorch's, which is known by how it prints."""

    def __repr__(self) -> str:
        return "torch.float32"


@cache
def layers() -> tuple[Any, Any]:
    key = tl.random.key(0)
    return tl.nn.LSTM(3, 4, key=key), tl.nn.LSTMCell(3, 4, key=key)


MODULES = {"tl": tl, "np": np, "math": math, "copy": copy, "pickle": pickle, "json": json}
VALUES: dict[str, Callable[[tl.Parameter], Any]] = {
    "x": lambda p: tl.ones((2, 3)), "y": lambda p: tl.ones((2, 3)) * 2, "v": lambda p: tl.tensor([1.0, 2.0, 3.0]),
    "n": lambda p: tl.tensor([1, 2, 3]), "i": lambda p: tl.tensor([[0, 1]]), "a": lambda p: np.ones(3),
    "s": lambda p: tl.symbol("s"), "t3": lambda p: tl.ones((5, 2, 3)), "h0": lambda p: tl.zeros((1, 2, 4)),
    "c0": lambda p: tl.zeros((1, 2, 4)), "key": lambda p: tl.random.key(0),
    "model": lambda p: tl.nn.Linear(3, 2, key=tl.random.key(0)), "lstm": lambda p: layers()[0],
    "cell": lambda p: layers()[1], "opt": lambda p: tl.optim.SGD([p], lr=0.1), "loss": lambda p: (p * p).sum(),
    "torch_float32": lambda p: OfTorch(),
}  # fmt: skip
"""What the lines of the tables may use; a line gets what it names."""


def names(code: str) -> dict[str, Any]:
    p = tl.Parameter(np.full((2, 3), 2.0, np.float32), name="p")
    named = set(re.findall(r"\w+", code))
    # What is computed from a Parameter needs it to be there.
    return MODULES | {"p": p} | {name: value(p) for name, value in VALUES.items() if name in named}


def came(code: str) -> tuple[str, Any, str]:
    """What a line prints, its value, and the message of its error."""
    printed, value, message = io.StringIO(), None, ""
    with contextlib.redirect_stdout(printed):
        try:
            try:
                compiled = compile(code, "<typed>", "eval")
            except SyntaxError:
                exec(compile(code, "<typed>", "exec"), names(code))
            else:
                value = eval(compiled, names(code))
        except Error as error:
            message = str(error)
        except Exception as error:
            error.add_note(f"of the line {code!r}")
            raise
    return printed.getvalue().strip(), value, message


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.stem)
def test_what_is_typed(table: Path) -> None:
    for code, sign, expected in entries(table):
        printed, value, message = came(code)
        if sign == "!":
            assert expected, code
            assert expected in message, code
            assert "\n" not in message, f"{code}: one sentence"
            assert len(message) < 500, code
        else:
            assert message == "", code
            assert sign == ">" or repr(value) == expected, code
            assert sign == "=" or not expected or printed == expected, code


def test_the_tables_are_large_and_have_no_line_twice() -> None:
    lines = [line for table in TABLES for line in entries(table)]
    codes = [code for code, _, _ in lines]
    assert sum(sign == "!" for _, sign, _ in lines) >= 300
    assert len(set(codes)) == len(codes)
