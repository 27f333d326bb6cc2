"""Colours of pictures. Kinds differ in shape as well, so that nothing is said by colour alone."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["SHAPES", "THEMES", "Theme", "ThemeName", "between", "dark_rules", "darkened", "themed"]

ThemeName = Literal["light", "dark"]

SHAPES: Final[dict[str, dict[str, str]]] = {
    "pointwise": {"shape": "ellipse"},
    "op": {"shape": "box"},
    "view": {"shape": "box", "style": "filled,rounded", "fontsize": "10"},
    "symbol": {"shape": "ellipse", "peripheries": "2"},
    "parameter": {"shape": "cylinder", "margin": "0.1,0.06"},
    "state": {"shape": "box3d"},
    "leaf": {"shape": "note"},
    "constant": {"shape": "plaintext", "style": "solid", "margin": "0.02", "height": "0.2", "width": "0.1"},
    "carry": {"shape": "house", "orientation": "0"},
    "slice": {"shape": "invtrapezium"},
    "loop": {"shape": "component", "margin": "0.16,0.1"},
    "output": {"shape": "ellipse", "penwidth": "2"},
    "folded": {"shape": "folder"},
}


@dataclass(frozen=True)
class Theme:
    """One set of colours.

    Attributes:
        background: behind everything.
        text: on nodes; ``soft`` is small print and labels of edges and clusters.
        edge: lines; ``lent`` are those from the forward pass to a gradient.
        gradient: outlines of what helps to compute a gradient, ties, and what a loop passes on.
        fills: fill and outline by kind of vertex.
        tints: fill and outline of clusters by role, of loops, and of the others under ``""``.
        heat: fills from small to large values, each readable under ``text`` or ``inverse``.
        flow: lines from small to large gradients.
    """

    background: str
    text: str
    inverse: str
    soft: str
    edge: str
    lent: str
    gradient: str
    fills: Mapping[str, tuple[str, str]]
    tints: Mapping[str, tuple[str, str]]
    heat: Sequence[str]
    flow: Sequence[str]


_LIGHT: Final = Theme(
    background="#ffffff",
    text="#000000",
    inverse="#ffffff",
    soft="#40525b",
    edge="#37474f",
    lent="#78909c",
    gradient="#00695c",
    fills={
        "pointwise": ("#f8bbd0", "#880e4f"),
        "op": ("#ffffff", "#455a64"),
        "view": ("#eceff1", "#78909c"),
        "symbol": ("#bbdefb", "#0d47a1"),
        "parameter": ("#ffcc80", "#bf360c"),
        "state": ("#d1c4e9", "#4527a0"),
        "leaf": ("#cfd8dc", "#37474f"),
        "constant": ("#ffffff", "#ffffff"),
        "carry": ("#b2dfdb", "#00695c"),
        "slice": ("#bbdefb", "#0d47a1"),
        "loop": ("#e1f0fa", "#0277bd"),
        "output": ("#e1bee7", "#4a148c"),
        "folded": ("#fafafa", "#616161"),
    },
    tints={
        "cell": ("#eef6e2", "#689f38"),
        "layer": ("#fffbe0", "#f9a825"),
        "gate": ("#fff59d", "#f57f17"),
        "pointwise": ("#fdeef4", "#c2185b"),
        "state": ("#f7f0fa", "#8e24aa"),
        "function": ("#ffffff", "#455a64"),
        "loop": ("#f1f5f8", "#0277bd"),
        "": ("#ffffff", "#9e9e9e"),
    },
    # Cividis, which readers with any colour vision see as one ramp (doi:10.1371/journal.pone.0199239).
    heat=("#fee838", "#e1cc55", "#c3b369", "#a59c74", "#7c7b78", "#575d6d", "#35456c", "#00224e"),
    flow=("#9a8b52", "#8d8258", "#807a5f", "#737268", "#636670", "#50597a", "#2f4673", "#00224e"),
)
_DARK: Final = Theme(
    background="#12161b",
    text="#f5f7f9",
    inverse="#000000",
    soft="#b6c2cc",
    edge="#9fb0bd",
    lent="#71838f",
    gradient="#4dd0b5",
    fills={
        "pointwise": ("#6a2140", "#f48fb1"),
        "op": ("#1f272e", "#b0bec5"),
        "view": ("#2a333b", "#78909c"),
        "symbol": ("#123c66", "#90caf9"),
        "parameter": ("#6b3a0a", "#ffb74d"),
        "state": ("#3d2f66", "#b39ddb"),
        "leaf": ("#37444d", "#b0bec5"),
        "constant": ("#12161b", "#12161b"),
        "carry": ("#0e4a44", "#4db6ac"),
        "slice": ("#123c66", "#90caf9"),
        "loop": ("#16344a", "#4fc3f7"),
        "output": ("#4e2358", "#ce93d8"),
        "folded": ("#1b2127", "#bdbdbd"),
    },
    tints={
        "cell": ("#1a2416", "#8bc34a"),
        "layer": ("#28240f", "#fbc02d"),
        "gate": ("#3b3509", "#ffd54f"),
        "pointwise": ("#2b1620", "#f06292"),
        "state": ("#251a2b", "#ba68c8"),
        "function": ("#1f272e", "#b0bec5"),
        "loop": ("#15202a", "#4fc3f7"),
        "": ("#12161b", "#757f88"),
    },
    heat=("#00224e", "#35456c", "#575d6d", "#7c7b78", "#a59c74", "#c3b369", "#e1cc55", "#fee838"),
    flow=("#7286b8", "#7f8ba8", "#8b9099", "#979689", "#a8a078", "#c3b369", "#e1cc55", "#fee838"),
)
THEMES: Final[dict[str, Theme]] = {"light": _LIGHT, "dark": _DARK}

_TEXTBOOK: Final = {
    "#000000": "#f5f7f9",
    "#212121": "#cfd8dc",
    "#6a1b9a": "#ce93d8",
    "#dcedc8": "#1f2d1a",
    "#7cb342": "#8bc34a",
    "#bbdefb": "#123c66",
    "#e1bee7": "#4e2358",
    "#fff59d": "#574908",
    "#f57f17": "#ffca28",
    "#f8bbd0": "#6a2140",
    "#880e4f": "#f48fb1",
    "#ffffff": "#1f272e",
    "#546e7a": "#b0bec5",
    "#f2f2f2": "#1b2127",
    "#c4c4c4": "#47525b",
    "#9e9e9e": "#71808c",
    "#f6f9f0": "#161c17",
}
"""The colours of cells, which are the textbook's, and what each is in the dark."""
_COLOR: Final = re.compile(r'(?<=color=")#[0-9a-f]{6}(?=")', re.IGNORECASE)
_PAINT: Final = re.compile(r'(fill|stroke|stop-color)="([^"]+)"')
_GROUND: Final = re.compile(r"(?<=[ \[]bgcolor=)white(?=[ \]])")


