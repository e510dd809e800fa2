"""Your transforms: a module each, named by a run's "transform": transform(record) -> item, items, None or DELETE."""

from sluice.mapping.delete import DELETE

__all__ = ["DELETE"]
