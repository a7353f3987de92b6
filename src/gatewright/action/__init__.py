"""The GitHub Action: an event in, one verb of the gate, and everything that GitHub shows of it out."""
