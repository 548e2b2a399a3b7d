"""Exports of a trained run: files that run, near enough to the model, and a word where they are not."""

import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import numpy as np
import pytest

from helpers.copies import copied, resealed
from listing_vibes import cli
from listing_vibes.errors import VibesError
from listing_vibes.model.export.formats import FORMATS
from listing_vibes.run.run import Run
from listing_vibes.serving.export import model as exported
from listing_vibes.serving.export.model import (
    ExportCheck,
    ExportedModel,
    check_export,
    export_run,
    read_manifest,
)


@pytest.fixture(scope="module")
def made(trained, tmp_path_factory):
    """The folder, what was printed and how it ended: one command that asks more of int8 than it can give."""
    folder = tmp_path_factory.mktemp("export")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exported, "LEAST", 0.99999)
        ended = vibes("export", trained.path, folder, "--format", "onnx", "--format", "int8", "--json")
    return folder, *ended


@pytest.fixture(scope="module")
def out(made):
    return made[0]


def vibes(*arguments) -> tuple[str, str, int]:
    """Output, errors and exit code of the command."""
    output, errors, code = StringIO(), StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        patch.setattr(sys, "argv", ["vibes", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return output.getvalue(), errors.getvalue(), code


@pytest.mark.slow
def test_onnx_is_the_model_for_any_number_and_length_of_rows(trained, out):
    opened, log = ExportedModel.open(trained, out, "onnx"), trained.log
    engine = trained.engine.in_float32()
    table = engine.encode_listings()
    for rows in ([5], [5, 0, 119], np.arange(100)):
        np.testing.assert_allclose(opened.encode_listings(np.array(rows)), table[rows], atol=1e-5)
    for users in ([0], [3, 1], np.arange(40)):
        start, end = log.start[users], log.start[np.array(users) + 1]
        expected = engine.encode_histories(log, start, end, table)
        np.testing.assert_allclose(opened.encode_histories(start, end, table), expected, atol=1e-5)


@pytest.mark.slow
def test_an_export_is_compared_with_the_model(trained, out):
    exact, small = (check_export(trained, out, format) for format in ("onnx", "int8"))
    assert exact.overlap == 1 and exact.lowest > 0.99999
    assert exact.listings == len(trained.listing_ids) and exact.histories == len(trained.log.users)
    assert small.listing_cosine > 0.99 and small.lowest < exact.lowest
    assert (out / "listings.int8.onnx").stat().st_size < (out / "listings.onnx").stat().st_size


@pytest.mark.parametrize("name", ["listing_cosine", "history_cosine", "overlap"])
def test_each_measure_counts(name):
    good = {
        "listings": 9,
        "histories": 9,
        "listing_cosine": 1.0,
        "history_cosine": 0.99,
        "lowest": 0.5,
        "overlap": 0.98,
    }
    assert ExportCheck(**good).holds and not ExportCheck(**good | {name: 0.979}).holds


@pytest.mark.slow
def test_an_export_of_another_model_or_format_is_refused(trained, out, tmp_path):
    with pytest.raises(VibesError, match="no export as onnx"):
        ExportedModel.open(trained, tmp_path, "onnx")
    other = copied(trained, tmp_path)
    weights = bytearray((other.path / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other.path / "model.safetensors").write_bytes(weights)
    resealed(other.path)
    with pytest.raises(VibesError, match="from another model"):
        check_export(Run.open(other.path), out, "onnx")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "export.json").write_text("{")
    with pytest.raises(VibesError, match=r"export\.json is damaged"):
        ExportedModel.open(trained, broken, "onnx")
    (broken / "export.json").write_text(json.dumps(read_manifest(out)))
    (broken / "listings.onnx").write_bytes(b"no graph")
    with pytest.raises(VibesError, match=r"\.onnx cannot be opened"):
        ExportedModel.open(trained, broken, "onnx")


def test_without_a_model_there_is_nothing_to_export(bare, tmp_path):
    with pytest.raises(VibesError, match="no trained model"):
        export_run(bare, tmp_path / "out", "onnx")


@pytest.mark.slow
def test_the_command_checks_and_ends_with_2_where_an_export_falls_short(made):
    folder, output, errors, code = made
    document = json.loads(output)
    assert document["onnx"]["overlap"] == 1 and document["int8"]["overlap"] < 1
    assert all((folder / name).is_file() for name in ("listings.onnx", "histories.int8.onnx"))
    assert code == 2 and "export as int8 is below" in errors and "Traceback" not in errors


def test_another_format_is_refused(trained, tmp_path):
    output, errors, code = vibes("export", trained.path, tmp_path / "out", "--format", "tensorrt")
    assert code == 2 and f"use one of {', '.join(FORMATS)}" in errors and not output
    assert not (tmp_path / "out").exists()
