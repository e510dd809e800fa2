"""From what children leave behind to the summary of a run."""