def themed(dot: str, theme: ThemeName, transparent: bool = False) -> str:
    r"""The DOT of a picture of cells, which is written in the light colours, in those of ``theme``.

    >>> print(themed('graph [bgcolor=white] x [label="color=\\"#000000\\"" color="#000000"]', "dark"))
    graph [bgcolor="#12161b"] x [label="color=\"#000000\"" color="#f5f7f9"]
    """
    if theme == "dark":
        dot = _COLOR.sub(lambda match: _TEXTBOOK.get(match[0], match[0]), dot)
    ground = "transparent" if transparent else f'"{THEMES[theme].background}"' if theme != "light" else "white"
    return _GROUND.sub(ground, dot, count=1)


def dark_rules(scope: str) -> str:
    """Rules of CSS that show a picture of cells in the dark colours, without what is behind it.

    Args:
        scope: a selector of what the SVG stands in.

    >>> print(dark_rules(".dark").splitlines()[3])
    .dark [fill="#212121"] { fill: #cfd8dc; } .dark [stroke="#212121"] { stroke: #cfd8dc; }
    """
    ends = {"black": _TEXTBOOK["#000000"], "white": _TEXTBOOK["#ffffff"]}
    rules = [
        " ".join(f'{scope} [{what}="{light}"] {{ {what}: {dark}; }}' for what in ("fill", "stroke"))
        for light, dark in {**_TEXTBOOK, **ends}.items()
    ]
    ground = f"{scope} .graph > polygon:first-of-type {{ fill: none; }}"
    return "\n".join([ground, f"{scope} text:not([fill]) {{ fill: {ends['black']}; }}", *rules])


def darkened(svg: str) -> str | None:
    """A light picture by Graphviz in the dark colours; None for one in other colours, such as a figure or a dark one.

    >>> darkened('<polygon fill="white"/><polygon fill="#fff59d" stroke="black"/>')
    '<polygon fill="#12161b"/><polygon fill="#574908" stroke="#f5f7f9"/>'
    >>> darkened('<rect fill="#123456"/>') is None
    True
    """
    known = _light_to_dark()
    if not _PAINT.search(svg) or any(paint.lower() not in known for _, paint in _PAINT.findall(svg)):
        return None
    # What is behind all comes first, and boxes of the same white have a lighter dark.
    ground = re.sub('fill="(?:white|#ffffff)"', f'fill="{_DARK.background}"', svg, count=1)
    shown = _PAINT.sub(lambda match: f'{match[1]}="{known[match[2].lower()]}"', ground)
    # Words without a colour are black.
    return re.sub(r"<text (?![^>]*fill=)", f'<text fill="{_DARK.text}" ', shown)


def _light_to_dark() -> dict[str, str]:
    found = {_LIGHT.background: _DARK.fills["op"][0], "white": _DARK.fills["op"][0], "black": _DARK.text}
    found |= {paint: paint for paint in ("none", "transparent", _DARK.background)}
    pairs = [(_LIGHT.soft, _DARK.soft), (_LIGHT.edge, _DARK.edge), (_LIGHT.lent, _DARK.lent)]
    pairs += [(_LIGHT.gradient, _DARK.gradient), *zip(_LIGHT.heat, _DARK.heat, strict=True)]
    pairs += zip(_LIGHT.flow, _DARK.flow, strict=True)
    for light, dark in ((_LIGHT.fills, _DARK.fills), (_LIGHT.tints, _DARK.tints)):
        pairs += [(a, b) for key in light for a, b in zip(light[key], dark[key], strict=True)]
    for a, b in (*_TEXTBOOK.items(), *pairs):
        found.setdefault(a, b)
    return found


def between(colors: Sequence[str], at: float) -> str:
    """The colour at a place from 0 to 1.

    >>> between(("#000000", "#888888", "#ffffff"), 0.9)
    '#ffffff'
    """
    return colors[min(len(colors) - 1, max(0, int(at * len(colors))))]


def luminance(color: str) -> float:
    """The relative luminance of WCAG 2.2 (https://www.w3.org/TR/WCAG22/#dfn-relative-luminance).

    >>> luminance("#000000"), luminance("#ffffff")
    (0.0, 1.0)
    """
    channels = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    """The contrast ratio of two colours, from 1 to 21.

    >>> round(contrast("#000000", "#ffffff"))
    21
    """
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)
