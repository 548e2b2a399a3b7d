"""`/openapi.json`, made once, and `/docs`, the same document as a page that loads nothing from anywhere and runs no script."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.responses import Response
from jinja2 import Environment, PackageLoader, StrictUndefined

OPENAPI, DOCS = "/openapi.json", "/docs"
#: The page has its styles within itself.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

Schema = Mapping[str, Any]


def add_docs(app: FastAPI, token: bool) -> None:
    """Serve the OpenAPI document of all routes so far, and the page of it.

    Args:
        token: whether requests need a token, as the document then says.
    """
    document = app.openapi()
    if token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    content, page = json.dumps(document).encode(), docs_page(document).encode()

    @app.get(OPENAPI, include_in_schema=False)
    async def openapi() -> Response:
        return Response(content, media_type="application/json")

    @app.get(DOCS, include_in_schema=False)
    async def docs() -> Response:
        return Response(page, media_type="text/html", headers={"content-security-policy": POLICY})


def docs_page(document: Schema) -> str:
    """Return an OpenAPI document as one page of HTML."""
    schemas = document["components"]["schemas"]
    environment = Environment(
        loader=PackageLoader("listing_vibes.serving.service", "."), autoescape=True, undefined=StrictUndefined
    )
    environment.globals |= {
        "fields": lambda content: list(_fields(schemas, _json_schema(content))),
        "type_of": lambda schema: _type_name(schemas, schema),
    }
    return environment.get_template("docs.html").render(document=document)


def _json_schema(content: Schema) -> Schema:
    """The schema of the JSON of a request or response; empty where it has none."""
    schema: Schema = content.get("content", {}).get("application/json", {}).get("schema", {})
    return schema


def _fields(schemas: Schema, schema: Schema, prefix: str = "") -> Iterator[dict[str, Any]]:
    """The fields of an object, each followed by the fields of the objects in it, as OpenAPI has parameters."""
    schema = _resolve(schemas, schema)
    for name, field in schema.get("properties", {}).items():
        yield {"name": prefix + name, "schema": field, "required": name in schema.get("required", ())}
        inner = _resolve(schemas, field)
        suffix = "[]." if "items" in inner else "."
        yield from _fields(schemas, inner.get("items", inner), prefix + name + suffix)


def _resolve(schemas: Schema, schema: Schema) -> Schema:
    """Follow references; of alternatives take the first, which is the plain one."""
    while "$ref" in schema or "anyOf" in schema:
        schema = schema["anyOf"][0] if "anyOf" in schema else schemas[schema["$ref"].rpartition("/")[2]]
    return schema


def _type_name(schemas: Schema, schema: Schema) -> str:
    if "anyOf" in schema:
        names = [_type_name(schemas, one) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(names))
    schema = _resolve(schemas, schema)
    if "items" in schema:
        return f"list of {_type_name(schemas, schema['items'])}"
    bounds = [
        f"{sign} {schema[key]:g}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in schema
    ]
    return " ".join([schema.get("type", "any"), *bounds])
