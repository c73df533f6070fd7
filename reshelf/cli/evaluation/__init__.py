"""Commands that judge: experiments, estimates, tuning, reports and records of runs.

- `arrangements`: the part of `reshelf evaluate` that is about arrangements of a page's shelves
- `autopilot`: `reshelf experiment autopilot`: drop the policies on trial that are worse for certain,
  and promote the last
- `evaluate`: `reshelf evaluate`: what another policy would have earned
- `experiment`: `reshelf experiment`: learned layouts against the holdout, and policies on trial
  against the page's own
- `history`: `reshelf experiment history`: an uplift over time, with the changes of the page's rules
- `plan`: `reshelf experiment plan`: how long an experiment takes, and which share of visitors to
  hold out for it
- `report`: `reshelf report`: a page of HTML that opens anywhere
- `runs`: `reshelf runs`: records of runs, and how they differ
- `tune`: `reshelf tune`: which settings of the policy lose the fewest clicks in simulated shops
"""
