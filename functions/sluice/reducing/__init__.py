"""How object_map merges sorted parts into one result, in bounded memory and in slices."""
