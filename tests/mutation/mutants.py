"""Small changes of a source file, one at a time: each should make some test fail."""

import ast
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

__all__ = ["Mutant", "mutants"]

_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
_DROPPED = (ast.AugAssign, ast.Continue, ast.Break, ast.Delete, ast.For, ast.Raise)


@dataclass(frozen=True)
class Mutant:
    """One change: where it is, and what it says before and after.

    Attributes:
        function: the qualified name of the outermost function that it is in; "" at the level of the module.
        source: the line, without the space round it.
    """

    path: Path
    line: int
    function: str
    source: str
    before: str
    after: str
    _tree: ast.Module
    _site: "_Site"
    _new: Any

    def __str__(self) -> str:
        # What is the same at both ends is left out, but for a few words.
        a, b = self.before.split(), self.after.split()
        k = next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        rest = min(len(a), len(b)) - k
        j = next((j for j in range(rest) if a[-1 - j] != b[-1 - j]), rest)
        shown = [" ".join(["…"] * (k > 3) + x[max(0, k - 3) : len(x) - j + 2] + ["…"] * (j > 2)) for x in (a, b)]
        return f"{self.path}:{self.line}: {shown[0]}  →  {shown[1]}"

    def code(self) -> CodeType:
        """The changed module."""
        self._site.put(self._new)
        try:
            return compile(self._tree, str(self.path.resolve()), "exec", dont_inherit=True)
        finally:
            self._site.put(self._site.node)


@dataclass(frozen=True)
class _Site:
    owner: Any
    field: str
    place: int | None
    node: Any
    function: str

    def put(self, node: Any) -> None:
        if self.place is None:
            setattr(self.owner, self.field, node)
        else:
            getattr(self.owner, self.field)[self.place] = node


def mutants(path: Path) -> Iterator[Mutant]:
    """All changes of one file, in the order of its lines."""
    text = path.read_text(encoding="utf-8")
    tree, lines = ast.parse(text), text.splitlines()
    sites = sorted(_sites(tree, ""), key=lambda s: (getattr(s.node, "lineno", 0), getattr(s.node, "col_offset", 0)))
    for site in sites:
        for new in _changes(site):
            ast.copy_location(new, site.node)
            ast.fix_missing_locations(new)
            line = site.node.lineno
            source = lines[line - 1].strip()
            yield Mutant(path, line, site.function, source, _text(site.node), _text(new), tree, site, new)


def _text(node: ast.AST) -> str:
    first, *more = ast.unparse(node).splitlines()
    return first + " …" if more else first


def _sites(node: Any, function: str, twice: frozenset[str] = frozenset()) -> Iterator[_Site]:
    """Every place of the tree where something may stand instead; annotations, messages and decorators are none."""
    inside, names = function, twice
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        own = isinstance(node, ast.FunctionDef)
        if not function.endswith("()"):
            inside = f"{function}{node.name}" + ("()" if own else ".")
        if own:
            stored = Counter(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
            names = frozenset(name for name, count in stored.items() if count > 1)
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_params", "ctx"):
            continue
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and field != "body":
            continue
        for place, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.Import | ast.ImportFrom | ast.JoinedStr):
                continue
            if _is_text(child) or _is_type(child) or (isinstance(child, ast.keyword) and child.arg == "strict"):
                continue
            where = inside if inside.endswith("()") else ""
            site = _Site(node, field, place, child, where.removesuffix("()"))
            if hasattr(child, "lineno") and not _is_second(child, names):
                yield site
            if not isinstance(child, ast.Raise):
                yield from _sites(child, inside, names)


