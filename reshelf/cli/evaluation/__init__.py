"""Commands that judge: experiments, estimates, tuning, reports and records of runs."""
