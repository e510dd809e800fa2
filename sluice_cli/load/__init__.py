"""`sluice load` and `sluice draft`: what is in a file, and the csv_load input that fits it."""
