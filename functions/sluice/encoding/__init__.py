"""From rows to items in DynamoDB JSON."""
