"""Local AWS's Scan and Query against those of dynalite, an independent DynamoDB: `make oracle`."""
