"""From items to a table: the wire and the writers on it."""
