"""Names of values, scopes and parameters that try to be code: of HTML, SVG, DOT, Python, C, LaTeX, or of a terminal.

A computation with hostile names has to give the same values as one with plain names, and each of its texts the same
structure: a page has the same elements, a picture the same nodes, a C text the same words outside its comments.
"""

import re
from collections.abc import Callable
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import numpy as np

import tinygrad_lstm as tl
from tests.faults.notes import Notes
from tests.faults.processes import forked, wrong
from tinygrad_lstm.errors import Error

__all__ = ["Names", "name"]

SEEDS = [
    "</script><script>MARK()</script>", "<img src=x onerror=MARK()>", '"><svg onload=MARK()>', "<!--", "-->", "]]>",
    "&lt;b&gt;", "&#60;script&#62;", "javascript:MARK()", "'\"`", "${MARK}", "{{MARK}}", "*/ MARK(); /*", "// MARK\\",
    "??/", "\\\n", "\n#error MARK\n", '"""\nMARK()\n"""', "'''", "\\N{BULLET}", "\\u0022", "%s%n", "{0}", "#MARK",
    '";]; x [URL="javascript:MARK()"', "\\l\\r\\G\\N", "<table><tr><td>MARK</td></tr></table>", "<<b>MARK</b>>",
    "\\input{MARK}", "\\write18{MARK}", "$$", "%", "^^M", "\\end{document}", "~", "__import__('os')", "; DROP",
    "\0", "\ud800", "\udfff", "\u202e", "\u2028", "\u2029", "\ufeff", "\x1b[2J", "\x1b]0;MARK\a", "\r", "\x7f",
    "\U0001f600", "\U000e0001", "e\u0301", "a" * 400, "", " ", "\t", "__class__", "self", "lambda", "x", "y", "None",
    "../../etc/passwd", "a/b", "C:\\x", "\x85", "\x0b", "\x0c", "’", "ﬁ", "٣", "1", "-1", "a b", "a.b", "a,b", "a=b",
]  # fmt: skip


def name(random: Random) -> str:
    """One to three hostile pieces, sometimes with noise between them."""
    pieces = [random.choice(SEEDS) for _ in range(random.choice([1, 1, 2, 3]))]
    noise = "".join(chr(random.choice([*range(1, 128), *range(0x2000, 0x2070)])) for _ in range(random.randrange(4)))
    return noise.join(pieces).replace("MARK", "alert")


class _Elements(HTMLParser):
    """The elements and the names of attributes of a page, in order; texts are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Any] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, sorted(key for key, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(f"/{tag}")

    def handle_comment(self, data: str) -> None:
        self.found.append("a comment")

    def handle_decl(self, decl: str) -> None:
        self.found.append("a declaration")


def of_page(text: str) -> Any:
    """The structure of a page, in which no name can hide."""
    parser = _Elements()
    parser.feed(text)
    parser.close()
    return [element for element in parser.found if element not in (("br", []), ("wbr", []))]


def of_picture(text: str) -> Any:
    """The kinds of elements of a picture, with the links and the scripts in it; how long its lines are may differ."""
    root = ElementTree.fromstring(text)
    kinds = {element.tag.rpartition("}")[2] for element in root.iter()}
    linked = sorted(k for element in root.iter() for k in element.attrib if k.startswith("on") or "href" in k)
    groups = [e.get("class") for e in root.iter() if e.tag.endswith("}g") and e.get("class")]
    return sorted(kinds - {"text", "tspan"}), linked, groups


def of_c(text: str) -> Any:
    """C without its comments, with the spaces of its lines made alike."""
    return " ".join(re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL).split())


def computation(names: list[str]) -> tuple[Callable[[Any], Any], Any]:
    """A function with five names in it, and an argument for it."""
    parameter = tl.Parameter(np.array([0.5, 1.5, -1.0], np.float32), name=names[0])

    def f(x: Any) -> Any:
        with tl.scope(names[1]):
            y = (tl.tanh(x) * parameter).named(names[2])
            _, ys = tl.scan(lambda c, v: ((c + v).named(names[3]), tl.exp(c * v)), y, tl.ones((2, 3)))
        return (y + ys.sum(0)).named(names[4])

    return f, tl.tensor(np.array([0.1, 0.2, 0.3], np.float32))


def shown(names: list[str]) -> dict[str, Any]:
    """The value of the computation, and the structure of all texts about it."""
    f, x = computation(names)
    symbol = tl.symbol(names[0], (3,))
    y = f(symbol)
    with tl.use_backend("c"):
        explained = tl.jit(f).explain(x)
        page = tl.draw.page(f, x)
    for text in (tl.printed(y), repr(y), str(y), tl.text(y), explained.text(), str(explained)):
        text.encode("utf-8")
    return {
        "the value": f(x).numpy().tobytes(),
        "the compiled value": tl.jit(f)(x).numpy().tobytes(),
        "the C": of_c(explained.source),
        "the page": of_page(page.html),
        "the picture": of_picture(tl.draw.graph(y).svg()),
        # A blank name leaves out a comment, and with it the element of its line: kinds are compared, not numbers.
        "the explanation": sorted({str(element) for element in of_page(explained.html())}),
    }


def _unlike(found: Any, plain: Any) -> str:
    """Where two structures begin to differ."""
    if not isinstance(found, list | tuple | str) or not isinstance(plain, list | tuple | str):
        return f"{found!r}, not {plain!r}"
    at = next((k for k, (a, b) in enumerate(zip(found, plain, strict=False)) if a != b), min(len(found), len(plain)))
    return f"{found[at : at + 60]!r}, not {plain[at : at + 60]!r}"


class Names:
    """A computation with hostile names is compared with one with plain names."""

    def __init__(self, folder: Path) -> None:
        self.plain = shown(["a", "b", "c", "d", "e"])

    def attempt(self, random: Random, folder: Path, notes: Notes) -> None:
        """Five hostile names at once, or one that is refused."""
        names = [name(random) or " " for _ in range(5)]
        ended = forked(partial(self._compare, names), folder)
        if said := wrong(ended, (0, 10)):
            notes.fault(f"{names}: {said}\n{ended.out}")
        elif ended.status == 10:
            notes.fault(f"{names}: refused: {ended.out}")
        else:
            notes.count("hostile names that were names", len(names))
        if list(folder.iterdir()):
            notes.fault(f"{names}: a file was written")

    def _compare(self, names: list[str]) -> int:
        try:
            found = shown(names)
        except Error as error:
            print(error)
            return 10
        different = [key for key, value in found.items() if value != self.plain[key]]
        for key in different:
            print(f"{key} differs: {_unlike(found[key], self.plain[key])}")
        return 4 if different else 0
