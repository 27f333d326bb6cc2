import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from tinygrad_lstm.draw import _layout
from tinygrad_lstm.draw import render as render_module
from tinygrad_lstm.draw.markup import FONT
from tinygrad_lstm.draw.render import render
from tinygrad_lstm.errors import DrawingError, UsageError
from tinygrad_lstm.graph.registry import OPS

HELLO = "digraph { x -> y }"
PLACED = 'digraph { x [pos="0,0"]; y [pos="100,50"]; x -> y [pos="e,80,40 20,10 40,20 60,30 80,40"] }'
# Every node to every later one: `dot` takes minutes to order the ranks of it.
SLOW = "digraph {" + "".join(f"{i} -> {j};" for i in range(150) for j in range(i + 1, 150)) + "}"
MAGIC = {"svg": b"<?xml", "png": b"\x89PNG\r\n", "pdf": b"%PDF-"}


def fake_dot(folder, script):
    """A program named `dot` in a folder that is the PATH."""
    program = folder / "dot"
    program.write_text(f"#!{sys.executable}\nimport sys\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    return program


@pytest.fixture
def no_pygraphviz(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)


@pytest.fixture
def no_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("format", MAGIC)
@pytest.mark.parametrize(("engine", "dot"), [("dot", HELLO), ("neato", HELLO), ("nop2", PLACED)])
def test_every_format_by_every_engine_with_an_empty_path(format, engine, dot, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert render(dot, format, engine=engine).startswith(MAGIC[format])


def test_nop2_keeps_the_given_positions():
    svg = ET.fromstring(render(PLACED, "svg", engine="nop2"))
    x, y = ([float(e.attrib[axis]) for e in svg.iter() if e.tag.endswith("ellipse")] for axis in ("cx", "cy"))
    assert (x[1] - x[0], y[1] - y[0]) == (100, -50)


def test_dpi_scales_a_png():
    def width(png):
        return int.from_bytes(png[16:20])

    small, large = (render(HELLO, "png", engine="dot", dpi=dpi) for dpi in (72, 288.0))
    assert width(large) == pytest.approx(4 * width(small), abs=8)


def test_works_where_a_module_in_the_working_folder_hides_one_of_pythons(tmp_path, monkeypatch):
    (tmp_path / "tempfile.py").write_text("raise RuntimeError", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert render(HELLO, "svg", engine="dot")


def test_characters_that_no_picture_can_hold_are_replaced():
    svg = render('digraph { x [label="a\x00b\x07c\udc80d"] }', "svg", engine="dot").decode()
    assert "a\ufffdb\ufffdc\ufffdd" in svg


def test_warnings_are_dropped(capfd):
    assert render("digraph { x [shape=nosuchshape] }", "svg", engine="dot")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("dot", "engine", "message"),
    [
        ("digraph { x ->", "dot", "syntax error in line 1"),
        ("no graph", "dot", "syntax error in line 1 near 'no'"),
        ("digraph { x [label=<<B>bold>] }", "dot", "mismatched tag in line 1"),
        (HELLO, "nop2", "has no position"),
        ("", "dot", "DotError"),
    ],
)
def test_what_graphviz_can_not_draw_raises_what_it_says(dot, engine, message, capfd):
    with pytest.raises(DrawingError, match=message) as caught:
        render(dot, "svg", engine=engine)
    assert "Traceback" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_text_that_is_a_file_name_is_not_read(tmp_path):
    path = tmp_path / "graph.dot"
    path.write_text(HELLO, encoding="utf-8")
    with pytest.raises(DrawingError, match="syntax error"):
        render(str(path), "svg", engine="dot")


def test_a_layout_over_the_limit_names_the_size_the_limit_and_the_ways_out():
    with pytest.raises(DrawingError) as caught:
        render(SLOW, "svg", engine="dot", timeout=2)
    message = str(caught.value)
    for words in ("150 nodes and 11175 edges", "limit of 2 s", "fold scopes", "`timeout=`"):
        assert words in message


def test_threads_render_side_by_side():
    graphs = [f"digraph {{ node{i} -> end }}" for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        pictures = list(pool.map(lambda dot: render(dot, "svg", engine="dot"), graphs))
    assert all(f"<title>node{i}</title>".encode() in picture for i, picture in enumerate(pictures))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_the_child_and_comes_through():
    program = f"""
import subprocess, sys
from tinygrad_lstm.draw.markup import FONT
from tinygrad_lstm.draw.render import render

class Announced(subprocess.Popen):
    def communicate(self, *args, **kwargs):
        print(self.pid, flush=True)
        return super().communicate(*args, **kwargs)

subprocess.Popen = Announced
try:
    render({SLOW!r}, "svg", engine="dot", timeout=300)
except KeyboardInterrupt:
    print("interrupted")
"""
    # Unmeasured: a signal that meets coverage's tracer while it holds its lock leaves the process waiting for ever.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        env=env,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        # Who runs the tests in the background of a script hands on that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGINT)
        said, _ = parent.communicate(timeout=60)
    finally:
        parent.kill()
        parent.communicate()
    assert said == "interrupted\n"
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no interval timers")
def test_a_child_whose_parent_is_gone_ends_itself():
    command = next(render_module._commands("svg", "dot", timeout=1, settings=[]))
    child = subprocess.run(command, input=SLOW.encode(), capture_output=True, timeout=60, check=False)
    assert child.returncode == -signal.SIGALRM


def test_without_any_graphviz_the_error_says_how_to_get_one(no_pygraphviz, no_path):
    with pytest.raises(DrawingError, match=r"pygraphviz is not installed.*pip install pygraphviz.*install Graphviz"):
        render(HELLO, "svg", engine="dot")


def test_a_pygraphviz_that_fails_to_import_is_reported(no_path, monkeypatch):
    package = no_path / "pygraphviz"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('libgvc.so: not found')", encoding="utf-8")
    # -S: without the environment's own pygraphviz.
    broken = [sys.executable, "-I", "-S", _layout.__file__, str(no_path), "svg", "dot", "60"]
    monkeypatch.setattr(render_module, "_commands", lambda *args: [broken])
    with pytest.raises(DrawingError, match=r"cannot be imported \(libgvc.so: not found\)"):
        render(HELLO, "svg", engine="dot")


def test_the_systems_dot_is_the_fallback(no_pygraphviz, no_path):
    fake_dot(no_path, "print(sys.argv[1:], sys.stdin.read())")
    picture = render(HELLO, "png", engine="nop2", dpi=200).decode()
    assert picture == f"['-Knop2', '-Tpng', '-Gdpi=200'] {HELLO}\n"


@pytest.mark.parametrize(
    ("said", "setting"),
    [("in routesplines, Pshortestpath failed", "-Gsplines=line"), ("trouble in init_rank", "-Gnewrank=true")],
)
@pytest.mark.skipif(sys.platform == "win32", reason="the fake `dot` is a script with a #! line")
def test_where_graphviz_fails_by_itself_another_setting_is_tried(said, setting, no_pygraphviz, no_path):
    fake_dot(no_path, f"if {setting!r} not in sys.argv: sys.exit('Error: {said}')\nprint(sys.argv[1:])")
    assert render(HELLO, "png", engine="dot", dpi=90).decode() == f"['-Kdot', '-Tpng', '-Gdpi=90', {setting!r}]\n"


@pytest.mark.skipif(sys.platform == "win32", reason="the fake `dot` is a script with a #! line")
def test_what_no_setting_mends_is_reported(no_pygraphviz, no_path):
    fake_dot(no_path, "sys.exit('Error: trouble in init_rank')")
    with pytest.raises(DrawingError, match="trouble in init_rank"):
        render(HELLO, "png", engine="dot")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("sys.exit('Error: no such thing')", "no such thing"),
        ("sys.exit(7)", "status 7: it gave no reason"),
        ("import os; os.kill(os.getpid(), 9)", "ended by signal 9"),
        ("while True: pass", "1 lines of DOT took longer"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="the fake `dot` is a script with a #! line")
def test_a_dot_that_fails_is_reported(script, message, no_pygraphviz, no_path):
    fake_dot(no_path, script)
    with pytest.raises(DrawingError, match=message):
        render(HELLO, "svg", engine="dot", timeout=2)


@pytest.mark.skipif(sys.platform == "win32", reason="the fake `dot` is a script with a #! line")
def test_a_dot_that_can_not_start_is_reported(no_pygraphviz, no_path):
    fake_dot(no_path, "").write_text("#!/no/such/program\n", encoding="utf-8")
    with pytest.raises(DrawingError, match="cannot start"):
        render(HELLO, "svg", engine="dot")


@pytest.mark.skipif(shutil.which("dot") is None, reason="the system has no `dot`")
def test_the_systems_own_dot(no_pygraphviz):
    assert render(HELLO, "svg", engine="dot").startswith(MAGIC["svg"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": "gif"},
        {"engine": "circo"},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"dpi": 0},
        {"dpi": float("inf")},
    ],
)
def test_arguments_outside_their_values_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(UsageError, match=f"render: {name} is"):
        render(HELLO, **{"format": "svg", "engine": "dot", **wrong})


def pixels(png):
    return struct.unpack(">II", png[16:24])


@pytest.mark.parametrize("dpi", [72, 96, 150.5, 300])
def test_a_png_has_the_dots_an_inch_that_it_was_asked_for(dpi):
    png = render(PLACED, "png", engine="nop2", dpi=dpi)
    at = png.index(b"pHYs")
    across, down, unit = struct.unpack(">IIB", png[at + 4 : at + 13])
    assert (across, down, unit) == (round(dpi / 0.0254), round(dpi / 0.0254), 1)
    assert zlib.crc32(png[at : at + 13]) == int.from_bytes(png[at + 13 : at + 17])
    points = render(PLACED, "svg", engine="nop2").decode()
    wide, high = (float(re.search(rf'{side}="(\d+)pt"', points)[1]) for side in ("width", "height"))
    assert pixels(png) == pytest.approx((wide / 72 * dpi, high / 72 * dpi), abs=dpi / 36)
    assert pixels(png)[0] / across * 1000 == pytest.approx(wide / 72 * 25.4, abs=1)


def test_a_png_without_dpi_says_that_it_has_96():
    assert struct.pack(">II", 3780, 3780) in render(HELLO, "png", engine="dot")


@pytest.mark.parametrize("dpi", [None, 300])
def test_a_png_that_graphviz_would_shrink_is_refused_with_what_fits(dpi):
    row = "digraph { rankdir=LR; " + "; ".join(f"a{i} -> a{i + 1}" for i in range(500)) + " }"
    with pytest.raises(DrawingError, match=r"32,767 pixels.*it fits with dpi=\d+, and SVG and PDF") as caught:
        render(row, "png", engine="dot", dpi=dpi)
    fits = int(re.search(r"dpi=(\d+)", str(caught.value))[1])
    wide, _ = pixels(render(row, "png", engine="dot", dpi=fits))
    assert 30_000 < wide < 32_768


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system's own fonts are taken")
def test_every_letter_comes_from_the_fonts_of_this_package(monkeypatch):
    monkeypatch.delenv("FONTCONFIG_FILE", raising=False)
    label = '<<I>C</I> &#963; × tanh <FONT FACE="DejaVu Sans,Helvetica"><I>C̃</I></FONT>∘ ᵀ>'
    pdf = render(f'digraph {{ node [fontname="{FONT}"]; x [label={label}] }}', "pdf", engine="dot")
    streams = [zlib.decompress(s) for s in re.findall(rb"stream\r?\n(x.*?)\r?\nendstream", pdf, re.DOTALL)]
    names = {n.decode() for text in (pdf, *streams) for n in re.findall(rb"/BaseFont\s*/[A-Z]{6}\+([\w-]+)", text)}
    assert names
    assert {name.partition("-")[0] for name in names} <= {"LSTMSans", "LSTMSigns"}


def test_fonts_of_ones_own_are_left(monkeypatch):
    monkeypatch.setenv("FONTCONFIG_FILE", "/of/ones/own")
    seen = {}
    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **options: real(*args, **(seen.update(options) or options)))
    render(HELLO, "svg", engine="dot")
    assert seen["env"]["FONTCONFIG_FILE"] == "/of/ones/own"


def test_the_fonts_have_the_signs_of_every_operation():
    fonts = Path(_layout.__file__).with_name("fonts")
    known = set().union(*[TTFont(path).getBestCmap() for path in fonts.glob("*-regular.ttf")])
    labels = "".join(record.label for record in OPS.values()) + "−×÷·∘⊙∂Σσ…→⇉•○′₀₉⁰⁹⁻ᵀʸˣₜ␣⏎⇥̃̄̂"
    assert [c for c in labels if ord(c) not in known] == []
