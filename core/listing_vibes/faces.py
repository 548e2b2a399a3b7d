"""What a package offers from its modules, each loaded when it is first asked for."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from listing_vibes.errors import needs


def face(package: str, faces: Mapping[str, str], extra: str, name: str) -> Any:
    """The object `name` of a `package` whose `faces` say which module has it: its `__getattr__`.

    Raises:
        AttributeError: there is none of that name.
        VibesError: it needs a library that comes with an `extra` of ours.
    """
    if name not in faces:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    with needs(f"{package}.{name}", extra):
        module = import_module(faces[name])
    return getattr(module, name)
