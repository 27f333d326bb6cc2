"""Pictures as TikZ, which a LaTeX of the system compiles."""

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.draw.test_gallery import ENTRIES, TRAINED
from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.draw.tikz.letters import label_lines, latex_formula, latex_words
from tinygrad_lstm.draw.tikz.ways import ends_of, tikz_path

HOSTILE = ["漢字 ∂", "%$#&{}\\", "a_b^c~", '"<I>x</I>', "\x00\udc80", "é C̃ ñ", "[0], {a}", "\\end{document}", "∮"]
needs_latex = pytest.mark.skipif(
    shutil.which("pdflatex") is None,
    reason="there is no pdflatex: apt install texlive-latex-base texlive-pictures",
)


def compiled(drawings, folder):
    """The pages of one PDF for each drawing."""
    for k, drawing in enumerate(drawings):
        drawing.save(folder / f"{k}.tex")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{k}.tex"]
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
        log = done.stdout.decode("utf-8", "replace")
        assert done.returncode == 0, f"{drawing.title}: {log[-2000:]}"
        assert "(1 page" in log, f"{drawing.title} takes more than a page"
        yield log


@needs_latex
@pytest.mark.parametrize("name", [n for n, e in ENTRIES.items() if e.section == "Cells" and n not in TRAINED])
def test_every_cell_of_the_gallery_compiles(name, tmp_path):
    (log,) = compiled([ENTRIES[name].make()], tmp_path)
    assert "Missing character" not in log


@needs_latex
def test_other_pictures_compile(tmp_path, lstm):
    x = tl.symbol("x", (2, 3))
    pictures = [
        tl.draw.chain(lstm, legend=True),
        tl.draw.rolled(lstm),
        tl.draw.unrolled(lstm, beside_rolled=True),
        *(stage.drawing for stage in tl.draw.walkthrough(tl.nn.GRUCell(3, 4))),
        tl.draw.graph(lstm, tl.ones((3, 1, 3)), values="heat", theme="dark"),
        tl.draw.graph(lambda x: lstm(x)[0][-1], tl.ones((3, 1, 3)), loops="unrolled", flow=True),
        tl.draw.graph(tl.gradients(tl.softmax(tl.sin(x) ** 2 / x).sum(), x), title="50 % of σ"),
    ]
    assert len(list(compiled(pictures, tmp_path))) == len(pictures)


@needs_latex
def test_hostile_names_compile(tmp_path):
    total = sum((tl.sin(tl.symbol(name)).named(name) for name in HOSTILE), start=tl.symbol("x"))
    list(compiled([tl.draw.graph(total, title=" ".join(HOSTILE))], tmp_path))


def test_a_cell_is_nodes_and_paths_with_names(cell):
    text = tl.draw.cell(cell).tikz()
    assert r"\node[layer node, minimum width=42.75bp, minimum height=26.25bp] (layer1)" in text
    assert r"{$\tilde{C}_{t}$};" in text
    assert r"\draw[conveyor, pointed] (state2.east) -- (op1.west);" in text
    assert r"\draw[wire, pointed] (layer2.north) [rounded corners=11.25bp] -- " in text
    assert "controls" not in text


def test_each_edge_is_drawn_between_its_vertices():
    text = Drawing("digraph { rankdir=LR; a -> b; a -> c; b -> c }", "dot", "three").tikz()
    lines = [line for line in text.splitlines() if line.startswith(r"\draw")]
    assert len(lines) == 3
    assert all(f"({name}) at" in text for name in "abc")


points = st.tuples(st.integers(-50, 50), st.integers(-50, 50)).map(lambda p: (float(p[0]), float(p[1])))


@given(st.lists(points, min_size=4, max_size=13).filter(lambda ps: len(ps) % 3 == 1), points)
def test_a_path_begins_and_ends_where_the_curve_does(curve, tip):
    written = tikz_path(curve, tip)
    assert written.startswith(f"({curve[0][0]:g},{curve[0][1]:g})".replace("-0,", "0,"))
    assert written.endswith(f"({tip[0]:g},{tip[1]:g})")


def test_a_corner_is_rounded_and_not_a_curve():
    ((curve, tip),) = ends_of("e,20,40 0,0 3,0 6,0 10,0 15.52,0 20,4.48 20,10 20,15 20,20 20,30")
    assert tikz_path(curve, tip) == "(0,0) [rounded corners=10bp] -- (20,0) -- (20,40)"


@pytest.mark.parametrize(
    ("label", "line"),
    [
        ('<I>h</I><SUB><FONT POINT-SIZE="14">t−1</FONT></SUB>', "$h_{t-1}$"),
        ('<FONT FACE="DejaVu Sans"><I>C̃</I></FONT><SUB>t</SUB>', r"$\tilde{C}_{t}$"),
        ("a &amp; b", r"$a\ \&\ b$"),
        ("<I>W</I> is here", "$W$ is here"),
    ],
)
def test_labels_in_markup(label, line):
    assert label_lines(label, formula=True) == [line]


def test_a_table_is_lines():
    rows = '<TABLE><TR><TD>tanh</TD></TR><TR><TD><FONT POINT-SIZE="9">f32[3]</FONT></TD></TR></TABLE>'
    assert label_lines(rows, formula=True) == [r"$\tanh$", r"{\fontsize{9}{9}\selectfont f32[3]}"]


@given(st.text())
def test_any_text_has_closed_braces_and_dollars(text):
    for written in (latex_words(text), f"${latex_formula(text)}$"):
        plain = written.replace(r"\\", "").replace(r"\{", "").replace(r"\}", "").replace(r"\$", "")
        assert plain.count("{") == plain.count("}")
        assert plain.count("$") % 2 == 0
