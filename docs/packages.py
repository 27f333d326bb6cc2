"""Draw ``docs/pictures/packages.svg``, the rooms of the house and their imports: ``python docs/packages.py``."""

import ast
from pathlib import Path

from tinygrad_lstm.draw.drawing import Drawing

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "pictures" / "packages.svg"
SUBJECTS = {
    "reflexes": "other libraries' names",
    "graph": "nodes, variables, scopes",
    "kernels": "ops on arrays",
    "ops": "primitives, one record each",
    "functions": "compositions",
    "batching": "graph → graph for many",
    "autodiff": "graph → gradient graph",
    "formula": "text and LaTeX",
    "passes": "graph → less work",
    "codegen": "graph → Program",
    "runtime": "backends, evaluation",
    "interchange": "array API, einops, SymPy",
    "jit": "function → Program",
    "nn": "modules, cells, losses",
    "optim": "optimisers",
    "data": "texts, windows",
    "train": "the training loop",
    "draw": "pictures and pages",
    "tasks": "classical tasks, tables",
    "cli": "the command",
    "testing": "checks for users",
    "backends": "numpy, c, cupy",
}


def rooms() -> dict[str, set[str]]:
    """For each room the rooms that it imports, read from the source."""
    imports: dict[str, set[str]] = {room: set() for room in SUBJECTS}
    for path in sorted((ROOT / "tinygrad_lstm").rglob("*.py")) + sorted((ROOT / "backends").rglob("*.py")):
        parts = path.relative_to(ROOT).parts
        room = "backends" if parts[0] == "backends" else parts[1]
        if room not in imports:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                package, _, rest = node.module.partition(".")
                other = rest.partition(".")[0]
                if package == "tinygrad_lstm" and other in imports and other != room:
                    imports[room].add(other)
    return imports


def reduced(imports: dict[str, set[str]]) -> list[tuple[str, str]]:
    """The imports that no path over other rooms implies: the transitive reduction."""
    reached: dict[str, set[str]] = {}

    def below(room: str) -> set[str]:
        if room not in reached:
            reached[room] = set().union(*[{other} | below(other) for other in imports[room]])
        return reached[room]

    return [
        (room, other)
        for room in imports
        for other in sorted(imports[room])
        if not any(other in below(between) for between in imports[room] - {other})
    ]


def drawing() -> Drawing:
    """The picture: an arrow points from a room to one that it stands on."""
    lines = [
        'digraph { rankdir=TB; nodesep=0.25; ranksep=0.35; bgcolor="transparent";',
        'node [shape=box, style="rounded,filled", fillcolor="#fff4c2", color="#b59f4a", fontname="Helvetica",'
        " fontsize=13, margin=0.12];",
        'edge [color="#777777", arrowsize=0.7];',
    ]
    for room, subject in SUBJECTS.items():
        fill = ', fillcolor="#f9d5e0", color="#c08497"' if room == "backends" else ""
        label = f'<<B>{room}</B><BR/><FONT POINT-SIZE="10">{subject}</FONT>>'
        lines.append(f'"{room}" [label={label}{fill}];')
    lines += [f'"{room}" -> "{other}";' for room, other in reduced(rooms())]
    text = "An arrow points from a room to one that it stands on; what another path of arrows says is left out."
    return Drawing("\n".join([*lines, "}"]), "dot", "The rooms of tinygrad_lstm", text)


if __name__ == "__main__":
    drawing().save(PICTURE)
