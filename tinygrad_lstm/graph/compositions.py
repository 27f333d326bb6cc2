"""Functions that are composed of others, and that a reader knows by their names: pictures show each as one part."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar

from tinygrad_lstm.graph.scopes import Scope, current_scope, inside

__all__ = ["composition"]

F = TypeVar("F", bound=Callable[..., Any])
_PLAIN: Final = (bool, int, float, str)


def composition(called: str = "") -> Callable[[F], F]:
    """Put what a function makes into a scope of its name, with the role ``function``.

    Plain arguments that are not the default are the note of the scope, such as ``axis=0``: they tell one use of the
    function from another.

    Args:
        called: what to call it in pictures, the name of the function by default.

    >>> y = tl.softmax(tl.symbol("x", (2, 3)), axis=0)
    >>> str(y.scope), y.scope.role, y.scope.note
    ('softmax', 'function', 'axis=0')
    """

    def decorate(f: F) -> F:
        name = called or f.__name__
        parameters = inspect.signature(f).parameters.values()
        positional = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        defaults = {p.name: p.default for p in parameters}

        @wraps(f)
        def call(*args: Any, **kwargs: Any) -> Any:
            around = current_scope()
            if around is not None and around.role == "function" and around.name == name:
                # As float16, which is computed by the same function in float32.
                return f(*args, **kwargs)
            given = [*zip(positional, args, strict=False), *kwargs.items()]
            note = ", ".join(
                f"{key}={value}" for key, value in given if _is_plain(value) and not _equal(value, defaults.get(key))
            )
            with inside(Scope(name, "function", around, note)):
                return f(*args, **kwargs)

        return call  # type: ignore[return-value]  # takes and returns what `f` does

    return decorate


def _is_plain(value: Any) -> bool:
    return isinstance(value, _PLAIN) or (isinstance(value, tuple) and all(isinstance(v, _PLAIN) for v in value))


def _equal(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(value == default)
