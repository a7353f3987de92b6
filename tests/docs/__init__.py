"""Documentation held against the code."""
