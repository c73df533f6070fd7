"""One page of HTML that says how experiments, posteriors and policies stand; it needs nothing else to open."""
