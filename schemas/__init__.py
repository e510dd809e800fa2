"""JSON Schemas of the inputs of all workflows."""
