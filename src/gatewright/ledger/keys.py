"""Ed25519 keys: the private one from the environment, public ones from a file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gatewright.ledger.envelope import Check, Keys, Signer
from gatewright.problem import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

#: holds the private key as PEM text, or the path of a file that does
VARIABLE = "GATEWRIGHT_SIGNING_KEY"

_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----\n?", re.DOTALL)
_MAKE = "make one: openssl genpkey -algorithm ed25519 -out signing.pem"


def signer(environment: Mapping[str, str]) -> Signer | None:
    """The key with which entries are signed; None where none is set. Raises UsageError if it is no such key."""
    told = environment.get(VARIABLE, "").strip()
    if not told:
        return None
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    # Nothing of the key may stand in a message: neither its text nor what a library says of it.
    try:
        key = load_pem_private_key(_pem(told), password=None)
    except (OSError, ValueError, TypeError):
        raise UsageError(
            f"{VARIABLE} is neither a private key without a passphrase nor a file with one", _MAKE
        ) from None
    except UnsupportedAlgorithm:
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{VARIABLE} is not an Ed25519 key", _MAKE)
    return Signer(keyid(key.public_key()), key.sign)


def public_keys(file: str) -> Keys:
    """Every public key of a PEM file, by key id. Raises UsageError where there is none, or one of another kind."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    remedy = "take it from the private key: openssl pkey -in signing.pem -pubout -out signing.pub"
    try:
        blocks = _PEM.findall(Path(file).read_text(encoding="ascii"))
        keys = [load_pem_public_key(block.encode()) for block in blocks]
    except (OSError, ValueError) as e:
        raise UsageError(f"{file} cannot be read as public keys: {_said(e)}", remedy) from None
    except UnsupportedAlgorithm:
        keys = []
    if not keys or not all(isinstance(k, Ed25519PublicKey) for k in keys):
        raise UsageError(f"{file} holds no Ed25519 public key, or one of another kind", remedy)
    return {keyid(k): _check(k) for k in keys if isinstance(k, Ed25519PublicKey)}


def keyid(key: Ed25519PublicKey) -> str:
    """The sha256 of a public key in DER, as `openssl pkey -pubin -outform DER | sha256sum` gives it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _pem(told: str) -> bytes:
    return told.encode() if told.startswith("-----BEGIN") else Path(told).read_bytes()


def _check(key: Ed25519PublicKey) -> Check:
    from cryptography.exceptions import InvalidSignature

    verify: Callable[[bytes, bytes], None] = key.verify

    def fits(content: bytes, signature: bytes) -> bool:
        try:
            verify(signature, content)
        except InvalidSignature:
            return False
        return True

    return fits


def _said(error: Exception) -> str:
    return (error.strerror or "it cannot be opened") if isinstance(error, OSError) else "it is no PEM text"
