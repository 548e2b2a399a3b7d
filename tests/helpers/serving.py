"""A service in this process, asked as a client on this machine asks it."""

from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient


def serving(app: FastAPI, **told: Any) -> TestClient:
    """A client of the service, to be entered."""
    return TestClient(app, base_url="http://localhost", **told)
