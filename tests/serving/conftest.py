"""What tests of the database of a service share."""

import pytest

from helpers.postgres import postgres


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def place(request, tmp_path):
    """Where a store may be made."""
    if request.param == "sqlite":
        yield str(tmp_path / "store")
    else:
        with postgres() as address:
            yield address
