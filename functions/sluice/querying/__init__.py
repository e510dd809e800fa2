"""From an Athena query to the rows of its result, and what is done with each."""
