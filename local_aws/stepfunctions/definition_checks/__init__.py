"""What Step Functions refuses when a state machine is created, updated or validated."""
