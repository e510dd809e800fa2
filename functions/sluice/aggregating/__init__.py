"""What object_map makes of rows: groups, and exact statistics of their measures."""
