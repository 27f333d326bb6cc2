"""The findings, one JSON object in each line, which is on the disk before the next check begins."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["Record"]

_LONGEST: Final = 4000
"""The most characters of a text; a longer one loses its middle."""
_MOST: Final = 1_700_000
"""The most bytes of the file, so that with the summary and the logs it stays below 2 MB."""


class Record:
    """A file of findings. Those of a check have its ``part``, its ``check`` and whether it is ``ok``.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     record = Record(Path(folder) / "gpu.jsonl")
    ...     record.add("smoke", "tanh", True, seconds=0.5)
    ...     record.lines()
    [{'part': 'smoke', 'check': 'tanh', 'ok': True, 'seconds': 0.5}]
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, part: str, check: str, ok: bool, **found: Any) -> None:
        """Write one line. A full file takes no more, but for a last line that says so."""
        line = json.dumps({"part": part, "check": check, "ok": ok, **_shortened(found)}, default=str)
        size = self.path.stat().st_size if self.path.exists() else 0
        if size > _MOST:
            return
        if size + len(line) > _MOST:
            line = json.dumps({"part": part, "check": "the record is full", "ok": False})
            line += " " * (_MOST - size)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def lines(self) -> list[dict[str, Any]]:
        """All findings; a line that was cut off when a process died is left out."""
        if not self.path.exists():
            return []
        findings = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                findings.append(json.loads(line))
            except ValueError:
                continue
        return findings

    def begin(self, check: str) -> None:
        """Note the check that begins, in case the process dies before it can write its line."""
        self._current.write_text(check, encoding="utf-8")

    @property
    def current(self) -> str:
        """The check that began last."""
        return self._current.read_text(encoding="utf-8") if self._current.exists() else ""

    @property
    def _current(self) -> Path:
        return self.path.with_suffix(".current")


def _shortened(value: Any) -> Any:
    """
    >>> len(_shortened({"text": "x" * 10_000})["text"])
    4005
    """
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[: _LONGEST // 2]}\n...\n{value[-_LONGEST // 2 :]}"
    if isinstance(value, Mapping):
        return {str(key): _shortened(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(v) for v in value[:200]]
    return value
