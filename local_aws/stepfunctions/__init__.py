"""Step Functions: how executions run, instead of ministack's."""
