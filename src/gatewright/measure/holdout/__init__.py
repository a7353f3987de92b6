"""The holdout benchmark: candidate beside champion on the same rows."""
