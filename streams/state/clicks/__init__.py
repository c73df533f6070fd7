"""The clicks that purchases may still be credited to, in Redis and in memory."""
