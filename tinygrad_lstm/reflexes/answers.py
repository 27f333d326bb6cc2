"""Answers to what is asked for under another library's name, and to calls that do not fit."""

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import FunctionType, ModuleType
from typing import Any, Final, NoReturn, TypeVar, cast

from tinygrad_lstm.errors import ArgumentError, Error, UnknownNameError, UsageError
from tinygrad_lstm.reflexes.keywords import CALLS, OPTIONS, RENAMED
from tinygrad_lstm.reflexes.tensor_names import SHARED

__all__ = ["answer", "answered", "answering", "instead", "is_function", "misfit", "unknown", "unknown_of_array"]

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_BY_POSITION: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_PACKAGE: Final = __name__.partition(".")[0]


def unknown(owner: str, name: str, instead: Mapping[str, str], found: Any) -> NoReturn:
    """Raise for the attribute ``name``, which ``found`` does not have.

    Raises:
        UnknownNameError: when there is something else to write, or a name that is nearly the same.
        AttributeError: otherwise.
    """
    advice = instead.get(name)
    if advice is None and not name.startswith("_"):
        kind: Any = found if isinstance(found, ModuleType) else type(found)
        near = _nearest(kind, name)
        advice = _in_another_module(found, name) or (f"the nearest is {near!r}" if near else None)
    if advice is not None:
        raise UnknownNameError(f"{owner} has no {name!r}: {advice}")
    raise AttributeError(f"{owner} has no attribute {name!r}", name=name, obj=found)


def unknown_of_array(owner: str, name: str, instead: Mapping[str, str], found: Any) -> NoReturn:
    """Raise for an attribute that a tensor or variable does not have; functions of ``tl`` are none of its methods."""
    changed, kind = name.removesuffix("_"), type(found)
    if name in instead or name.startswith("_"):
        pass
    elif name in SHARED:
        instead = SHARED
    elif (f := _public_function(name)) is not None:
        instead = {name: f"it is a function: {_call(f'tl.{name}', f)}"}
    elif changed != name and hasattr(kind, changed):
        instead = {name: f"a tensor never changes: write x = x.{changed}(…)"}
    elif changed != name and (f := _public_function(changed)) is not None:
        instead = {name: f"a tensor never changes: write x = {_call(f'tl.{changed}', f)}"}
    unknown(owner, name, instead, found)


def _in_another_module(found: Any, name: str) -> str | None:
    """Where a name is to be found that a public module does not have."""
    if not isinstance(found, ModuleType):
        return None
    whole = vars(sys.modules[_PACKAGE])
    if name in whole.get("__all__", ()):
        return f"it is tl.{name}"
    for room, module in whole.items():
        if isinstance(module, ModuleType) and module is not found and name in vars(module).get("__all__", ()):
            return f"it is tl.{room}.{name}"
    return None


def _public_function(name: str) -> Callable[..., Any] | None:
    public = vars(sys.modules[_PACKAGE])
    found = public.get(name)
    return found if isinstance(found, FunctionType) and name in public.get("__all__", ()) else None


def _call(called: str, f: Callable[..., Any]) -> str:
    parameters = inspect.signature(f).parameters.values()
    written = [f"*{p.name}" if p.kind is p.VAR_POSITIONAL else p.name for p in parameters]
    return f"{called}({', '.join(written[: sum(p.kind in (*_BY_POSITION, p.VAR_POSITIONAL) for p in parameters)])})"


@functools.lru_cache(maxsize=256)
def _nearest(kind: Any, name: str) -> str | None:
    names = getattr(kind, "__all__", None) or [n for n in dir(kind) if not n.startswith("_")]
    alike = [known for known in names if known.lower() == name.lower()]
    return next(iter(alike or get_close_matches(name, names, 1, 0.75)), None)


class _Answering(ModuleType):
    """The class of a module that answers when it is called."""

    def __reduce__(self) -> tuple[Callable[[str], ModuleType], tuple[str]]:
        """By its name. Where functions are sent to other processes, the modules that they read are sent along."""
        return importlib.import_module, (self.__name__,)

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        parent, _, own = self.__name__.rpartition(".")
        public, beside = getattr(self, "__all__", []), getattr(sys.modules.get(parent), "__all__", ())
        meant = next((name for name in beside if name.lower() == own and name != own), None)
        raise UsageError(
            f"{self.__name__} is a module and no function; "
            + (f"write {meant}" if meant else f"take from it one of {', '.join(public)}")
        )


