"""The report on a run: one HTML page, made from what the run left in the data bucket."""
