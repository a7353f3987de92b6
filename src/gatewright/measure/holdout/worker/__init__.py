"""The process that loads a model. It imports nothing of Gatewright outside this package.

The parent starts it with a bare interpreter (`process.py`), perhaps one where Gatewright is not installed.
The modules here import the standard library only; numpy, pyarrow and mlflow come later, behind the sandbox.
"""
