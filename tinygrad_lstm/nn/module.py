"""``Holder``, what has Parameters and States as attributes (modules, optimisers), and ``Module``, of layers."""

import re
from collections.abc import Callable, Iterator, Mapping
from reprlib import recursive_repr
from textwrap import indent
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn, Self, TypeVar, cast

from tinygrad_lstm.errors import (
    ArgumentError,
    DTypeError,
    ShapeError,
    StateDictError,
    UsageError,
    printable,
)
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.device import current_device
from tinygrad_lstm.graph.scopes import Role, scope
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Parameter, Variable, assign_all, moments, move_all
from tinygrad_lstm.jit.jitted import rebound
from tinygrad_lstm.reflexes import MODULES, answered, answering, unknown

__all__ = ["Holder", "Module", "with_article"]

F = TypeVar("F", bound=Callable[..., Any])


class _Listed:
    """A bound method that lists; who forgets its brackets is told so."""

    __slots__ = ("__func__", "__self__")

    def __init__(self, f: Callable[..., Any], owner: Any) -> None:
        self.__func__, self.__self__ = f, owner

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__func__(self.__self__, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<bound method {type(self.__self__).__name__}.{self.__func__.__name__}>"

    def _forgotten(self, *_: Any) -> NoReturn:
        raise ArgumentError(f"{self.__func__.__name__} is a method: write model.{self.__func__.__name__}()")

    __iter__ = __len__ = __getitem__ = keys = _forgotten


class _Listing:
    """What makes a function of a class such a method."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self._f = answered(f)
        self.__doc__ = f.__doc__

    def __get__(self, instance: Any, owner: type) -> Any:
        return self._f if instance is None else _Listed(self._f, instance)


def listing(f: F) -> F:
    """The decorator of methods that list: ``list(model.parameters)`` is answered."""
    return cast(F, _Listing(f))


@answering
class Holder:
    """Finds its Parameters and States by their paths, also those in lists, dicts and holders among its attributes.

    ``state_dict`` returns their values, ``load_state_dict`` sets them, and ``to`` moves them.
    """

    _elsewhere: ClassVar[Mapping[str, str]] = {}
    """Attributes of other libraries, and what to write here."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__module__.startswith(__package__.partition(".")[0] + "."):
            answering(cls)

    def __setattr__(self, name: str, value: Any) -> None:
        if not name:
            raise UsageError(f"an attribute of {type(self).__name__} has a name of at least one character")
        if isinstance(self.__dict__.get(name), Variable) and not isinstance(value, Variable | Holder | None):
            kind, what = (
                type(self.__dict__[name]).__name__,
                "a tensor" if isinstance(value, Tensor) else "a plain value",
            )
            raise UsageError(
                f"{type(self).__name__}.{name} is a {kind}; {what} in its place would end its training. "
                f"Write self.{name}.assign(…) to change its value"
            )
        for key, item in _children(name, value):
            if isinstance(item, Variable) and item.name is None:
                item.name = key
            elif isinstance(item, Holder) and "_name" not in item.__dict__:
                item.__dict__["_name"] = key
                for path, variable in item.named_variables():
                    if variable.name == path:
                        variable.name = f"{key}.{path}"
        before = self.__dict__.get(name)
        object.__setattr__(self, name, value)
        if before is not value:
            for _, item in _children(name, before):
                for variable in [item] if isinstance(item, Variable) else [c for _, c in item.named_variables()]:
                    variable.replaced = next(moments)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            unknown(with_article(type(self).__name__), name, self._elsewhere, self)

    def __copy__(self) -> Self:
        """A copy with the same Parameters and holders. Methods that it has as attributes are bound to the copy."""
        new = object.__new__(type(self))
        new.__dict__.update(
            {
                name: rebound(value, lambda owner: new if owner is self else owner)
                for name, value in self.__dict__.items()
            }
        )
        return new

    @listing
    def named_variables(self) -> Iterator[tuple[str, Variable]]:
        """Every Parameter and State with its path, such as ``cells.0.forget.weight``; shared ones once."""
        seen: set[int] = set()
        pending: list[tuple[str, Any]] = [("", self)]
        while pending:
            path, item = pending.pop()
            if id(item) in seen:
                continue
            seen.add(id(item))
            if isinstance(item, Variable):
                yield path, item
                continue
            children = [pair for name, value in item.__dict__.items() for pair in _children(name, value)]
            pending += [(f"{path}.{name}" if path else name, child) for name, child in reversed(children)]

    @listing
    def state_dict(self) -> dict[str, Tensor]:
        """The values of all variables by path, as evaluated leaves."""
        return {path: variable.detach() for path, variable in self.named_variables()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set all variables to the values of a ``state_dict``, which may live on another device; the variables stay.

        Raises:
            StateDictError: when paths are missing or too many, or a shape or element type differs. Then
                nothing has changed.
        """
        if not isinstance(state, Mapping):
            raise UsageError(
                f"load_state_dict takes a dict of arrays by path, not {type(state).__name__}; read a file with tl.load"
            )
        variables = dict(self.named_variables())
        missing, extra = [p for p in variables if p not in state], [p for p in state if p not in variables]
        if missing or extra:
            parts = [f"missing are {_some(missing)}"] if missing else []
            parts += [f"not known are {_some(extra)}"] if extra else []
            advice = _of_elsewhere(variables, state)
            raise StateDictError(f"the state does not fit {type(self).__name__}: {'; '.join(parts)}{advice}")
        values = {}
        for path, variable in variables.items():
            try:
                values[path] = as_tensor(state[path], like=variable.leaf)
            except (DTypeError, ShapeError) as error:
                raise type(error)(f"{path}: {error}") from None
        wrong = [
            f"{path} is {variable.leaf.type} here and {values[path].type} there"
            for path, variable in variables.items()
            if values[path].shape != variable.shape or values[path].dtype is not variable.dtype
        ]
        if wrong:
            turned = any(v.ndim == 2 and values[p].shape == v.shape[::-1] != v.shape for p, v in variables.items())
            advice = _FROM_PYTORCH if turned else ""
            raise StateDictError(f"the state does not fit {type(self).__name__}: {'; '.join(wrong)}{advice}")
        assign_all([(variable, values[path]) for path, variable in variables.items()])

    def to(self, device: str) -> Self:
        """Move every variable to another device, all of them or none; variables that move lose their gradients.

        An optimiser has variables of its own, moments and a learning rate: move it as well. A variable that lives there
        already stays as it is.

        Raises:
            BackendError: when no backend serves the device.
            EvaluationError: when its memory does not suffice.

        >>> tl.nn.Linear(2, 3).to("cpu").weight.device
        'cpu'
        """
        move_all([variable for _, variable in self.named_variables()], device)
        return self

    @recursive_repr("…")
    def __repr__(self) -> str:
        held = [pair for name, value in self.__dict__.items() for pair in _children(name, value)]
        parts, nested = [], False
        for path, child in held:
            name = printable(path).replace("\n", "\\n")
            if isinstance(child, Variable):
                parts.append(f"{name}: {child.leaf.type}")
            # A holder without variables, such as an Identity in place of a variant's layer, is left out.
            elif "." in name or any(child.named_variables()):
                parts.append(f"{name}: {child!r}")
                nested = True
        line = f"{type(self).__name__}({', '.join(parts)})"
        if not nested and len(line) <= 100:
            return line
        return f"{type(self).__name__}(\n{indent(chr(10).join(parts), '  ')}\n)"


def with_article(name: str) -> str:
    """The name of a class with its article, a or an, by its pronunciation.

    >>> with_article("Linear"), with_article("LSTM"), with_article("GRU"), with_article("Embedding")
    ('a Linear', 'an LSTM', 'a GRU', 'an Embedding')
    """
    vowels = "AEFHILMNORSX" if name[1:2].isupper() else "AEIOaeio"
    return f"{'an' if name[0] in vowels else 'a'} {name}"


_FROM_PYTORCH: Final = "; weights of PyTorch are read by tl.nn.from_pytorch(module, state), with prefix= for a part"
_PYTORCHS: Final = re.compile(r"(^|\.)(weight|bias)_(ih|hh)(_l\d+(_reverse)?)?$|\.in_proj_weight$|num_batches_tracked$")
"""Names that PyTorch gives, and this package does not."""


def _of_elsewhere(variables: Mapping[str, Any], state: Mapping[Any, Any]) -> str:
    """What to do with a state whose names are PyTorch's, or those of a whole of which this is a part."""
    names = [name for name in state if isinstance(name, str)]
    if any(map(_PYTORCHS.search, names)):
        return _FROM_PYTORCH
    path = next(iter(variables), "")
    prefixes = [name.removesuffix(path) for name in names if path and name.endswith(f".{path}")]
    for prefix in prefixes:
        if all(prefix + p in state for p in variables):
            return f"; of a whole take a part: {{p: state[{prefix!r} + p] for p in module.state_dict()}}"
    return ""


def _some(paths: list[str]) -> str:
    """Paths as text, of which only the first few are named."""
    shown = ", ".join(map(str, paths[:4]))
    return shown if len(paths) <= 4 else f"{shown} and {len(paths) - 4} more"


def _children(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The holders and variables that an attribute holds, with their names."""
    if isinstance(value, Holder | Variable):
        yield name, value
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _children(f"{name}.{i}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _children(f"{name}.{key}", item)


class Module(Holder):
    """The base of layers and models, which have parameters. Write the equations in ``forward``.

    Attributes that hold Parameters, States, Modules, or lists and dicts of them are found by their names. Calling a
    module runs ``forward`` in a scope named after the module.

    >>> class Scale(tl.nn.Module):
    ...     def __init__(self):
    ...         self.factor = tl.Parameter(2.0)
    ...
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> print(Scale()([1.0, 2.0]), [path for path, _ in Scale().named_parameters()])
    [2. 4.] ['factor']
    """

    _elsewhere = MODULES
    role: ClassVar[Role | None] = None
    """The role of the module's scope: what it is in the textbook's picture."""

    def __init__(self) -> None:
        """A module without Parameters; a subclass sets its own attributes."""

    def __setattr__(self, name: str, value: Any) -> None:
        # A module of one's own may have such an attribute; on one of this package it would do nothing.
        if name in ("requires_grad", "training") and type(self).__module__.startswith(__package__):
            unknown(with_article(type(self).__name__), name, self._elsewhere, self)
        super().__setattr__(name, value)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The computation; every subclass writes its own."""
        raise UsageError(f"{type(self).__name__} has no forward method; write its equations there")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """``forward`` in this module's scope."""
        with scope(self.__dict__.get("_name") or self._title, self.role):
            try:
                result = self.forward(*args, **kwargs)
            except TypeError as error:
                trace = error.__traceback__
                if type(error) is not TypeError or trace is None or trace.tb_next is not None:
                    raise
                # The call itself failed, before the first line of forward ran.
                raise ArgumentError(
                    f"{type(self).__name__}: {error}; forward has self first, and then what the module is called with"
                ) from None
        if result is None:
            raise UsageError(f"{type(self).__name__}.forward gives None; end it with return, and the result behind it")
        return result

    @property
    def _title(self) -> str:
        """The name of the scope of a module that is nobody's attribute."""
        return type(self).__name__

    @listing
    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every Parameter with its path."""
        return ((path, variable) for path, variable in self.named_variables() if isinstance(variable, Parameter))

    @listing
    def parameters(self) -> list[Parameter]:
        """Every Parameter, in the order of the attributes."""
        return [p for _, p in self.named_parameters()]

    def zero_grad(self) -> None:
        """Remove the gradients of all parameters."""
        for p in self.parameters():
            p.grad = None


def device_of(module: Module) -> str:
    """The device of the module's first Parameter, or else of its first State, or else that of new leaves."""
    where = None
    for _, variable in module.named_variables():
        if isinstance(variable, Parameter):
            return variable.device
        where = where or variable.device
    return where or current_device()
