"""A stand-in for GitHub that keeps to GitHub's own published description.

`description.py` knows the description, `world.py` what is the case and what people do, `rest.py` and `graph.py` answer,
`server.py` listens and breaks on command, `events.py` has the payloads of its events, `extract.py` makes
`openapi.json.gz`, `schema.graphql` and `events.json.gz` from what GitHub publishes.
"""
