"""The container that GitHub runs."""
