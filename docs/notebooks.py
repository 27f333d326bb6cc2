"""Write ``docs/notebooks/*.ipynb``, pages for Jupyter, made of the pages: ``python docs/notebooks.py``.

A block of Python becomes a cell; what it prints is left out, since the cell prints it; everything else is text. Where a
page saves a picture, the notebook shows it.
"""

import json
import re
from pathlib import Path

DOCS = Path(__file__).parent
FOLDER = DOCS / "notebooks"
PAGES = ("start", "own-cell", "looking", "speed", "gpu")

_BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n.*?^```\n)?", re.MULTILINE | re.DOTALL)
_SAVED = re.compile(r"^(tl\.draw\..*)\.save\(\"[^\"]*\"\)( +#.*)?$")


def shown(code: str) -> str:
    """Code that shows its pictures in the notebook instead of saving them."""
    lines = code.rstrip("\n").split("\n")
    for k, line in enumerate(lines):
        if match := _SAVED.fullmatch(line):
            picture, comment = match[1], match[2] or ""
            lines[k] = f"{picture}{comment}" if k == len(lines) - 1 else f"display({picture}){comment}"
    return "\n".join(lines)


def text(markdown: str) -> str:
    """Markdown as seen from the folder of the notebooks; what folds out on a page lies open in a notebook."""
    markdown = re.sub(r"\]\((?!https?://|#|mailto:)", "](../", markdown)
    markdown = re.sub(r"<details><summary>(.*?)</summary>", r"*\1*", markdown)
    return markdown.replace("</details>", "").strip("\n")


def notebook(page: str) -> str:
    """The notebook of a page, as the text of its file."""
    cells = []

    def add(kind: str, source: str) -> None:
        if source:
            own = {"execution_count": None, "outputs": []} if kind == "code" else {}
            lines = source.splitlines(keepends=True)
            cells.append({"cell_type": kind, "id": f"{page}-{len(cells)}", "metadata": {}, "source": lines, **own})

    markdown, end = (DOCS / f"{page}.md").read_text(encoding="utf-8"), 0
    for block in _BLOCK.finditer(markdown):
        add("markdown", text(markdown[end : block.start()]))
        add("code", shown(block[1]))
        end = block.end()
    add("markdown", text(markdown[end:]))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    whole = {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in PAGES:
        (FOLDER / f"{name}.ipynb").write_text(notebook(name) + "\n", encoding="utf-8")
