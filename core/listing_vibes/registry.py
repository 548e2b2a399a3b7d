"""Extension points: a class per module of a package, or of an installed package's entry point."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from listing_vibes.errors import VibesError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


@dataclass(frozen=True)
class Plugin:
    """An entry point of an installed package."""

    entry: EntryPoint

    @property
    def distribution(self) -> str:
        """Return name and version of the package, the name as for `pip uninstall`."""
        result = self.entry.dist
        return f"{result.name} {result.version}" if result is not None else self.entry.value

    def load(self, what: str) -> Any:
        """Import the object of the entry point; `what` is its kind for messages, such as "baseline".

        Raises:
            VibesError: it cannot be imported; the message names the package.
        """
        try:
            return self.entry.load()
        except Exception as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise VibesError(
                f"The {what} '{self.entry.name}' of the installed package {self.distribution} cannot be loaded ({reason}); "
                "update or uninstall that package."
            ) from error


@cache
def installed_entry_points() -> Any:
    """Return the entry points of all installed packages; cached, since reading two hundred packages takes 40 ms."""
    from importlib.metadata import entry_points

    return entry_points()


@cache
def plugins_of(group: str) -> dict[str, list[Plugin]]:
    """Return the plugins of an entry point group by name, several if packages use the same name; they are not imported."""
    values: dict[str, list[Plugin]] = {}
    for entry in sorted(
        installed_entry_points().select(group=group), key=lambda item: (item.name, item.value)
    ):
        values.setdefault(entry.name, []).append(Plugin(entry))
    return values


class Registry(Mapping[str, type[T]], Generic[T]):
    """The extensions of one kind by name: each a subclass of `base`, the only one in a module of `package`, or a plugin.

    An extension has the name of its module: with the separator "-", `inside_airbnb.py` has "inside-airbnb". A module
    whose name begins with `_` is a helper without an extension. Names are read from the folder and from the entry points `group` of
    installed packages; a module is imported when its class is requested, so that listing the names imports nothing. A plugin with
    the name of a built-in extension or of another plugin is refused when that name is requested. `elsewhere` names classes of other
    packages of ours, as "module:Class", which are also imported only when requested.

        >>> from listing_vibes.market.importers import IMPORTERS
        >>> "hm" in IMPORTERS
        True
        >>> IMPORTERS["hm"].__name__
        'HM'
    """

    def __init__(
        self,
        package: str,
        base: type[T],
        what: str,
        separator: str = "-",
        group: str | None = None,
        elsewhere: Mapping[str, str] | None = None,
    ) -> None:
        self._package, self._base, self._what, self._separator = package, base, what, separator
        self._group, self._elsewhere = group, elsewhere or {}

    @cached_property
    def _modules(self) -> dict[str, str]:
        """Return the modules by name, sorted by name."""
        folder = list(importlib.import_module(self._package).__path__)
        results = sorted(
            iter_module.name
            for iter_module in pkgutil.iter_modules(folder)
            if not iter_module.name.startswith("_")
        )
        return dict(
            sorted(
                {**self._elsewhere, **{name.replace("_", self._separator): name for name in results}}.items()
            )
        )

    @property
    def plugins(self) -> dict[str, list[Plugin]]:
        """Return the plugins of installed packages by name."""
        return {} if self._group is None else plugins_of(self._group)

    def __iter__(self) -> Iterator[str]:
        yield from self._modules
        yield from (name for name in self.plugins if name not in self._modules)

    def __len__(self) -> int:
        return len(self._modules.keys() | self.plugins.keys())

    def __contains__(self, name: object) -> bool:  # Mapping's default would import the module
        return name in self._modules or name in self.plugins

    def __getitem__(self, name: str) -> type[T]:
        """Return the class called `name`.

        Raises:
            VibesError: there is no such class, or a plugin cannot be used.
            TypeError: the module does not have exactly one subclass of the base.
        """
        if name not in self:
            raise VibesError(f"There is no {self._what} '{name}'; choose one of {', '.join(self)}.")
        if name in self.plugins:
            return self._of_plugin(name)
        if name in self._elsewhere:
            return cast(type[T], load(self._elsewhere[name]))
        module = importlib.import_module(f"{self._package}.{self._modules[name]}")
        mine = [
            var
            for var in vars(module).values()
            if isinstance(var, type) and issubclass(var, self._base) and var.__module__ == module.__name__
        ]
        if len(mine) != 1:
            raise TypeError(f"{module.__name__} must hold one {self._base.__name__}, and holds {len(mine)}")
        return mine[0]

    def _of_plugin(self, name: str) -> type[T]:
        """Return the class of the plugin called `name`.

        Raises:
            VibesError: the name is taken, the plugin cannot be imported, or its object is not such a class.
        """
        plugin, *others = self.plugins[name]
        if others or name in self._modules:
            other = others[0].distribution if others else "Listing Vibes"
            raise VibesError(
                f"The installed package {plugin.distribution} names its {self._what} '{name}', as {other} does; rename it there, "
                "or uninstall that package."
            )
        result = plugin.load(self._what)
        is_class = isinstance(result, type) and issubclass(result, self._base)
        missing = sorted(getattr(result, "__abstractmethods__", ())) if is_class else []
        if missing or not is_class:
            lacks = f"lacks {', '.join(missing)}" if missing else f"is no {self._base.__name__}"
            raise VibesError(
                f"The {self._what} '{name}' of the installed package {plugin.distribution} cannot be used ({plugin.entry.value} "
                f"{lacks}); update or uninstall that package."
            )
        return cast(type[T], result)

    def known(self, name: str) -> str:
        """Validate a name for pydantic, with the error of a `Literal` of all names."""
        return one_of(name, tuple(self))


def load(path: str) -> Any:
    """Return the object that a "module:name" of this package names, imported now, so that the default imports no variant."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def one_of(name: str, names: tuple[str, ...]) -> str:
    """Validate a name for pydantic, with the error of a `Literal` of the `names`."""
    from pydantic_core import PydanticCustomError  # light commands use names without it

    if name not in names:
        *most, last = (f"'{name}'" for name in names)
        expected = f"{', '.join(most)} or {last}" if most else last
        raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})
    return name
