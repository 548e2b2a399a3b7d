"""Notebooks of the docs: `python -m helpers.notebooks`, from the folder `tests`, runs all and stores their outputs."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat

from helpers.pages import DOCS, ROOT

NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Return a notebook with the outputs of a run in `folder`, as they are stored.

    Left out are progress and warnings (stderr), the state of widgets with its photos, paths of this machine and addresses in memory.
    """
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=600, coalesce_streams=True, resources={"metadata": {"path": folder}}
    ).execute()
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                clean(output)
    return notebook


def clean(output: nbformat.NotebookNode) -> None:
    """Remove from an output what only this machine and this run have."""
    texts = output.get("data", output)
    texts.pop("application/vnd.jupyter.widget-view+json", None)
    for kind in ("text", "text/plain", "text/html"):
        if kind in texts:
            text = texts[kind].replace(f"{ROOT}/", "")
            text = re.sub(r"<[\w.]*?(\w+) object at 0x[0-9a-f]+>", r"\1", text)
            texts[kind] = re.sub(r"/\S*/tmp\w+/|/tmp/\w+/", "/tmp/folder/", text)


def shape(notebook: nbformat.NotebookNode) -> list:
    """Return what must not differ between two runs: the kinds of each cell's outputs, and the headers of its tables."""
    return [
        [
            (output.output_type, sorted(data := output.get("data", {})), headers(data.get("text/html", "")))
            for output in cell.outputs
        ]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def headers(html: str) -> list[str]:
    """Return the texts of a table's header cells."""
    return re.findall(r"<th>(.*?)</th>", html)


if __name__ == "__main__":
    for path in NOTEBOOKS:
        with TemporaryDirectory() as folder:
            nbformat.write(execute(path, Path(folder)), path)
