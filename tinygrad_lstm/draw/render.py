"""DOT to a picture, by a Graphviz that runs in a child process with a time limit.

The child uses the Graphviz that pygraphviz's wheel bundles; where pygraphviz is missing, the system's ``dot``
does the same work.
"""

import html
import importlib.util
import itertools
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from tinygrad_lstm.draw import _layout
from tinygrad_lstm.draw.options import check_dpi
from tinygrad_lstm.errors import DrawingError, UsageError
from tinygrad_lstm.graph.scopes import legal_text

__all__ = ["Engine", "Format", "render"]

Format = Literal["svg", "png", "pdf", "json"]
"""What a picture can be rendered to; ``json`` is everything with its place."""

Engine = Literal["dot", "nop2", "neato"]
"""``dot`` lays out in ranks, ``neato`` by springs, ``nop2`` takes the given positions (``neato -n2``)."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DAY = 86_400.0
_HOW_TO_GET_IT = "`pip install pygraphviz` brings one, or install Graphviz so that `dot` is on the PATH"
_SIZE = re.compile(r"\A\d+ nodes and \d+ edges$", re.MULTILINE)
# Mistakes of Graphviz's own, and what avoids them: it ends in a circle between clusters, or fails to lead a curve
# through what it left free for it, which may follow from the first.
_REMEDIES = (
    (re.compile(r"^Error: trouble in init_rank|mincross\.c.*Assertion", re.MULTILINE), "-Gnewrank=true"),
    (re.compile(r"^Error: (?:in routesplines|lost \S+ \S+ edge)", re.MULTILINE), "-Gsplines=line"),
)
# Graphviz paints no more than 32,767 pixels in a row, and makes larger pictures smaller.
_SHRUNK = re.compile(r"graph is too large for [\w-]+ bitmaps\. Scaling by (?P<scale>[\d.]+) to fit")
_USUAL_DPI = 96.0
_FONTS = Path(__file__).with_name("fonts")
"""They come first, so that there are letters where the system has none, and the same ones everywhere."""
_NOISE = re.compile(r"warning|fontconfig|\Z", re.IGNORECASE)


class _TooLongError(Exception):
    """The layout took longer than it may; the text says how large the graph is."""


def render(dot: str, format: Format, *, engine: Engine, timeout: float = 20.0, dpi: float | None = None) -> bytes:
    """Lay out a graph in DOT and return the picture's bytes.

    The layout runs in a child process, which is killed after ``timeout`` seconds and on Ctrl-C. It needs no
    ``dot`` on the PATH where pygraphviz is installed. Graphviz's warnings are dropped, its errors are raised. The fonts
    of PNG, PDF and of all measures come with this package, unless the environment names others in ``FONTCONFIG_FILE``.

    Args:
        dot: the graph, in Graphviz's DOT language.
        format: ``"svg"``, ``"png"``, ``"pdf"``, or ``"json"`` for everything with its place.
        engine: ``"dot"``, ``"nop2"`` (every node and edge has its ``pos``) or ``"neato"``.
        timeout: the limit in seconds, above 0 and at most a day.
        dpi: dots an inch of a PNG, above 0; Graphviz's own choice is 96.

    Raises:
        DrawingError: there is no Graphviz, it cannot read or draw this graph, a PNG would be larger than Graphviz
            paints, or the time is over.
        UsageError: an argument outside the values above.

    >>> render("digraph { x -> y }", "png", engine="dot")[:4]
    b'\\x89PNG'
    """
    _check_arguments(format, engine, timeout, dpi)
    source = legal_text(dot).encode("utf-8")
    settings = [] if dpi is None else [f"-Gdpi={dpi}"]
    end = time.monotonic() + timeout
    with tempfile.TemporaryDirectory(prefix="tinygrad-lstm-") as folder:
        # Older releases of fontconfig look for a relative folder in the working folder, so the whole path is written.
        fonts = Path(folder, "fonts.conf")
        fonts.write_text((_FONTS / "fonts.conf").read_text("utf-8").format(folder=html.escape(str(_FONTS))), "utf-8")
        env = {"FONTCONFIG_FILE": str(fonts), **os.environ}
        while True:
            try:
                child = _laid_out(source, format, engine, max(1.0, end - time.monotonic()), settings, env)
            except _TooLongError as error:
                raise DrawingError(
                    f"laying out a graph of {error} took longer than the limit of {timeout:g} s; "
                    'fold scopes to draw fewer nodes (`depth=1`, `fold=100`, `loops="rolled"` of draw.graph), '
                    "or raise the limit with `timeout=`."
                ) from None
            message = child.stderr.decode("utf-8", "replace")
            found = (setting for error, setting in _REMEDIES if error.search(message) and setting not in settings)
            remedy = next(found, None)
            if remedy is None:
                break
            settings.append(remedy)
    _check_outcome(child.returncode, message)
    shrunk = _SHRUNK.search(message)
    if format == "png" and shrunk is not None:
        fits = int((dpi or _USUAL_DPI) * float(shrunk["scale"]))
        smaller = f"it fits with dpi={fits}, and " if fits else ""
        raise DrawingError(
            f"this PNG would be wider or higher than 32,767 pixels, the most that Graphviz paints; {smaller}"
            "SVG and PDF have no such limit: .save('picture.svg')."
        )
    return _with_density(child.stdout, dpi or _USUAL_DPI) if format == "png" else child.stdout


def _with_density(png: bytes, dpi: float) -> bytes:
    """A PNG that says how large it is on paper; see https://www.w3.org/TR/png-3/#11pHYs."""
    start = len(_SIGNATURE) + 25
    if not png.startswith(_SIGNATURE) or b"pHYs" in png[: start + 64]:
        return png
    metre = round(dpi / 0.0254)
    chunk = b"pHYs" + struct.pack(">IIB", metre, metre, 1)
    return png[:start] + struct.pack(">I", 9) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[start:]