def _is_text(node: Any) -> bool:
    """A docstring, or the list of public names."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    return isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("__all__", "__slots__")


def _is_type(node: Any) -> bool:
    return (
        isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and (_is_none(node.left) or _is_none(node.right))
    )


def _is_second(node: Any, twice: frozenset[str]) -> bool:
    """An assignment without which a name would have no value, which any test tells."""
    return (
        isinstance(node, ast.Assign)
        and all(isinstance(t, ast.Name | ast.Tuple) for t in node.targets)
        and not any(getattr(t, "id", "") in twice for t in node.targets)
    )


def _changes(site: _Site) -> Iterator[Any]:
    node = site.node
    if isinstance(node, ast.stmt):
        yield from _of_statement(node)
    elif isinstance(node, ast.Slice):
        yield from _without(node, "lower", "upper", "step")
    elif isinstance(node, ast.expr):
        yield from _of_expression(node, site)
    if site.field == "test" and isinstance(site.owner, ast.If | ast.While):
        yield ast.Constant(value=False)
        if isinstance(site.owner, ast.If):
            yield ast.Constant(value=True)


def _of_statement(node: Any) -> Iterator[Any]:
    simple = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    if isinstance(node, (*_DROPPED, ast.Assign)) or simple:
        yield ast.Pass()
    if isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield ast.Return(value=ast.Constant(value=None))


def _is_none(node: Any) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _without(node: Any, *fields: str) -> Iterator[Any]:
    for field in fields:
        if getattr(node, field) is not None:
            new = deepcopy(node)
            setattr(new, field, None)
            yield new


def _fewer(node: Any, field: str) -> Iterator[Any]:
    """The node without one of the elements of a list, for each of them."""
    for k in range(len(getattr(node, field))):
        new = deepcopy(node)
        del getattr(new, field)[k]
        yield new


def _of_expression(node: Any, site: _Site) -> Iterator[Any]:
    match node:
        case ast.Compare():
            for k, op in enumerate(node.ops):
                for other in _COMPARED[type(op)]:
                    new = deepcopy(node)
                    new.ops[k] = other()
                    yield new
        case ast.BoolOp():
            new = deepcopy(node)
            new.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield new
            for new in _fewer(node, "values"):
                yield new if len(new.values) > 1 else new.values[0]
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert()):
            yield node.operand
        case ast.BinOp():
            yield node.left
            yield node.right
            if type(node.op) in _COMPUTED:
                yield ast.BinOp(left=node.left, op=_COMPUTED[type(node.op)](), right=node.right)
        case ast.Constant(value=bool()):
            yield ast.Constant(value=not node.value)
        case ast.Constant(value=int()):
            yield ast.Constant(value=node.value + 1)
            yield ast.Constant(value=node.value - 1)
        case ast.IfExp():
            yield node.body
            yield node.orelse
            yield ast.IfExp(test=ast.UnaryOp(op=ast.Not(), operand=node.test), body=node.body, orelse=node.orelse)
        case ast.Call():
            yield from _of_call(node)
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            for k, part in enumerate(node.generators):
                for j in range(len(part.ifs)):
                    new = deepcopy(node)
                    del new.generators[k].ifs[j]
                    yield new
        case ast.Dict():
            for k in range(len(node.keys)):
                new = deepcopy(node)
                del new.keys[k], new.values[k]
                yield new
        case ast.List() | ast.Set() | ast.Tuple() if _is_collection(node, site):
            yield from (new for new in _fewer(node, "elts") if new.elts or not isinstance(node, ast.Set))


def _is_collection(node: Any, site: _Site) -> bool:
    """Whether the elements of a display are alike, so that one of them could be missing."""
    if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load) or isinstance(site.owner, ast.Subscript):
        return False
    if any(isinstance(x, ast.Starred) for x in node.elts) or isinstance(node, ast.List | ast.Set):
        return True
    return isinstance(site.owner, ast.Compare | ast.For) or all(isinstance(x, ast.Constant) for x in node.elts)


def _of_call(node: Any) -> Iterator[Any]:
    name = getattr(node.func, "id", "")
    if name in _NAMES:
        yield ast.Call(func=ast.Name(id=_NAMES[name], ctx=ast.Load()), args=node.args, keywords=node.keywords)
    if name in ("sorted", "reversed") and node.args:
        yield ast.Call(func=ast.Name(id="list", ctx=ast.Load()), args=node.args[:1], keywords=[])
    if len(node.args) >= 2 and not any(isinstance(x, ast.Starred) for x in node.args[:2]):
        first, second, *rest = node.args
        yield ast.Call(func=node.func, args=[second, first, *rest], keywords=node.keywords)
    yield from (new for k, new in zip(node.keywords, _fewer(node, "keywords"), strict=True) if k.arg != "strict")
