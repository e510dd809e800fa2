"""From an object in S3 to rows."""
