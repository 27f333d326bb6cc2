"""Every Python block of the documents runs, in order, in a folder of its own."""

import contextlib
import html
import inspect
import io
import re
import runpy
import textwrap
from pathlib import Path

import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.graph.registry import OPS

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def blocks(document: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def run(block: str, names: dict[str, object]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(block, "<document>", "exec"), names)
    return out.getvalue()


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if blocks(d)], ids=lambda d: d.name)
def test_blocks_run(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks(document):
        run(block, names)


def test_readme_example_answers_as_its_comments_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    block = blocks(ROOT / "README.md")[0]
    assert len(block.splitlines()) <= 12
    answer, gates, shape = run(block, {}).splitlines()
    assert answer.startswith("2·x·cos(x²) 1.08060")
    numbers = [float(n) for n in gates.strip("[]").split()]
    assert len(numbers) == 4
    assert all(0 < n < 1 for n in numbers)
    assert shape == "(7, 4)"
    assert (tmp_path / "lstm.svg").read_text(encoding="utf-8").lstrip().startswith("<svg")


def test_readme_lists_the_cell_as_it_is() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (listing,) = re.findall(r"^```text\n(hx = .*?)^```$", readme, re.MULTILINE | re.DOTALL)
    source = textwrap.dedent(inspect.getsource(tl.nn.LSTMCell.gates))
    assert textwrap.indent(listing, "    ") in source


@pytest.mark.parametrize(
    ("page", "least"),
    [("start.md", 6), ("coming-from.md", 1), ("lowering.md", 1), ("transforms.md", 10), ("interchange.md", 1)],
)
def test_pages_say_what_their_code_prints(
    page: str, least: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    pairs = re.findall(r"^```python\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", text, re.MULTILINE | re.DOTALL)
    assert sum(bool(said) for _, said in pairs) >= least
    for block, said in pairs:
        assert run(block, names) == said


def test_the_op_table_is_that_of_the_code() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "op_table.py"))
    assert page["PAGE"].read_text(encoding="utf-8") == page["table"](), "run `python docs/op_table.py`"


def test_every_primitive_says_what_it_is() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "op_table.py"))
    assert [name for name, op in OPS.items() if op.kind != "compiled" and not page["summary"](name)] == []


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            if not target.startswith(("http://", "https://")):
                assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_picture_of_the_rooms_is_that_of_the_source() -> None:
    packages = runpy.run_path(str(ROOT / "docs" / "packages.py"))
    assert set(packages["SUBJECTS"]) - {"backends"} == {
        path.parent.name for path in (ROOT / "tinygrad_lstm").glob("*/__init__.py")
    }
    titles = re.findall(r"<title>(.*?)</title>", packages["PICTURE"].read_text(encoding="utf-8"))
    drawn = {tuple(html.unescape(title).split("->")) for title in titles if "->" in html.unescape(title)}
    assert drawn == set(packages["reduced"](packages["rooms"]()))


def test_the_glossary_is_in_alphabetical_order() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| \*\*(.+?)\*\* \|", text, re.MULTILINE)
    assert len(words) > 50
    assert words == sorted(words, key=str.lower)
