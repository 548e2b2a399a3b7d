"""Lazy imports: the public names of a package, each loaded on first use."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from listing_vibes.errors import needs


def import_lazily(package: str, modules: Mapping[str, str], extra: str, name: str) -> Any:
    """Return the object `name` of a `package`, whose `modules` map names to modules; for the package's `__getattr__`.

    Raises:
        AttributeError: there is no object of that name.
        VibesError: it needs a library of an `extra` that is not installed.
    """
    if name not in modules:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    with needs(f"{package}.{name}", extra):
        module = import_module(modules[name])
    return getattr(module, name)
