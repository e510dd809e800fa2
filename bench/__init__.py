"""Measurements of Sluice side by side with what else one would use: `python -m bench`."""
