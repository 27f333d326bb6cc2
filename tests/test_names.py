"""One word, one thing: what the source calls its modules, classes and functions, and which module imports which."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = [ROOT / "tinygrad_lstm", ROOT / "backends"]
SOURCES = sorted(path.relative_to(ROOT).as_posix() for folder in PACKAGES for path in folder.rglob("*.py"))

BACKENDS = "each backend is built of the same parts"
OF_OPS = "what belongs to an op, or to a family of ops, is called as it is"
PUBLIC = "users know both by these names from other libraries, in namespaces of their own"
SAME = "one subject: a module of it and what it is about"

ALLOWED = {
    "executable": BACKENDS,
    "executor": BACKENDS,
    "backend": BACKENDS,
    "branch": OF_OPS,
    "call": OF_OPS,
    "cast": OF_OPS,
    "comparison": OF_OPS,
    "eigh": OF_OPS,
    "pinv": OF_OPS,
    "svd": OF_OPS,
    "contract": OF_OPS,
    "elementwise": OF_OPS,
    "flip": OF_OPS,
    "integers": OF_OPS,
    "logsumexp": OF_OPS,
    "loop": OF_OPS,
    "matmul": OF_OPS,
    "pad": OF_OPS,
    "products": OF_OPS,
    "scatter_add": OF_OPS,
    "sigmoid": OF_OPS,
    "softplus": OF_OPS,
    "threefry2x32": OF_OPS,
    "while_loop": OF_OPS,
    "bits": PUBLIC,
    "checkpoint": PUBLIC,
    "diagonal": PUBLIC,
    "dot": PUBLIC,
    "exponential": PUBLIC,
    "normal": PUBLIC,
    "split": PUBLIC,
    "trace": PUBLIC,
    "uniform": PUBLIC,
    "curves": SAME,
    "device": SAME,
    "gradients": SAME,
    "kernels": SAME,
    "table": SAME,
    "tensor": SAME,
    "text": SAME,
    "function": "graph/function.py: a function of symbols; the decorator: one that is known by its name",
    "picture": "a cell's picture and a graph's picture stand in rooms of their own",
}
"""Names that stand in several places, and why that is right."""

UNNAMED = ("__init__", "__main__")


@cache
def tree_of(source: str) -> ast.Module:
    return ast.parse((ROOT / source).read_text(encoding="utf-8"))


def named(source: str) -> Iterator[str]:
    """The public names that a file defines, and its own."""
    if Path(source).stem not in UNNAMED:
        yield Path(source).stem
    for node in tree_of(source).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.name


@cache
def places() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for source in SOURCES:
        for name in named(source):
            found[name].add(source)
    return found


def test_no_name_has_two_meanings() -> None:
    doubled = {name: sorted(found) for name, found in places().items() if len(found) > 1 and name not in ALLOWED}
    assert doubled == {}


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_what_is_allowed_is_needed(name: str) -> None:
    assert len(places()[name]) > 1


WORDS = ["Cell", "Kernel", "Loop", "Part", "Pass", "Program", "Rule", "Scratch", "Step", "Turns", "Variable", "lower"]


@pytest.mark.parametrize("word", WORDS)
def test_a_word_names_one_thing_in_private_too(word: str) -> None:
    """Of classes, functions, and names for types."""
    defined = set()
    for source in SOURCES:
        for node in tree_of(source).body:
            names = {getattr(node, "name", "")}
            if isinstance(node, ast.Assign):
                names = {target.id for target in node.targets if isinstance(target, ast.Name)}
            if names & {word, f"_{word}"}:
                defined.add(source)
    assert len(defined) <= 1, defined


def imports(source: str) -> Iterator[str]:
    """The modules of this package that a file imports anywhere, for type checkers too."""
    for node in ast.walk(tree_of(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_the_graph_imports_in_one_direction() -> None:
    modules = {s.removesuffix(".py").replace("/", "."): s for s in SOURCES if s.startswith("tinygrad_lstm/graph/")}
    waiting = {name: {x for x in imports(source) if x in modules} for name, source in modules.items()}
    while ready := [name for name, needed in waiting.items() if not needed]:
        for name in ready:
            del waiting[name]
        for needed in waiting.values():
            needed.difference_update(ready)
    assert waiting == {}
