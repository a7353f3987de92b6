"""Gatewright: a promotion gate for models in an MLflow registry."""

__version__ = "0.1.0"
