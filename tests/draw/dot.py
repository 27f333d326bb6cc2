"""A reader of the DOT that the package writes: one node or edge a line."""

import re

EDGE = re.compile(r"^\t+(\w+) -> (\w+)(?: \[(.*)\])?$", re.MULTILINE)
NODE = re.compile(r"^\t+(\w+) \[(.*)\]$", re.MULTILINE)
ATTRIBUTE = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|<.*?>(?= \w+=|$)|[^\s"<]+)')
TYPE = re.compile(r" (?:f16|f32|f64|i32|i64|u32|bool)\[[\d,]*\]")
SETTINGS = ("graph", "node", "edge")


def _attributes(text):
    return {key: value.strip('"') for key, value in ATTRIBUTE.findall(text or "")}


def nodes(drawing):
    """Attributes by identifier, without the titles of clusters."""
    found = {name: _attributes(text) for name, text in NODE.findall(drawing.dot) if name not in SETTINGS}
    return {name: look for name, look in found.items() if look.get("class") != "title"}


def clusters(drawing):
    """The names of clusters, and of those that they are in, the outermost first."""
    return [path for path, name in _places(drawing) if name is None]


def frames(drawing):
    """By identifier of a node: the names of the clusters that it stands in, the outermost first."""
    kept = nodes(drawing)
    return {name: path for path, name in _places(drawing) if name in kept}


def _places(drawing):
    """Clusters, and the identifiers of the nodes in them, each with the names of the clusters around."""
    found, around = [], []
    for line in drawing.dot.splitlines():
        node = NODE.match(line)
        if "subgraph cluster_" in line:
            around.append(None)
        elif around and around[-1] is None:
            around[-1] = re.sub(r"\\(.)", r"\1", _attributes(line)["tooltip"])
            found.append((tuple(around), None))
        elif around and line.strip() == "}":
            around.pop()
        elif node:
            found.append((tuple(around), node[1]))
    return found


def edges(drawing):
    """Triples of tail, head and attributes."""
    return [(a, b, _attributes(text)) for a, b, text in EDGE.findall(drawing.dot)]


def pairs(drawing):
    """Edges as pairs of labels without markup, sorted."""
    labels = {name: shown(look) for name, look in nodes(drawing).items()}
    return sorted((labels[a], labels[b]) for a, b, _ in edges(drawing))


def shown(look):
    """The text of a label: lines apart by a blank, subscripts after an underscore; of an operation without its type."""
    label = look.get("label", "")
    if label.startswith("<"):
        label = re.sub(r"<(?:BR/|/TR)>", " ", label[1:-1]).replace("<SUB>", "_")
        label = re.sub(r"<[^<>]*>", "", label)
    if look.get("class") in ("pointwise", "op", "view", "carry", "slice"):
        label = TYPE.sub("", label, count=1)
    return label.strip()


def said(look):
    """The words on an edge."""
    return look.get("label", "").replace("\\n", "\n").strip()


def place(look):
    """The centre of a node in points."""
    x, y = look["pos"].split(",")
    return float(x), float(y)


def boxes(drawing):
    """Left, lower, right and upper end of each node, in points."""
    found = {}
    for name, look in nodes(drawing).items():
        (x, y), w, h = place(look), 36 * float(look["width"]), 36 * float(look["height"])
        found[name] = (x - w, y - h, x + w, y + h)
    return found


def curve(look):
    """Points on the curve of an edge, the tip of its arrow included; of one with gaps all pieces."""
    found = []
    for piece in look["pos"].split(";"):
        points = [tuple(map(float, p.split(","))) for p in piece.split() if not p.startswith("e,")]
        assert len(points) % 3 == 1
        for k in range(0, len(points) - 1, 3):
            a, b, c, d = points[k : k + 4]
            for t in (j / 16 for j in range(16)):
                s = 1 - t
                weights = (s**3, 3 * s * s * t, 3 * s * t * t, t**3)
                found.append(tuple(sum(w * p[i] for w, p in zip(weights, (a, b, c, d), strict=True)) for i in (0, 1)))
        found.append(points[-1])
        found += [tuple(map(float, p.removeprefix("e,").split(","))) for p in piece.split() if p.startswith("e,")]
    return found
