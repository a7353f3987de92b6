"""Keys of any kind but the right one are refused in words."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gatewright.ledger.keys import VARIABLE, public_keys, signer
from gatewright.problem import UsageError

#: the curve P-256, and a number of the same length that stands for none
P256, UNKNOWN = bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d03017f")


def pem(name: str, der: bytes) -> str:
    """A key whose curve nobody knows."""
    assert P256 in der
    text = base64.b64encode(der.replace(P256, UNKNOWN)).decode()
    return f"-----BEGIN {name}-----\n{text}\n-----END {name}-----\n"


def test_a_key_on_a_curve_that_the_library_does_not_know_is_a_key_of_another_kind(tmp_path: Path) -> None:
    """The library has an exception of its own for that, private or public."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = pem("PRIVATE KEY", key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(UsageError, match="not an Ed25519 key"):
        signer({VARIABLE: private})
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "odd.pub").write_text(pem("PUBLIC KEY", public))
    with pytest.raises(UsageError, match="of another kind"):
        public_keys(str(tmp_path / "odd.pub"))
