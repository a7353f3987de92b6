def page(thing: object) -> str:
    return ""
