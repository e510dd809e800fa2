"""distinct_keys' built-in processor: how large each item collection is."""
