"""Which export of a table comes next: rules that know a ledger and a time, and nothing of AWS."""
