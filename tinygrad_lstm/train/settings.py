"""``Settings``: all that describes a training, from a TOML file and from what is given besides."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.runtime.files import as_path, regular_file
from tinygrad_lstm.train.config import TextConfig, TrainConfig
from tinygrad_lstm.train.language_model import ModelConfig

__all__ = ["Settings", "read_settings", "settings_with", "shipped_settings"]

_TABLES: Final[dict[str, type[Any]]] = {"text": TextConfig, "model": ModelConfig, "training": TrainConfig}
_SHIPPED: Final = Path(__file__).parent / "configurations"
_MOST: Final = 2**20
"""The most bytes of a TOML file."""
_DROPOUT: Final = "dropout"
"""Short for the dropout of inputs, between layers and of outputs."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The fields of the three configurations that somebody has given, by name.

    >>> settings = Settings({"level": "word", "layers": 2, "dropout": 0.5, "epochs": 3})
    >>> settings.reading.level, settings.model.dropout_layers, settings.training.epochs
    ('word', 0.5, 3)
    """

    given: Mapping[str, Any]

    @property
    def reading(self) -> TextConfig:
        """What is read of the text."""
        return TextConfig(**self._of(TextConfig))

    @property
    def model(self) -> ModelConfig:
        """The architecture."""
        return ModelConfig(**self._of(ModelConfig))

    @property
    def training(self) -> TrainConfig:
        """How it is trained."""
        return TrainConfig(**self._of(TrainConfig))

    @property
    def whole(self) -> dict[str, Any]:
        """The given fields, with ``dropout`` taken apart."""
        return {**self._of(ModelConfig), **self._of(TrainConfig), **self._of(TextConfig)}

    def _of(self, kind: type[Any]) -> dict[str, Any]:
        given = dict(self.given)
        if _DROPOUT in given:
            p, several = given[_DROPOUT], given.get("layers", 1) != 1
            for name in ("dropout_input", "dropout_output", *(["dropout_layers"] if several else [])):
                given.setdefault(name, p)
        return {field.name: given[field.name] for field in fields(kind) if field.name in given}


def shipped_settings() -> list[str]:
    """The names of the TOML files that come with the package.

    >>> shipped_settings()
    ['zaremba-large', 'zaremba-medium', 'zaremba-small']
    """
    return sorted(path.stem for path in _SHIPPED.glob("*.toml"))


def read_settings(name: str | os.PathLike[str]) -> dict[str, Any]:
    """The fields in a TOML file, or in one that comes with the package, by its name.

    The file has the tables ``text``, ``model`` and ``training``, with the fields of :class:`TextConfig`,
    :class:`ModelConfig` and :class:`TrainConfig`, and ``dropout`` for that of inputs, layers and outputs.

    Raises:
        UsageError: when there is no such file, it is no TOML, or it names a field that is none.

    >>> read_settings("zaremba-small")["hidden"]
    200
    """
    path = as_path(name, UsageError)
    if not path.is_file() and os.fspath(name) in shipped_settings():
        path = _SHIPPED / f"{name}.toml"
    if not os.path.lexists(path):
        raise UsageError(f"there is no file {name}; name a TOML file, or one of {', '.join(shipped_settings())}")
    if regular_file(path, "TOML file", UsageError).stat().st_size > _MOST:
        raise UsageError(f"{name} has more than {_MOST:,} bytes, which no TOML file of settings has; name another file")
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{name} cannot be read ({error.strerror}); name a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{name} is no TOML file: {error}") from None
    given: dict[str, Any] = {}
    for table, values in tables.items():
        if table not in _TABLES or not isinstance(values, Mapping):
            raise UsageError(f"{name} has the tables [text], [model] and [training], and {table!r} is none of them")
        allowed = [field.name for field in fields(_TABLES[table])] + [_DROPOUT] * (table == "model")
        for key, value in values.items():
            if key not in allowed:
                close = get_close_matches(key, allowed, 1)
                advice = f"did you mean {close[0]}?" if close else f"it has {', '.join(allowed)}"
                raise UsageError(f"{name}: [{table}] has no {key!r}; {advice}")
            given[key] = value
    return given


def settings_with(name: str | os.PathLike[str] | None, given: Mapping[str, Any]) -> Settings:
    """The settings of a TOML file, if one is named, with those that are ``given`` in their place.

    ``steps`` and ``epochs`` both say how long to train: what is given replaces both of the file.

    Raises:
        UsageError: as :func:`read_settings`; for a value that a field cannot have, with the file's name if it is from
            there; and when ``steps`` and ``epochs`` are both given.

    >>> settings_with("zaremba-small", {"steps": 10}).training.epochs is None
    True
    """
    if given.get("steps") is not None and given.get("epochs") is not None:
        raise UsageError("--steps and --epochs both say how long to train; leave one out")
    read = {} if name is None else read_settings(name)
    if "steps" in read and "epochs" in read:
        raise UsageError(f"{name}: steps and epochs both say how long to train; leave one out")
    if given.keys() & {"steps", "epochs"}:
        read = {key: value for key, value in read.items() if key not in ("steps", "epochs")}
    settings = Settings({**read, **given})
    try:
        _ = settings.reading, settings.model, settings.training
    except UsageError as error:
        if str(error).partition(" ")[0] in read.keys() - given.keys():  # messages begin with the field
            raise UsageError(f"{name}: {error}") from None
        raise
    return settings
