"""JSON Web Tokens."""

from __future__ import annotations

import math
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
"""Seconds by which the clock of the issuer may be ahead."""


class BadTokenError(Exception):
    """A token is refused; the text is the reason, without content of the token."""


@attrs.frozen
class Claims:
    """The claims of a valid token."""

    user: str
    expires: float
    """UNIX seconds."""


@attrs.frozen
class TokenKey:
    """A key and its algorithm.

    A token's header does not select the algorithm: otherwise a token could be signed with the
    public key as a secret, or not at all.
    """

    algorithm: str
    key: Any = attrs.field(repr=False, eq=False)
    material: bytes = attrs.field(repr=False)
    audience: str | None = None
    issuer: str | None = None

    def check(self, token: str, now: Callable[[], float]) -> Claims:
        """Return the claims of a token.

        Raises:
            BadTokenError: The token is invalid.
        """
        if len(token) > MAX_TOKEN:
            raise BadTokenError("too long")
        try:
            decoded = jwt.decode_complete(
                token,
                self.key,
                algorithms=[self.algorithm],
                audience=self.audience,
                issuer=self.issuer,
                leeway=LEEWAY,
                # The times are checked below, with the given clock.
                options={
                    "require": ["exp", "sub"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise BadTokenError(type(error).__name__) from None
        if "crit" in decoded["header"]:
            raise BadTokenError("critical header")
        return _claims(decoded["payload"], now())


def _claims(claims: dict[str, Any], now: float) -> Claims:
    _check_types(claims)
    if not claims["exp"] > now:
        raise BadTokenError("expired")
    if any(name in claims and claims[name] > now + LEEWAY for name in ("nbf", "iat")):
        raise BadTokenError("not valid yet")
    user = claims["sub"]
    if not user.strip() or not user.isprintable():
        raise BadTokenError("the subject is not a valid user name")
    return Claims(user, float(min(claims["exp"], now + 2**31)))


def _check_types(claims: dict[str, Any]) -> None:
    """Check the types of claims (RFC 7519), which PyJWT does not: it ignores an empty `aud`."""
    for name, fits in _TYPES.items():
        if name in claims and not fits(claims[name]):
            raise BadTokenError(f"invalid claim {name}")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _are_texts(value: object) -> bool:
    return _is_text(value) or (
        isinstance(value, list) and bool(value) and all(_is_text(each) for each in value)
    )


def _is_time(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


_TYPES: dict[str, Callable[[object], bool]] = {
    "exp": _is_time,
    "nbf": _is_time,
    "iat": _is_time,
    "sub": _is_text,
    "iss": _is_text,
    "aud": _are_texts,
}


def read_key(path: Path, audience: str | None = None, issuer: str | None = None) -> TokenKey:
    """Read a key.

    Raises:
        LoginFileError: The file is invalid or cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LoginFileError(f"{path}: cannot be read: {error.strerror}") from None
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
