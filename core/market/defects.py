"""What is wrong with a market without making it unusable: counted, named, skipped."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Defect:
    """One kind of defect: where it was first seen, how often, and what was done about it."""

    file: str
    column: str
    row: int  # 1-based data row of the first one; 0 where the whole file or column is meant
    value: str  # the first offending value
    message: str  # what is wrong and what was done or should be done
    count: int = 1

    def __str__(self) -> str:
        where = f"{self.file}, column {self.column}" if self.column else self.file
        if self.row:
            where += f", row {self.row}"
        times = f" ({self.count} rows)" if self.count > 1 else ""
        shown = f": '{self.value[:60]}'" if self.value else ""
        return f"{where}{shown} {self.message}{times}"
