"""What is believed of arms: priors fitted from counts and features, posteriors, what a click is worth."""
