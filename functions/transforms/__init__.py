"""Your transforms: a module each, named by a run's "transform": transform(record) -> item, items or None."""
