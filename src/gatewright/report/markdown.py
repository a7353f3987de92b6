def comment(report: object, now: object) -> str:
    return ""
