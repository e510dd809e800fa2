"""From the files of a table's export to another table, or to files for analytics."""
