"""The report for auditors, in each form that it is asked for in."""
