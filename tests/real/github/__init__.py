"""A stand-in for GitHub that keeps to GitHub's own published description.

`description.py` knows the description, `world.py` what is the case and what people do, `rest.py` and `graph.py` answer,
`server.py` listens and breaks on command, `extract.py` makes `openapi.json.gz` and `schema.graphql` from what GitHub
publishes.
"""
