"""A picture that Graphviz has laid out, as nodes and paths of TikZ."""

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from typing import Any, Final

from tinygrad_lstm.draw.tikz.letters import OTHER, label_lines, latex_formula, latex_words
from tinygrad_lstm.draw.tikz.ways import Point, anchored, coordinate, ends_of, outline, tikz_path

__all__ = ["latex_document"]

_PREAMBLE: Final = r"""% {title}
% Compile with pdflatex, or copy the tikzpicture with its colours and styles into a document of yours.
\RequirePackage{{fix-cm}}
\documentclass{{article}}
\usepackage[T1]{{fontenc}}
\usepackage{{amsmath,amssymb,tikz}}
\usetikzlibrary{{arrows.meta,shapes.geometric}}
\usepackage[paperwidth={width}bp,paperheight={height}bp,margin=0pt]{{geometry}}
\pagestyle{{empty}}
\parindent=0pt
\topskip=0pt
{other}\begin{{document}}%
"""
_OTHER: Final = rf"""% Characters that pdfLaTeX's fonts do not have; LuaLaTeX and XeLaTeX show them where theirs do.
\newcommand{{{OTHER}}}[1]{{\ifdefined\Umathchar#1\else?\fi}}
"""
_FORMULAS: Final = ("layer", "pointwise", "op")
"""Classes of vertices in which stand formulas."""
_PLAIN: Final = ("ellipse", "box", "plaintext", "plain", "none", "point")
"""Shapes that TikZ has under another name; of all others the outline is drawn."""
_ROOM: Final = 7.0
_WORD: Final = re.compile(r"[A-Za-z]+")


def latex_document(layout: Mapping[str, Any], title: str) -> str:
    """A LaTeX document with one ``tikzpicture``.

    Args:
        layout: what Graphviz says in its format ``json0``: everything with its place.
        title: stands in the first line, as a comment.
    """
    return _Document(layout).text(title)


