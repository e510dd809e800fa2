"""The library that Sluice's Lambda handlers share."""
