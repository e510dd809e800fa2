"""Table exports on a journal of changes: point-in-time recovery, ExportTableToPointInTime and its files."""
