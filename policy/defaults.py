"""Values that hold where nobody says otherwise: settings, simulations and measurements take them from here."""

from __future__ import annotations

LEVEL = 0.95
"""Coverage of intervals."""
CLICK_RATE = 0.02
"""Prior click rate of an item that is looked at."""
STRENGTH = 50.0
"""Weight of that prior, in examined impressions."""
EXPLORATION = 0.33
"""Spread of draws against that of the posterior."""
HALF_LIFE_MS = 0
"""Age at which a time bucket weighs half; 0: all have equal weight."""
DRIFT = 0.005
"""Variance by which the logarithm of an item's click rate moves in a day."""
