"""csv_load's plan and slices."""