def _laid_out(
    source: bytes, format: str, engine: str, timeout: float, settings: list[str], env: dict[str, str]
) -> subprocess.CompletedProcess[bytes]:
    """What the first Graphviz that is there makes of it."""
    reason = "pygraphviz is not installed"
    for command in _commands(format, engine, timeout, settings):
        child = _run(command, source, timeout, env)
        if child.returncode != _layout.NO_PYGRAPHVIZ:
            return child
        reason = f"pygraphviz cannot be imported ({child.stderr.decode('utf-8', 'replace').strip()})"
    raise DrawingError(f"no Graphviz to draw with: {reason} and there is no `dot`; {_HOW_TO_GET_IT}.")


def _check_arguments(format: str, engine: str, timeout: float, dpi: float | None) -> None:
    for name, value, choices in (("format", format, get_args(Format)), ("engine", engine, get_args(Engine))):
        if value not in choices:
            raise UsageError(f"render: {name} is one of {', '.join(map(repr, choices))}; got {value!r}.")
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise UsageError(f"render: timeout is a number, such as 20; got {timeout!r}.")
    if not 0 < timeout <= _DAY:
        raise UsageError(f"render: timeout is a number of seconds from 0 to {_DAY:.0f}; got {timeout!r}.")
    check_dpi("render", dpi)


def _commands(format: str, engine: str, timeout: float, settings: list[str]) -> Iterator[list[str]]:
    """The command lines that can render here, the preferred one first."""
    spec = importlib.util.find_spec("pygraphviz")
    # An embedded interpreter may not know its executable; a mere folder named pygraphviz has no origin.
    if sys.executable and spec is not None and spec.origin is not None:
        folder = str(Path(spec.origin).resolve().parents[1])
        # Isolated (-I), so that no module in the working folder, or beside the script, hides one of Python's.
        yield [sys.executable, "-I", _layout.__file__, folder, format, engine, str(timeout + 1), *settings]
    program = shutil.which("dot")
    if program is not None:
        yield [program, f"-K{engine}", f"-T{format}", *settings]


def _run(command: list[str], source: bytes, timeout: float, env: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise DrawingError(f"cannot start {command[0]} to lay out the graph: {error}.") from error
    with child:
        try:
            picture, message = child.communicate(source, timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            size = _SIZE.match(child.communicate()[1].decode("utf-8", "replace"))
            graph = size.group() if size else f"{len(source.splitlines())} lines of DOT"
            raise _TooLongError(graph) from None
        finally:
            # `subprocess.run` would leave the child unreaped on Ctrl-C.
            child.kill()
            child.wait()
    return subprocess.CompletedProcess(command, child.returncode, picture, message)


def _check_outcome(status: int, message: str) -> None:
    """Raise what Graphviz says: it may report a mistake on standard error and yet exit with 0 and a torso."""
    lines = [line.rstrip() for line in message.splitlines() if not _NOISE.match(line)]
    first = next((i for i, line in enumerate(lines) if line.startswith("Error:")), None)
    if first is not None:
        # pygraphviz adds a traceback, which tells the reader no more.
        said = itertools.takewhile(lambda line: not line.startswith("Traceback"), lines[first:])
        raise DrawingError(f"Graphviz cannot draw this graph: {' '.join(said).replace('Error: ', '')}.")
    if status < 0:
        raise DrawingError(f"Graphviz was ended by signal {-status} while it laid out the graph.")
    if status != 0:
        reason = lines[-1] if lines else "it gave no reason"
        raise DrawingError(f"Graphviz failed with status {status}: {reason}.")
