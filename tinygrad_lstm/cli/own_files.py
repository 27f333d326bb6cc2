"""Things in a Python file of the user's: ``my_cell.py:MyCell``."""

import importlib.util
import inspect
import sys
import traceback
from pathlib import Path
from typing import Any, Final

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.functions import random

__all__ = ["from_file", "made"]

SIZES: Final = {"input_size": 3, "hidden_size": 4}
"""What a cell is made with to be drawn, by the name of the argument; others in this order."""


def from_file(text: str) -> Any:
    """What a name in a file stands for; the file is run for that.

    Args:
        text: ``FILE.py:NAME``.

    Raises:
        UsageError: there is no such file, it cannot be run, or there is no such name in it.
    """
    file, _, name = text.rpartition(":")
    path = Path(file).resolve()
    if not path.is_file():
        raise UsageError(f"there is no file {file}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickles look their module up; modules beside the file are found as in a script.
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{file} cannot be run: {_told(error, path)}") from error
    finally:
        sys.path.remove(str(path.parent))
    if not hasattr(module, name):
        names = [n for n, v in vars(module).items() if inspect.isclass(v) and v.__module__ == path.stem]
        there = f"; there are {', '.join(names)}" if names else ""
        raise UsageError(f"{file} has no {name}{there}")
    return getattr(module, name)


def made(found: Any, text: str) -> Any:
    """An object of a class, with small sizes; anything else as it is.

    Raises:
        UsageError: the class takes something else than sizes.
    """
    if not inspect.isclass(found):
        return found
    try:
        wanted = inspect.signature(found).parameters.values()
        given = {}
        left = list(SIZES.values())
        for p in wanted:
            if p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
                continue
            given[p.name] = random.key(0) if p.name == "key" else SIZES.get(p.name) or (left.pop(0) if left else 4)
            if SIZES.get(p.name) in left:
                left.remove(SIZES[p.name])
        return found(**given)
    except Exception as error:
        instance = f"write `cell = {found.__name__}(…)` into the file and draw {text.rpartition(':')[0]}:cell"
        raise UsageError(
            f"{found.__name__} cannot be made here ({type(error).__name__}: {error}); {instance}"
        ) from error


def _told(error: Exception, path: Path) -> str:
    """An error in a file of the user's with the line where it was."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == path]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {said}{f' (line {line})' if line else ''}"
