"""DynamoDB: one write at a time, quick batches, and faults when they are requested."""
