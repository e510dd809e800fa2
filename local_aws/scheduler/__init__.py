"""EventBridge Scheduler: schedules that start what they name with their role's rights, retry, and keep what failed."""
