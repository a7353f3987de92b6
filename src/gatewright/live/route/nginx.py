"""nginx: `split_clients` hashes as `assignment` does, so that the two agree to the last unit."""

from __future__ import annotations

from collections.abc import Mapping

from gatewright.live.assignment import Arm
from gatewright.live.route.routing import Routing


def write(routing: Routing) -> str:
    """A file to include in `http {}`."""
    name = "gatewright_" + routing.name.replace("-", "_")
    unit = "$http_" + routing.header.lower().replace("-", "_")
    share = routing.shares.get("challenger", 0)
    drawn = f"    {share // 100}.{share % 100:02d}% challenger;\n" if share else ""
    return (
        f"# {routing.about}\n"
        f'split_clients "{routing.salt}:{unit}" ${name}_drawn {{\n{drawn}    * champion;\n}}\n'
        # Who has no unit cannot be told from others, and sees what has proved itself.
        f'map {unit} ${name}_arm {{\n    "" champion;\n    default ${name}_drawn;\n}}\n'
        f"map ${name}_arm ${name}_version {{\n{_lines(routing.versions)}}}\n"
        f"map ${name}_arm ${name}_upstream {{\n{_lines({arm: f'{name}_{arm}' for arm in routing.arms})}}}\n"
        + "".join(
            f"upstream {name}_{arm} {{\n    server {routing.addresses[arm]};\n}}\n"
            for arm in routing.arms
            if arm in routing.addresses
        )
    )


def _lines(of: Mapping[Arm, object]) -> str:
    return "".join(f"    {arm} {value};\n" for arm, value in of.items())