class _Document:
    def __init__(self, layout: Mapping[str, Any]) -> None:
        self.layout = layout
        self.colors: dict[str, str] = {}
        self.styles: dict[tuple[str, str], str] = {}
        self.objects = layout.get("objects", [])
        self.ids = {o["_gvid"]: _identifier(o["name"]) for o in self.objects}
        self.spots = {o["_gvid"]: o for o in self.objects if "pos" in o}

    def text(self, title: str) -> str:
        body = [line for o in self.objects if "pos" not in o for line in self._cluster(o)]
        body += [line for o in self.spots.values() for line in self._node(o)]
        for e in self.layout.get("edges", []):
            body += self._edge(e)
        body += self._caption(self.layout, "lp")
        left, bottom, right, top = map(float, self.layout["bb"].split(","))
        corners = (
            f"({coordinate(left - _ROOM)},{coordinate(bottom - _ROOM)}) rectangle ({coordinate(right + _ROOM)},"
            + (f"{coordinate(top + _ROOM)})")
        )
        used = any(OTHER in line for line in body)
        said = " ".join(title.split())
        # Neither a line's end nor a character that pdfLaTeX does not know may stand in a comment's way.
        head = _PREAMBLE.format(
            title=said.encode("ascii", "replace").decode(),
            width=coordinate(right - left + 2 * _ROOM),
            height=coordinate(top - bottom + 2 * _ROOM),
            other=_OTHER if used else "",
        )
        background = self._background()
        lines = [head.rstrip("\n")]
        lines += [rf"\definecolor{{{name}}}{{HTML}}{{{value}}}%" for value, name in self.colors.items()]
        lines.append(r"\begin{tikzpicture}[")
        lines.append("  x=1bp, y=1bp, inner sep=0pt, outer sep=0pt, line join=round,")
        lines += [f"  {name}/.style={{{look}}}," for (_, look), name in self.styles.items()]
        lines.append("]")
        lines.append(rf"\path[use as bounding box{background}] {corners};")
        return "\n".join([*lines, *body, r"\end{tikzpicture}%", r"\end{document}", ""])

    def _background(self) -> str:
        color = self.layout.get("bgcolor", "white")
        return f", fill={self._color(color, 'background')}" if color not in ("white", "transparent", "#ffffff") else ""

    def _color(self, value: str, wanted: str) -> str:
        """The name of a colour, which is defined in front of the picture: ``wanted``, or one with a number."""
        if not value.startswith("#"):
            return value
        key = value[1:7].upper()
        if key not in self.colors:
            self.colors[key] = _free(wanted.replace(" ", ""), self.colors.values(), "")
        return self.colors[key]

    def _style(self, wanted: str, look: str) -> str:
        """The name of a style: ``wanted``, or one with a number where another look has that name."""
        if (wanted, look) not in self.styles:
            self.styles[wanted, look] = _free(wanted, self.styles.values(), " ")
        return self.styles[wanted, look]

    def _label(self, o: Mapping[str, Any], attribute: str = "label", drawn: str = "_ldraw_") -> str:
        """A label in LaTeX."""
        operations = _operations(o.get(drawn))
        texts = [op["text"] for op in operations if op["op"] == "T"]
        label = o.get(attribute, "")
        if not "".join(texts).strip():
            return ""
        formula = o.get("class") in _FORMULAS
        if "".join(texts) == _unescaped(label):
            lines = [f"${latex_formula(t)}$" if formula else latex_words(t) for t in texts]
        else:
            lines = label_lines(label, formula=formula)
        return r"\\".join(line for line in lines if line.strip())

    def _node(self, o: Mapping[str, Any]) -> list[str]:
        name, at = self.ids[o["_gvid"]], f"({','.join(coordinate(float(v)) for v in o['pos'].split(','))})"
        shape = o.get("shape", "ellipse")
        if shape == "point" and o.get("style") == "invis":
            return [rf"\coordinate ({name}) at {at};"]
        wide, high = (coordinate(float(o[side]) * 72) for side in ("width", "height"))
        known = shape in _PLAIN and "peripheries" not in o
        unlike = "text" if not known or shape in ("plaintext", "plain", "none") else shape
        kind = _style_name(o.get("class") or ("cell" if not o.get("label") and shape == "box" else unlike))
        look = [] if known else ["shape=rectangle"]
        style = o.get("style", "")
        if known:
            look = ["circle" if shape in ("ellipse", "point") and wide == high else _tikz_shape(shape)]
            if shape not in ("plaintext", "plain", "none") and "invis" not in style:
                look += self._strokes(o, kind)
                if "rounded" in style:
                    look.append("rounded corners=6bp")
        if o.get("fontcolor", "#000000") != "#000000":
            look.append(f"text={self._color(o['fontcolor'], 'words')}")
        said = self._label(o)
        if said:
            look += ["align=center", _font(o)]
        size = (
            [f"minimum size={wide}bp"]
            if look[0] == "circle"
            else [
                f"minimum width={wide}bp",
                f"minimum height={high}bp",
            ]
        )
        behind = [] if known else self._outline(o)
        options = ", ".join([self._style(f"{kind} node", ", ".join(look)), *size])
        return [*behind, rf"\node[{options}] ({name}) at {at} {{{said}}};"]

    def _strokes(self, o: Mapping[str, Any], kind: str) -> list[str]:
        style = o.get("style", "")
        found = [f"draw={self._color(o.get('color', '#000000'), f'{kind} line')}"]
        if "filled" in style:
            found.append(f"fill={self._color(o.get('fillcolor', o.get('color', 'lightgray')), f'{kind} fill')}")
        found.append(f"line width={float(o.get('penwidth', 1)):g}bp")
        found += [word for word in ("dashed", "dotted") if word in style]
        return found

    def _outline(self, o: Mapping[str, Any]) -> list[str]:
        kind = _style_name(f"{o.get('class') or o.get('shape')}")
        look = self._style(f"{kind} outline", ", ".join(self._strokes(o, kind)))
        return [rf"\path[{look}] {shape};" for shape in outline(_operations(o.get("_draw_")))]

    def _cluster(self, o: Mapping[str, Any]) -> list[str]:
        if "bb" not in o or not str(o["name"]).startswith("cluster"):
            return []
        left, bottom, right, top = (coordinate(float(v)) for v in o["bb"].split(","))
        strokes = [*self._strokes(o, "scope"), *(["rounded corners=6bp"] if "rounded" in o.get("style", "") else [])]
        look = self._style("scope box", ", ".join(strokes))
        return [rf"\path[{look}] ({left},{bottom}) rectangle ({right},{top});", *self._caption(o, "lp")]

    def _caption(self, o: Mapping[str, Any], place: str, attribute: str = "label", drawn: str = "_ldraw_") -> list[str]:
        """A label with a place of its own."""
        said = self._label(o, attribute, drawn) if place in o else ""
        if not said:
            return []
        at = ",".join(coordinate(float(v)) for v in o[place].split(","))
        color = o.get("fontcolor", "#000000")
        options = f"align=center, {_font(o, drawn)}" + (
            f", text={self._color(color, 'words')}" if color != "#000000" else ""
        )
        return [rf"\node[{options}] at ({at}) {{{said}}};"]

    def _edge(self, e: Mapping[str, Any]) -> list[str]:
        kind = _style_name(e.get("class") or "wire")
        look = [f"draw={self._color(e.get('color', '#000000'), kind)}"]
        look.append(f"line width={float(e.get('penwidth', 1)):g}bp")
        style = e.get("style", "")
        if "invis" in style:
            return []
        look += [word for word in ("dashed", "dotted") if word in style]
        tips = [p for p in ("arrowhead", "arrowtail") if e.get(p) == "none"]
        pointed = "arrowhead" not in tips and e.get("dir") != "none"
        plain, arrow = self._style(kind, ", ".join(look)), ""
        if pointed:
            size = float(e.get("arrowsize", 1))
            head = f"-{{Triangle[length={10 * size:.3g}bp, width={7 * size:.3g}bp]}}"
            arrow = ", " + self._style("pointed", head)
        lines = []
        for k, (points, tip) in enumerate(pieces := ends_of(e["pos"])):
            # Where a wire begins and ends at the middle of a side, it is tied to the vertex and not to a place.
            first = self._anchor(e["tail"], points[0]) if k == 0 else ""
            last = self._anchor(e["head"], tip or points[-1]) if k + 1 == len(pieces) else ""
            pointing = arrow if k + 1 == len(pieces) else ""
            lines.append(rf"\draw[{plain}{pointing}] {tikz_path(points, tip, first, last)};")
        lines += self._caption(e, "lp")
        return lines + self._caption(e, "head_lp", "headlabel", "_hldraw_")

    def _anchor(self, gvid: int, point: Point) -> str:
        o = self.spots.get(gvid)
        if o is None:
            return ""
        x, y = (float(v) for v in o["pos"].split(","))
        name = self.ids[gvid]
        if o.get("shape") == "point":
            return f"({name})" if abs(point[0] - x) + abs(point[1] - y) < 1 else ""
        return anchored(name, (x, y), (float(o["width"]) * 36, float(o["height"]) * 36), point)


