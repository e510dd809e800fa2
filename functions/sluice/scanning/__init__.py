"""distinct_keys' scan."""
