"""Who may use local AWS: requests are signed with credentials of this start, and come from no web page."""