def _font(o: Mapping[str, Any], drawn: str = "_ldraw_") -> str:
    """The size of the letters of a label."""
    sizes = [op["size"] for op in _operations(o.get(drawn)) if op["op"] == "F"]
    size = float(o.get("fontsize" if drawn == "_ldraw_" else "labelfontsize", sizes[0] if sizes else 14))
    return rf"font=\fontsize{{{size:g}}}{{{size * 1.1:.3g}}}\selectfont"


def _free(wanted: str, taken: Collection[str], between: str) -> str:
    names = (wanted if k == 1 else f"{wanted}{between}{k}" for k in count(1))
    return next(name for name in names if name not in taken)


def _tikz_shape(shape: str) -> str:
    return "ellipse" if shape in ("ellipse", "point") else "rectangle"


def _identifier(name: str) -> str:
    """A name that TikZ takes: dots and commas mean something there."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)


def _style_name(text: str) -> str:
    return " ".join(_WORD.findall(text)) or "shape"


def _unescaped(label: str) -> str:
    r"""A plain label as it is shown, without the ends of its lines."""
    text = re.sub(r"\\([nlr\\])", lambda m: "\\" if m[1] == "\\" else "", label)
    return text.replace("\n", "").replace("&amp;", "&")


def _operations(drawn: Any) -> Sequence[Mapping[str, Any]]:
    """What Graphviz draws; see https://graphviz.org/docs/outputs/canon/#xdot."""
    return drawn if isinstance(drawn, list) else []
