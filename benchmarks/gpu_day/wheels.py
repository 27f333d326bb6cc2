"""Packages that the machine lacks, from a folder of wheels: nothing is installed, and no network is needed."""

import zipfile
from pathlib import Path

__all__ = ["search_path", "unpacked"]


def unpacked(wheels: Path, target: Path) -> list[str]:
    """Unpack all wheels of a folder into ``target``, and return their names. They must be pure Python.

    >>> unpacked(Path("no such folder"), Path("nowhere"))
    []
    """
    names = []
    for wheel in sorted(wheels.glob("*.whl")):
        if not wheel.name.endswith("-none-any.whl"):
            continue
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)
        names.append(wheel.name)
    return names


def search_path(checkout: Path, target: Path) -> list[str]:
    """Python's search path: the code of the checkout first, then the wheels for what else is missing.

    Among that are the entry points of this package, by which its backends are found.
    """
    return [str(checkout), str(checkout / "backends"), str(target)]
