"""table_transform: the items of a table through a function."""
