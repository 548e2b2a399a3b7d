"""What Arrow holds as pandas holds it, with identifiers that stay the same ones."""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

#: Beyond it not every whole number is a float, which pandas makes of whole numbers some of which are missing.
_EXACT = 2**53


def to_frame(table: pa.Table | pa.RecordBatch) -> pd.DataFrame:
    """A table as a frame; whole numbers of which some are missing are floats, or `Int64` where floats would damage them."""
    frame = table.to_pandas()
    for name, column in zip(table.schema.names, table.columns, strict=True):
        if _damaged(column) and name in frame.columns:
            frame[name] = to_whole(column).array
    return frame


def to_whole(column: pa.Array | pa.ChunkedArray) -> pd.Series:
    """A column of whole numbers, some of them maybe missing, without a detour by floats."""
    kind = pd.UInt64Dtype() if pa.types.is_unsigned_integer(column.type) else pd.Int64Dtype()
    return column.to_pandas(types_mapper={column.type: kind}.get)


def _damaged(column: pa.Array | pa.ChunkedArray) -> bool:
    if not pa.types.is_integer(column.type) or not column.null_count:
        return False
    ends = pc.min_max(column).as_py()
    return ends["min"] is not None and max(-ends["min"], ends["max"]) > _EXACT
