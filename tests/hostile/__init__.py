"""Models that try to steal, spoil or stall, and what becomes of them."""
