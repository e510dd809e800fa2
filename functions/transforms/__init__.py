"""Your transforms: a module each, named by a run's "transform": transform(record) -> item, items, None or DELETE.

In csv_load, transform(record, row: SourceRow) also gets the row's number, object and UUID.
"""

from sluice.mapping.delete import DELETE
from sluice.mapping.row_identity import SourceRow

__all__ = ["DELETE", "SourceRow"]
