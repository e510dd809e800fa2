"""Step Functions: how executions run, in the place of ministack's."""
