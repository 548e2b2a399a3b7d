"""Extension points: one class in one file, found because the file lies in its package."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Generic, TypeVar

from listing_vibes.errors import VibesError

T = TypeVar("T")


class Registry(Mapping[str, type[T]], Generic[T]):
    """The extensions of one kind by name: each a class that derives from `base`, alone in a module of `package`.

    The module's name is the extension's: with the separator "-", `inside_airbnb.py` holds "inside-airbnb". A module
    whose name begins with `_` is a helper and holds none. Names are read from the folder; a module is imported when
    its class is asked for, so that knowing what there is costs neither torch nor what the modules import.

        >>> from listing_vibes.market.importers import IMPORTERS
        >>> "houses" in IMPORTERS
        True
        >>> IMPORTERS["houses"].__name__
        'Houses'
    """

    def __init__(self, package: str, base: type[T], what: str, separator: str = "-") -> None:
        self._package, self._base, self._what, self._separator = package, base, what, separator

    @cached_property
    def _modules(self) -> dict[str, str]:
        """Module by name, in the order of the names."""
        folder = list(importlib.import_module(self._package).__path__)
        found = sorted(one.name for one in pkgutil.iter_modules(folder) if not one.name.startswith("_"))
        return {name.replace("_", self._separator): name for name in found}

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __contains__(self, name: object) -> bool:  # Mapping's own would import the module
        return name in self._modules

    def __getitem__(self, name: str) -> type[T]:
        """The class called `name`.

        Raises:
            VibesError: there is none.
            TypeError: the module holds not exactly one class that derives from the base.
        """
        if name not in self._modules:
            raise VibesError(f"There is no {self._what} '{name}'; choose one of {', '.join(self)}.")
        module = importlib.import_module(f"{self._package}.{self._modules[name]}")
        mine = [
            one
            for one in vars(module).values()
            if isinstance(one, type) and issubclass(one, self._base) and one.__module__ == module.__name__
        ]
        if len(mine) != 1:
            raise TypeError(f"{module.__name__} must hold one {self._base.__name__}, and holds {len(mine)}")
        return mine[0]

    def known(self, name: str) -> str:
        """The name itself; a validator for pydantic that refuses another as a `Literal` of all names would."""
        return one_of(name, tuple(self))


def one_of(name: str, names: tuple[str, ...]) -> str:
    """The name itself; in a validator of pydantic any other is refused as a `Literal` of the `names` would."""
    from pydantic_core import PydanticCustomError  # light commands know names without it

    if name not in names:
        *most, last = (f"'{one}'" for one in names)
        expected = f"{', '.join(most)} or {last}" if most else last
        raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})
    return name
