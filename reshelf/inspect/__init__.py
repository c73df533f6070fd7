"""What commands and console both show: explanations, posteriors, lag, layouts, search and reports."""
