"""CloudFormation as it refuses, rolls back, retains and deletes."""
