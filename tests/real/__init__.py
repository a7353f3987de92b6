"""Real parts for tests: MLflow servers, PostgreSQL, a proxy that misbehaves on command, versions to judge."""
