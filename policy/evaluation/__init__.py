"""What a policy is worth: estimated from logs of another one, and measured against the holdout."""
