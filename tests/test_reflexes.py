"""Names of other libraries are answered with what is said here."""

import functools
import inspect
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import reflexes
from tinygrad_lstm.errors import ArgumentError, GradientError, UnknownNameError, UsageError
from tinygrad_lstm.graph.registry import FUNCTIONS

TABLES = {
    "tl": (tl, {**reflexes.SHARED, **reflexes.FRAMEWORK}),
    "tl.nn": (tl.nn, reflexes.LAYERS),
    "tl.nn.initializers": (tl.nn.initializers, reflexes.INITIALISERS),
    "a Tensor": (tl.ones(2), {**reflexes.SHARED, **reflexes.ARRAYS}),
    "a State": (tl.State(1.0), {**reflexes.SHARED, **reflexes.ARRAYS, **reflexes.VARIABLES}),
    "a Linear": (tl.nn.Linear(1, 1), reflexes.MODULES),
    "tl.optim": (tl.optim, reflexes.OPTIM),
    "tl.optim.schedules": (tl.optim.schedules, reflexes.SCHEDULES),
    "tl.random": (tl.random, reflexes.RANDOM),
    "tl.draw": (tl.draw, reflexes.DRAW),
    "a Drawing": (tl.draw.graph(tl.symbol("x")), reflexes.DRAWINGS),
    "tl.data": (tl.data, reflexes.DATA),
    "tl.train": (tl.train, reflexes.TRAIN),
    "tl.testing": (tl.testing, reflexes.TESTING),
    "an SGD": (tl.optim.SGD([tl.Parameter(1.0)], 0.1), reflexes.OPTIMISERS),
    "a function under jit": (tl.jit(tl.sin), reflexes.COMPILED),
    "x.at[key]": (tl.ones(2).at[0], reflexes.UPDATES),
}


def answer(call: Callable[..., Any], *given: Any, **named: Any) -> str:
    """The message of the error of a call."""
    try:
        call(*given, **named)
    except (ArgumentError, UnknownNameError) as error:
        return str(error)
    return "no error"


@pytest.mark.parametrize("owner", TABLES)
def test_a_name_of_elsewhere_is_answered(owner: str) -> None:
    found, table = TABLES[owner]
    linear = tl.nn.Linear(1, 1)
    said = {name: answer(getattr, found, name) for name in table}
    assert said == {name: f"{owner} has no {name!r}: {text}" for name, text in table.items()}
    assert not any(hasattr(found, name) for name in table)
    for name, text in table.items():
        for path in re.findall(r"\btl((?:\.\w+)+)", text):
            place = tl
            for step in path[1:].split("."):
                place = getattr(place, step)
        for method in re.findall(r"\bx\.(\w+)", text):
            assert hasattr(tl.Tensor, method), name
        for method in re.findall(r"\bmodel\.(\w+)", text):
            assert hasattr(linear, method) or method in ("cells", "layers", "zeros"), name
        for method in re.findall(r"\boptimizer\.(\w+)", text):
            assert hasattr(tl.optim.SGD, method), name


@pytest.mark.parametrize("found", [tl, tl.nn, tl.ones(2), tl.Parameter(1.0), tl.nn.Linear(1, 1)])
def test_other_names_are_not_there_as_ever(found: object) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'quux'") as caught:
        getattr(found, "quu" + "x")
    assert not isinstance(caught.value, UnknownNameError)
    assert (caught.value.name, caught.value.obj) == ("quux", found)


def test_a_function_that_is_no_method() -> None:
    with pytest.raises(
        UnknownNameError, match=r"a Parameter has no 'softmax': it is a function: tl\.softmax\(x, axis\)"
    ):
        tl.Parameter([1.0]).softmax()  # type: ignore[attr-defined]
    for name in FUNCTIONS:
        if not hasattr(tl, name) and not hasattr(tl.Tensor, name):
            with pytest.raises(AttributeError, match=f"has no (attribute )?{name!r}"):
                getattr(tl.ones(2), name)


def test_importing_a_name_of_elsewhere() -> None:
    with pytest.raises(ImportError, match="no_grad"):
        exec("from tinygrad_lstm import no_grad")


def test_the_class_makes_no_tensors() -> None:
    with pytest.raises(UsageError, match=r"make a value with tl\.tensor"):
        tl.Tensor([1.0, 2.0])  # type: ignore[call-arg]


def test_what_is_made_when_it_is_asked_for() -> None:
    text = "import sys, tinygrad_lstm as tl; assert 'tinygrad_lstm.testing' not in sys.modules; "
    text += "tl.testing.check_gradients(tl.tanh, 0.5); print(tl.__version__)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == metadata.version("tinygrad-lstm")


def test_a_type_serves_wherever_numpy_takes_one() -> None:
    assert np.zeros(2, dtype=tl.float16).dtype == np.float16
    assert np.arange(3).astype(tl.bool_).dtype == bool


def test_a_function_without_return_is_told_so() -> None:
    with pytest.raises(GradientError, match="the function gives None; end it with return, and the loss behind it"):
        tl.grad(lambda x: None)(1.0)


PUBLIC = {
    "tl": tl,
    "tl.nn": tl.nn,
    "tl.nn.initializers": tl.nn.initializers,
    "tl.optim": tl.optim,
    "tl.optim.schedules": tl.optim.schedules,
    "tl.random": tl.random,
    "tl.draw": tl.draw,
    "tl.data": tl.data,
    "tl.train": tl.train,
    "tl.testing": tl.testing,
}


def calls() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public function, constructor and method."""
    for owner, module in PUBLIC.items():
        for name in module.__all__:
            found = getattr(module, name)
            if inspect.isfunction(found):
                yield f"{owner}.{name}", found
            elif inspect.isclass(found) and not issubclass(found, tuple) and not inspect.isabstract(found):
                yield f"{owner}.{name}", found
                for method, f in inspect.getmembers(found, inspect.isfunction):
                    if not method.startswith("_"):
                        yield f"{owner}.{name}.{method}", functools.partial(f, None)


CALLS = dict(calls())


def calls_without(kind: Any) -> dict[str, Callable[..., Any]]:
    """Those that have no parameter of that kind."""
    kinds = {path: {p.kind for p in inspect.signature(call).parameters.values()} for path, call in CALLS.items()}
    return {path: call for path, call in CALLS.items() if kind not in kinds[path]}


def test_every_public_call_answers_to_a_keyword_that_it_lacks() -> None:
    said = {path: answer(call, quux=1) for path, call in calls_without(inspect.Parameter.VAR_KEYWORD).items()}
    assert len(said) > 500
    assert {path: text for path, text in said.items() if "no argument 'quux': " not in text} == {}


def test_every_public_call_answers_to_too_many_arguments() -> None:
    said = {path: answer(call, *range(40)) for path, call in calls_without(inspect.Parameter.VAR_POSITIONAL).items()}
    assert len(said) > 500
    assert {
        p: text for p, text in said.items() if not re.search("by position|does not take these arguments: ", text)
    } == {}


def test_a_module_is_sent_to_another_process_by_its_name() -> None:
    """joblib and Dask send a function of a script with all that it reads, such as ``tl``."""
    for module in [tl, *(value for value in vars(tl).values() if isinstance(value, ModuleType))]:
        assert type(module) is ModuleType or pickle.loads(pickle.dumps(module)) is module
