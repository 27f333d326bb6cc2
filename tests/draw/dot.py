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
    """Attributes by identifier."""
    return {name: _attributes(text) for name, text in NODE.findall(drawing.dot) if name not in SETTINGS}


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