def answer(
    module: str, owner: str, instead: Mapping[str, str], late: Mapping[str, Callable[[], Any]] | None = None
) -> None:
    """Let a module answer to names of other libraries, and what is public in it to calls that do not fit.

    Type checkers see neither, and still find names that are not there.

    Args:
        late: what is made when its name is first asked for.
    """
    itself = sys.modules[module]
    for found in (itself, *vars(itself).values()):
        if isinstance(found, ModuleType) and found.__name__.startswith(_PACKAGE):
            found.__class__ = _Answering
    public = vars(itself)

    def missing(name: str) -> Any:
        if late is not None and name in late:
            value = public[name] = late[name]()
            return value
        unknown(owner, name, instead if name in instead else SHARED if module == _PACKAGE else {}, itself)

    public["__getattr__"] = missing
    # A function of two names answers by its own; several may give it, as tl.concat and tl.concatenate do.
    wrapped: dict[Any, Any] = {}
    for name in public["__all__"]:
        if isinstance(public.get(name), type):
            answering(public[name])
        elif isinstance(public.get(name), FunctionType):
            f: Any = public[name]
            if f not in wrapped:
                own = f.__name__ if f.__name__ in public else name
                wrapped[f] = answered(f, f"{owner}.{own}")
                # Where it is defined, too: there a pickle looks for it.
                vars(sys.modules[f.__module__])[f.__name__] = wrapped[f]
            public[name] = wrapped[f]


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
    signature = inspect.signature(f)
    if any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        # It passes its options on, to the function of its name.
        signature = inspect.signature(_public_function(f.__name__) or f)
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        parameters = signature.parameters
    else:
        return None
    written = called
    if called is None:
        called, written = _method(f.__name__, args[0])
        parameters, args = {p: parameters[p] for p in list(parameters)[1:]}, args[1:]  # type: ignore[assignment]
    known = [p for p, parameter in parameters.items() if parameter.kind is not parameter.VAR_POSITIONAL]
    strange = next((word for word in kwargs if word not in known), None)
    usual = CALLS.get(called, CALLS.get(f".{f.__name__}"))
    if strange is not None:
        advice = instead(strange, kwargs[strange], known, called)
        return ArgumentError(f"{called} has no argument {strange!r}: {usual if usual and _lists(advice) else advice}")
    if usual is not None:
        return ArgumentError(f"{called} does not take these arguments: {usual}")
    positions = [p for p, parameter in parameters.items() if parameter.kind in _BY_POSITION]
    if len(args) > len(positions) and not any(p.kind is p.VAR_POSITIONAL for p in parameters.values()):
        named = [p for p in known if p not in positions]
        by_name = f"; by name also {', '.join(f'{p}=' for p in named)}" if named else ""
        taken = f"{' and '.join(filter(None, [', '.join(positions[:-1]), positions[-1]]))}" if positions else "nothing"
        return ArgumentError(f"{called} takes {taken} by position, and {len(args)} were given{by_name}")
    twice = [p for p in positions[: len(args)] if p in kwargs]
    if twice:
        return ArgumentError(f"{called} was given {twice[0]} twice, by position and by name; leave one out")
    needed = _needed(parameters)
    if positions[:1] == ["key"] and not (args and _is_key(args[0])) and "key" not in kwargs:
        return ArgumentError(
            f"{called} takes a key first: write {written}({', '.join(['tl.random.key(0)', *needed[1:]])})"
        )
    absent = [p for p in needed[len(args) :] if p not in kwargs]
    return ArgumentError(f"{called} also needs {' and '.join(absent)}: write {written}({', '.join(needed)})")


def _is_key(value: Any) -> bool:
    """Whether an argument is a key of random numbers, which are two words without a sign."""
    return getattr(value, "shape", None) == (2,) and str(getattr(value, "dtype", "")) == "uint32"


def _method(name: str, owner: Any) -> tuple[str, str]:
    """What a method is called in a sentence, and how a call of it is written."""
    kind = type(owner).__name__
    if name == "__init__":
        return kind, kind
    if name == "forward":
        return f"a call of {kind}", "module"
    return f"{kind}.{name}", f"x.{name}"


def _needed(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    return [p for p, x in parameters.items() if x.default is x.empty and x.kind in (*_BY_POSITION, x.KEYWORD_ONLY)]


def instead(word: str, value: Any, known: list[str], called: str = "") -> str:
    """What to write instead of the keyword ``word``, for a function with the parameters ``known``."""
    shown = repr(value) if isinstance(value, bool | int | float | str | tuple | None) and len(repr(value)) < 30 else "…"
    if word == "unbiased" and "ddof" in known and isinstance(value, bool):
        return f"write ddof={int(value)}"
    for name in RENAMED.get(word, ()):
        if name in known:
            return f"write {name}={shown if name != 'key' else 'tl.random.key(seed)'}"
    for option in (f"{called}.{word}", word):
        if option in OPTIONS:
            return OPTIONS[option]
    if near := get_close_matches(word, [name for name in known if len(name) > 2], 1, 0.65):
        return f"the nearest is {near[0]}={shown}"
    return f"it takes {', '.join(dict.fromkeys(known))}" if known else "it takes no arguments"


def _lists(advice: str) -> bool:
    """Whether advice only lists what there is."""
    return advice.startswith("it takes ")
