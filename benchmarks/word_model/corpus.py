"""The sentences of Python's documentation as words: ``python -m benchmarks.word_model.corpus OUT``.

The documentation comes with Debian's package ``python3.11-doc``. Of its text the paragraphs of prose are taken, in
lower case, with punctuation as words of its own and ``N`` for each number, a paragraph on a line. Every tenth document
is for validation, and every tenth for the test.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path("/usr/share/doc/python3.11/html/_sources")
WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+|[.,;:?!()]")
ROLE = re.compile(r":[a-z:+-]+:`[!~]?([^`<]*)(?:<[^>]*>)?`")
CODE = (">>>", "...", "+--", "==", "#")
MARKS = (".. ", ":", "=", "-", "~", "*****")


def paragraphs(text: str) -> Iterator[list[str]]:
    """The words of each paragraph of prose in a reStructuredText document.

    >>> list(paragraphs("The :class:`list` has 3 methods of its own.\\n\\n>>> [1, 2].sort()"))
    [['the', 'list', 'has', 'N', 'methods', 'of', 'its', 'own', '.']]
    """
    for block in re.split(r"\n\s*\n", text):
        lines = [line.strip() for line in block.splitlines()]
        if any(line.startswith(CODE) for line in lines):
            continue
        body = " ".join(line for line in lines if not line.startswith(MARKS))
        words = WORD.findall(ROLE.sub(r"\1", body).replace("``", "").lower())
        if len(words) >= 6 and sum(word[0].isalpha() for word in words) > 0.6 * len(words):
            yield ["N" if word.isdigit() else word for word in words]


def main() -> None:
    """Write the three texts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sources", type=Path, default=SOURCES, help="folder of .rst.txt files (%(default)s)")
    arguments = parser.parse_args()
    documents = sorted(arguments.sources.rglob("*.rst.txt"))
    if not documents:
        parser.error(f"{arguments.sources} holds no documents; apt-get install python3.11-doc")
    texts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for k, document in enumerate(documents):
        part = {4: "valid", 9: "test"}.get(k % 10, "train")
        texts[part] += [" ".join(words) for words in paragraphs(document.read_text(encoding="utf-8"))]
    arguments.out.mkdir(parents=True, exist_ok=True)
    for part, lines in texts.items():
        (arguments.out / f"{part}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{part}: {sum(len(line.split()) + 1 for line in lines):,} words, {len(lines):,} paragraphs")


if __name__ == "__main__":
    main()
