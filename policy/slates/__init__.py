"""From beliefs to slates: candidates, scores, draws, and which arm goes into which slot."""
