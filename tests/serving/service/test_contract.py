"""The OpenAPI document is kept: schemathesis asks all it can think of, and every answer is one that the document names."""

from collections.abc import Iterator

import pytest
import schemathesis
from helpers.serving import listening
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from core.serving.service.api import Options, make_app
from core.serving.service.guard import Access
from core.serving.service.newest import NewestState

pytestmark = pytest.mark.slow

TOKEN = "a-token-of-many-characters"
ALLOWED = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def document(trained) -> Iterator[object]:
    app = make_app(NewestState(trained.path), Options(pause=0, access=Access(TOKEN.encode())))
    with listening(app) as port:
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json", headers=ALLOWED)


schema = schemathesis.pytest.from_fixture("document")


@schema.parametrize()
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_of_the_document(case):
    # No document can say which listings, attributes and moments a run has, so what it allows may be refused.
    case.call_and_validate(headers=ALLOWED, excluded_checks=[positive_data_acceptance])
