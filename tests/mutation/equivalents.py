"""The changes that make no difference to be seen, each with the reason; in ``equivalents.txt``.

A file's name without a space in front; below it, for each change, its function, its line, and what it says before and
after, with the reason under it. A change is known by its text: its line may move.
"""

from collections.abc import Iterable
from pathlib import Path

from tests.mutation.mutants import Mutant

__all__ = ["Key", "key", "read", "without"]

Key = tuple[str, str, str, str, str]
_LIST = Path(__file__).with_name("equivalents.txt")


def key(mutant: Mutant) -> Key:
    """What a change is known by: file, function, line, before, after."""
    return (mutant.path.as_posix(), mutant.function, mutant.source, mutant.before, mutant.after)


def read() -> dict[Key, str]:
    """The listed changes, and the reason of each."""
    found: dict[Key, str] = {}
    pending: list[Key] = []
    file = ""
    for line in _LIST.read_text(encoding="utf-8").splitlines() if _LIST.exists() else []:
        words = line.strip()
        if not words or line.startswith("#"):
            continue
        if not line.startswith(" "):
            file = words
        elif line.startswith("        "):
            found.update((k, words) for k in pending if k not in found)
            pending = [k for k in pending if k not in found]
        else:
            function, _, rest = words.partition(" |: ")
            source, _, change = rest.rpartition(" |: ")
            before, _, after = change.partition("  →  ")
            pending.append((file, function.removeprefix("module"), source, before, after))
    return found


def without(mutants: Iterable[Mutant], known: dict[Key, str]) -> list[Mutant]:
    """Those that are not listed."""
    return [m for m in mutants if key(m) not in known]
