"""The text of the HTML file: template, style, script and data in one."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any, Final

from tinygrad_lstm.draw.themes import ThemeName, dark_rules
from tinygrad_lstm.graph.scopes import legal_text

__all__ = ["document"]

_STYLES: Final = ("theme.css", "page.css", "graph.css", "panel.css", "narrow.css")
_SCRIPTS: Final = (
    "model.js",
    "folding.js",
    "heat.js",
    "camera.js",
    "picture.js",
    "gestures.js",
    "player.js",
    "panel.js",
    "main.js",
)
_SLOT: Final = re.compile(r"\{\{(\w+)\}\}")
# Without these a text can stand in a <script>; a lone surrogate has no bytes in UTF-8.
_ENDS: Final = re.compile("[<>&\u2028\u2029\ud800-\udfff]")


def document(
    title: str,
    views: Sequence[dict[str, Any]],
    picture: tuple[str, list[tuple[str, list[int]]]] | None,
    theme: ThemeName | None = None,
) -> str:
    """The whole file.

    Args:
        views: graphs as data, the main one first.
        theme: at the beginning, where the reader's browser does not decide that.
        picture: the picture of a cell as SVG, and the items of the main graph that each of its parts stands for.
    """
    data = {"title": title, "views": list(views), "parts": picture[1] if picture is not None else []}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    style, script = ("\n".join(map(_asset, names)) for names in (_STYLES, _SCRIPTS))
    style += dark_rules(':root[data-theme="dark"] #textbook')
    slots = {
        "title": html.escape(legal_text(title)),
        "about": html.escape(views[0]["about"]),
        "theme": theme or "",
        "policy": f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'",
        "style": style,
        "script": script,
        "data": _ENDS.sub(lambda match: f"\\u{ord(match[0]):04x}", text),
        "picture": picture[0] if picture is not None else "",
    }
    return _SLOT.sub(lambda match: slots[match[1]], _asset("page.html"))


@cache
def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("static", name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
