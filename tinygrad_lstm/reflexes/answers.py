"""Answers to what is asked for under another library's name, and to calls that do not fit."""

import functools
import inspect
import sys
from collections.abc import Callable, Container, Mapping
from difflib import get_close_matches
from types import FunctionType
from typing import Any, Final, NoReturn, TypeVar, cast

from tinygrad_lstm.errors import ArgumentError, Error, UnknownNameError
from tinygrad_lstm.reflexes.keywords import CALLS, OPTIONS, RENAMED

__all__ = ["answer", "answered", "answering", "instead", "is_function", "misfit", "unknown"]

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_INNER: Final = frozenset(
    (
        "as_tensor",
        "dlpack_device",
        "evaluated",
        "expressed",
        "getitem",
        "session_device",
        "settled",
        "to_dlpack",
        "to_numpy",
    )
)
"""Functions that operators find by name, but that are not public in ``tl``."""

_BY_POSITION: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def unknown(owner: str, name: str, instead: Mapping[str, str], found: Any, functions: Container[str] = ()) -> NoReturn:
    """Raise for the attribute ``name``, which ``found`` does not have; ``functions`` are those that ``tl`` has.

    Raises:
        UnknownNameError: when there is something else to write.
        AttributeError: in Python's words otherwise.
    """
    advice = instead.get(name)
    if advice is None and name in functions and name not in _INNER:
        advice = f"it is a function: tl.{name}(x)"
    if advice is not None:
        raise UnknownNameError(f"{owner} has no {name!r}: {advice}")
    raise AttributeError(f"{owner} has no attribute {name!r}", name=name, obj=found)


def answer(
    module: str, owner: str, instead: Mapping[str, str], late: Mapping[str, Callable[[], Any]] | None = None
) -> None:
    """Let a module answer to names of other libraries, and what is public in it to calls that do not fit.

    Type checkers see neither, and still find names that are not there.

    Args:
        late: what is made when its name is first asked for.
    """
    public = vars(sys.modules[module])

    def missing(name: str) -> Any:
        if late is not None and name in late:
            value = public[name] = late[name]()
            return value
        unknown(owner, name, instead, sys.modules[module])

    public["__getattr__"] = missing
    for name in public["__all__"]:
        if isinstance(public.get(name), type):
            answering(public[name])
        elif isinstance(public.get(name), FunctionType):
            f = public[name]
            public[name] = answered(f, f"{owner}.{name}")
            # Where it is defined, too: there a pickle looks for it.
            vars(sys.modules[f.__module__])[f.__name__] = public[name]


def answering(cls: type[T]) -> type[T]:
    """A class whose public methods and constructor answer to calls that do not fit them."""
    for name, f in list(vars(cls).items()):
        public = name == "__init__" or not name.startswith("_")
        # Every answered function has the code of `call`, which is a constant of `answered`.
        if public and isinstance(f, FunctionType) and f.__code__ not in answered.__code__.co_consts:
            setattr(cls, name, answered(f))
    return cls


def answered(f: F, called: str | None = None) -> F:
    """``f``; where a call does not fit its parameters, the error says what to write.

    Args:
        called: its public name; None for a method, which is called after its object.
    """

    # Local names, since the globals of `call` are those of `f`: there its examples are looked for.
    told_of = misfit

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return f(*args, **kwargs)
        except TypeError as error:
            told = told_of(f, called, args, kwargs, error)
            if told is None:
                raise
            raise told from None

    same = FunctionType(call.__code__, cast(Any, f).__globals__, f.__name__, None, call.__closure__)
    return cast(F, functools.wraps(f)(same))


def is_function(value: Any) -> bool:
    """Whether ``value`` can be called, and does not only answer that it cannot, as tensors and element types do."""
    return callable(value) and not getattr(type(value), "answers_calls", False)


def misfit(
    f: Callable[..., Any], called: str | None, args: tuple[Any, ...], kwargs: Mapping[str, Any], error: Exception
) -> ArgumentError | None:
    """What to say of a call of ``f`` that raised ``error``; None where the arguments were not the reason."""
    if isinstance(error, Error):
        return None
    parameters = inspect.signature(f).parameters
    try:
        inspect.signature(f).bind(*args, **kwargs)
    except TypeError:
        pass
    else:
        return None
    name = f.__name__
    if called is None:
        name = type(args[0]).__name__ if name == "__init__" else name
        called = name if f.__name__ == "__init__" else f"{type(args[0]).__name__}.{name}"
        parameters, args = {p: parameters[p] for p in list(parameters)[1:]}, args[1:]  # type: ignore[assignment]
    known = [p for p, parameter in parameters.items() if parameter.kind is not parameter.VAR_POSITIONAL]
    strange = next((word for word in kwargs if word not in known), None)
    if strange is not None:
        return ArgumentError(f"{called} has no argument {strange!r}: {instead(strange, kwargs[strange], known)}")
    if (advice := CALLS.get(name)) is not None:
        return ArgumentError(f"{called} does not take these arguments: {advice}")
    positions = [p for p, parameter in parameters.items() if parameter.kind in _BY_POSITION]
    if len(args) > len(positions) and not any(p.kind is p.VAR_POSITIONAL for p in parameters.values()):
        named = [p for p in known if p not in positions]
        by_name = f"; by name also {', '.join(f'{p}=' for p in named)}" if named else ""
        taken = f"only {', '.join(positions)}" if positions else "nothing"
        return ArgumentError(f"{called} takes {taken} by position, and {len(args)} were given{by_name}")
    twice = [p for p in positions[: len(args)] if p in kwargs]
    if twice:
        return ArgumentError(f"{called} was given {twice[0]} twice, by position and by name; leave one out")
    if positions[:1] == ["key"]:
        return ArgumentError(
            f"{called} takes a key first: {called}({', '.join(['tl.random.key(0)', *_needed(parameters)[1:]])})"
        )
    needed = _needed(parameters)
    absent = [p for p in needed[len(args) :] if p not in kwargs]
    return ArgumentError(f"{called} also needs {' and '.join(absent)}: write {called}({', '.join(needed)})")


def _needed(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    return [p for p, x in parameters.items() if x.default is x.empty and x.kind in (*_BY_POSITION, x.KEYWORD_ONLY)]


def instead(word: str, value: Any, known: list[str]) -> str:
    """What to write instead of the keyword ``word``, for a function with the parameters ``known``."""
    shown = repr(value) if isinstance(value, bool | int | float | str | tuple | None) and len(repr(value)) < 30 else "…"
    if word == "unbiased" and "ddof" in known and isinstance(value, bool):
        return f"write ddof={int(value)}"
    if word == "weight_decay" and "lr" in known:
        return "add the penalty to the loss, or take tl.optim.AdamW"
    for name in RENAMED.get(word, ()):
        if name in known:
            return f"write {name}={shown if name != 'key' else 'tl.random.key(seed)'}"
    if word in OPTIONS:
        return OPTIONS[word]
    if near := get_close_matches(word, known, 1):
        return f"the nearest is {near[0]}={shown}"
    return f"it takes {', '.join(known)}" if known else "it takes no arguments"
