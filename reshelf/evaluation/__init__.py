"""The decision log: what was shown, how likely it was, and what came of it; for evaluation and for other tools."""
