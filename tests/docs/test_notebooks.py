"""The notebooks are the pages, and run from top to bottom."""

import re
import runpy
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

DOCS = Path(__file__).parent.parent.parent / "docs"
MADE = runpy.run_path(str(DOCS / "notebooks.py"))
QUICK = "looking"


@pytest.mark.parametrize("page", MADE["PAGES"])
def test_it_is_in_step_with_its_page(page: str) -> None:
    written = (MADE["FOLDER"] / f"{page}.ipynb").read_text(encoding="utf-8")
    assert written == MADE["notebook"](page) + "\n", "run `python docs/notebooks.py`"
    nbformat.validate(nbformat.reads(written, as_version=4))


@pytest.mark.parametrize("page", MADE["PAGES"])
def test_its_pictures_and_links_are_there(page: str) -> None:
    written = (MADE["FOLDER"] / f"{page}.ipynb").read_text(encoding="utf-8")
    for target in re.findall(r"\]\((\.\./[^)#]+)", written):
        assert (MADE["FOLDER"] / target).exists(), target


@pytest.mark.parametrize(
    "page", [QUICK, *[pytest.param(p, marks=pytest.mark.slow) for p in MADE["PAGES"] if p != QUICK]]
)
def test_it_runs_and_prints_what_the_page_says(page: str, tmp_path: Path) -> None:
    notebook = nbformat.reads(MADE["notebook"](page), as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    blocks = re.findall(
        r"^```python\n.*?^```\n(?:\n```text\n(.*?)^```\n)?",
        (DOCS / f"{page}.md").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    assert len(blocks) == len(cells)
    for cell, said in zip(cells, blocks, strict=True):
        printed = "".join(o["text"] for o in cell["outputs"] if o["output_type"] == "stream" and o["name"] == "stdout")
        assert not said or printed == said
        if re.search(r"^tl\.draw\.[^\n]*$\Z", cell["source"], re.MULTILINE):
            shown = [o for o in cell["outputs"] if o["output_type"] in ("display_data", "execute_result")]
            assert any({"image/svg+xml", "text/html"} & set(o["data"]) for o in shown), cell["source"]


def test_pictures_are_shown_where_a_page_saves_them() -> None:
    code = 'tl.draw.page(x).save("a.html")\ntl.draw.cell(cell).save("b.svg")  # a picture\n'
    assert MADE["shown"](code) == "display(tl.draw.page(x))\ntl.draw.cell(cell)  # a picture"
