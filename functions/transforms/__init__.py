"""Your transforms: one module each, named by a run's "transform", with transform(record) -> item, items or None."""
