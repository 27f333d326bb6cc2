"""einops learns of tensors when it is imported, before or after this package, and is never imported for that."""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Final

__all__ = ["register_with_einops"]

_REGISTRY: Final = "einops._backends"
"""Where einops looks for the libraries that it knows: among the subclasses of a class in this module."""


def register_with_einops() -> None:
    """Make ``einops.rearrange``, ``reduce``, ``repeat``, ``einsum``, ``pack`` and ``unpack`` take tensors."""
    if _REGISTRY in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _WhenImported())


def _register() -> None:
    importlib.import_module("tinygrad_lstm.interchange.einops_backend")


class _WhenImported(MetaPathFinder):
    """Finds the one module as Python does, once, with a loader that registers behind it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The specification of einops' registry; of any other module None, so that others find it."""
        if fullname != _REGISTRY:
            return None
        sys.meta_path.remove(self)
        found = PathFinder.find_spec(fullname, path)
        if found is not None and found.loader is not None:
            found.loader = _Registering(found.loader)
        return found


class _Registering(Loader):
    """Loads a module by its own loader, and registers then."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the module's own loader does."""
        made: ModuleType | None = self._own.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, with its own loader in its place again."""
        module.__loader__ = self._own
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        self._own.exec_module(module)
        _register()
