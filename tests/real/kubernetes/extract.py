"""Takes out of published packages what describes the kinds that a split is made of; run by hand when they change.

    npm pack @kubernetes-models/istio @kubernetes-models/gateway-api      # and unpack both into folders of these names
    python extract.py istio/package gateway-api/package

writes `schemas.json` beside this file. The packages are MIT, and made from the projects' own (Apache-2.0) definitions.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

KINDS = {
    "networking.istio.io/v1alpha3 EnvoyFilter": ("istio", "networking.istio.io/v1alpha3/EnvoyFilter.js"),
    # v1 is v1beta1 under another number.
    "networking.istio.io/v1 VirtualService": ("istio", "networking.istio.io/v1beta1/VirtualService.js"),
    "gateway.networking.k8s.io/v1 HTTPRoute": ("gateway", "gateway.networking.k8s.io/v1/HTTPRoute.js"),
}


def schema(file: Path) -> Any:
    """The schema that a module of such a package holds."""
    match = re.search(r"const schema = (\{.*?\n\});", file.read_text(), re.DOTALL)
    assert match is not None, file
    return json.loads(re.sub(r",(\s*[}\]])", r"\1", match[1]))


def main() -> None:
    """Writes the file."""
    folders = dict(zip(("istio", "gateway"), map(Path, sys.argv[1:3]), strict=True))
    found = {kind: schema(folders[package] / file) for kind, (package, file) in KINDS.items()}
    (Path(__file__).parent / "schemas.json").write_text(json.dumps(found, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
