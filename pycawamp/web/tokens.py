"""JSON Web Tokens: who signed, for whom, and until when."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import jwt
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from pycawamp.web.htpasswd import LoginFileError

MIN_SECRET = 32
"""Bytes of an HS256 secret: as many as its signatures have (RFC 7518, section 3.2)."""
MIN_RSA = 2048
MAX_TOKEN = 8192
"""Characters."""
LEEWAY = 30.0
"""Seconds by which the clock of who issues tokens may be ahead."""


class BadTokenError(Exception):
    """A token is not taken; the text says why, and nothing of what is in it."""


@attrs.frozen
class Claims:
    """What a good token says."""

    user: str
    expires: float
    """UNIX seconds."""


@attrs.frozen
class TokenKey:
    """One key and the one algorithm that it is for.

    A token's header does not choose the algorithm: otherwise anyone could sign with the
    public key as a secret, or not at all.
    """

    algorithm: str
    key: Any = attrs.field(repr=False, eq=False)
    material: bytes = attrs.field(repr=False)
    audience: str | None = None
    issuer: str | None = None

    def check(self, token: str, now: Callable[[], float]) -> Claims:
        """The claims of a token; BadTokenError."""
        if len(token) > MAX_TOKEN:
            raise BadTokenError("longer than a token is")
        try:
            claims = jwt.decode(
                token,
                self.key,
                algorithms=[self.algorithm],
                audience=self.audience,
                issuer=self.issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "sub"], "verify_exp": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise BadTokenError(f"refused: {type(error).__name__}") from None
        return _claims(claims, now())


def _claims(claims: dict[str, Any], now: float) -> Claims:
    user, expires = claims["sub"], claims["exp"]
    if not isinstance(expires, int | float) or isinstance(expires, bool) or not expires > now:
        raise BadTokenError("expired")
    if not isinstance(user, str) or not user.strip() or not user.isprintable():
        raise BadTokenError("the subject is no user's name")
    return Claims(user, float(min(expires, now + 2**31)))


def read_key(path: Path, audience: str | None = None, issuer: str | None = None) -> TokenKey:
    """The key in a file; LoginFileError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LoginFileError(f"{path}: expected a file that can be read: {error}") from None
    material = content.strip()
    if b"-----BEGIN" not in material:
        if len(material) < MIN_SECRET:
            raise LoginFileError(f"{path}: expected a secret of at least {MIN_SECRET} bytes")
        if material.startswith((b"ssh-", b"ecdsa-")):
            raise LoginFileError(f"{path}: expected a public key in PEM, found one for SSH")
        return TokenKey("HS256", material, material, audience, issuer)
    algorithm, key = _public_key(path, material)
    return TokenKey(algorithm, key, material, audience, issuer)


def _public_key(path: Path, pem: bytes) -> tuple[str, Any]:
    try:
        if b"BEGIN CERTIFICATE" in pem:
            key: Any = x509.load_pem_x509_certificate(pem).public_key()
        else:
            key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise LoginFileError(f"{path}: expected a public key or a certificate in PEM") from None
    if isinstance(key, RSAPublicKey) and key.key_size >= MIN_RSA:
        return "RS256", key
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return "ES256", key
    raise LoginFileError(f"{path}: expected an RSA key of {MIN_RSA} bits or more, or a P-256 key")
