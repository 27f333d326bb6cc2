"""What the machine lacks, out of a folder of wheels: nothing is installed there, and no network is needed."""

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
    """Where Python looks: the code is that of the checkout; the wheels bring what else is missing.

    Among that are the entry points of this package, by which its backends are found.
    """
    return [str(checkout), str(checkout / "backends"), str(target)]
