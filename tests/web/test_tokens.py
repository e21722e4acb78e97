"""JSON Web Tokens: accepted, refused, and their expiry."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from twisted.internet.defer import gatherResults, inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.web.htpasswd import LoginFileError
from pycawamp.web.tokens import BadTokenError, TokenKey, read_key
from tests.support.logins import SECRET
from tests.support.service_case import MemoryServiceTestCase

NOW = 1_700_000_000.0
CLAIMS = {"sub": "alice", "exp": NOW + 60}
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())


def public(key: Any) -> bytes:
    """Return the public key in PEM."""
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def on_unknown_curve(key: Any) -> bytes:
    """Return its public half in PEM, with an object identifier of no curve."""
    pem = public(key)
    body = base64.b64decode(b"".join(pem.splitlines()[1:-1]))
    strange = body.replace(bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d030163"))
    return b"\n".join([pem.splitlines()[0], base64.b64encode(strange), pem.splitlines()[-1]])


def private(key: Any) -> bytes:
    """Return the private key in PEM."""
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def forged(header: dict[str, Any], claims: dict[str, Any], secret: bytes | None) -> str:
    """Return a token that PyJWT would not create: HMAC with any key, or unsigned."""
    parts = [_base64(json.dumps(part).encode()) for part in (header, claims)]
    signed = ".".join(parts).encode()
    signature = b"" if secret is None else hmac.digest(secret, signed, hashlib.sha256)
    return ".".join([*parts, _base64(signature)])


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class KeyTests(SynchronousTestCase):
    """Keys and tokens."""

    def key(self, material: bytes, **options: str) -> TokenKey:
        """Return the key in a file with this content."""
        path = Path(self.mktemp())
        path.write_bytes(material)
        return read_key(path, **options)

    def assert_refused(self, key: TokenKey, token: str) -> None:
        """Check that a token is refused."""
        self.assertRaises(BadTokenError, key.check, token, lambda: NOW)

    def test_kinds(self) -> None:
        """The kind of the key determines the algorithm of its tokens."""
        signers: list[tuple[str, bytes, Any]] = [
            ("RS256", public(RSA), RSA),
            ("ES256", public(EC), EC),
            ("HS256", SECRET.encode() + b"\n", SECRET),
        ]
        for algorithm, material, signer in signers:
            key = self.key(material)
            token = jwt.encode(CLAIMS, signer, algorithm=algorithm)
            claims = key.check(token, lambda: NOW)
            self.assertEqual((claims.user, claims.expires), ("alice", NOW + 60))
            self.assertEqual(key.algorithm, algorithm)
            self.assert_refused(key, token[:-4] + "AAAA")

    def test_none(self) -> None:
        """Unsigned tokens are refused, however `none` is written."""
        for material in (public(RSA), SECRET.encode()):
            for algorithm in ("none", "None", "NONE", "", None):
                self.assert_refused(self.key(material), forged({"alg": algorithm}, CLAIMS, None))

    def test_confusion(self) -> None:
        """A public key is never used as a secret, nor one kind of key as another."""
        for owner in (RSA, EC):
            pem = public(owner)
            for secret in (pem, pem.strip(), pem + b"\n"):
                token = forged({"alg": "HS256", "typ": "JWT"}, CLAIMS, secret)
                self.assert_refused(self.key(pem), token)
        self.assert_refused(self.key(public(EC)), jwt.encode(CLAIMS, RSA, algorithm="RS256"))
        longer = jwt.encode(CLAIMS, SECRET * 2, algorithm="HS512")
        self.assert_refused(self.key(SECRET.encode() * 2), longer)

    def test_own_key(self) -> None:
        """A key in the token is not used."""
        other = jwt.algorithms.RSAAlgorithm.to_jwk(
            rsa.generate_private_key(65537, 2048).public_key()
        )
        token = jwt.encode(
            CLAIMS,
            "x" * 40,
            algorithm="HS256",
            headers={"jwk": json.loads(other), "kid": "/dev/null"},
        )
        self.assert_refused(self.key(public(RSA)), token)
        self.assert_refused(self.key(SECRET.encode()), token)

    def test_expiry(self) -> None:
        """A token needs an expiry, and is refused from that second on."""
        key = self.key(SECRET.encode())
        for expires in (NOW, NOW - 1, None, "soon", True):
            claims = {**CLAIMS, "exp": expires}
            self.assert_refused(key, forged({"alg": "HS256"}, claims, SECRET.encode()))
        without = forged({"alg": "HS256"}, {"sub": "alice"}, SECRET.encode())
        self.assert_refused(key, without)
        key.check(jwt.encode({"sub": "a", "exp": NOW + 1}, SECRET), lambda: NOW)

    def test_not_yet(self) -> None:
        """A token that is valid only later is refused."""
        later = {**CLAIMS, "exp": time.time() + 7200, "nbf": time.time() + 3600}
        self.assert_refused(self.key(SECRET.encode()), jwt.encode(later, SECRET))

    def test_subject(self) -> None:
        """A token needs a subject that is a valid user name."""
        key = self.key(SECRET.encode())
        for subject in ("", "  ", "a\nb", 5, None, ["a"]):
            claims = {**CLAIMS, "sub": subject}
            self.assert_refused(key, forged({"alg": "HS256"}, claims, SECRET.encode()))

    def test_audience_and_issuer(self) -> None:
        """Tokens for others, and from others, are refused; so are those without, if required."""
        key = self.key(SECRET.encode(), audience="gateway", issuer="https://login")
        good = {**CLAIMS, "aud": ["other", "gateway"], "iss": "https://login"}
        key.check(jwt.encode(good, SECRET), lambda: NOW)
        for change in ({"aud": "other"}, {"aud": None}, {"iss": "https://evil"}, {"iss": None}):
            claims = {name: each for name, each in {**good, **change}.items() if each is not None}
            self.assert_refused(key, jwt.encode(claims, SECRET))
        self.assert_refused(self.key(SECRET.encode()), jwt.encode({**CLAIMS, "aud": "x"}, SECRET))

    def test_claims_of_other_types(self) -> None:
        """A claim with another type, or an empty one, is refused."""
        secret = SECRET.encode()
        keys = self.key(secret), self.key(secret, audience="gateway", issuer="https://login")
        good = {**CLAIMS, "aud": "gateway", "iss": "https://login"}
        keys[1].check(forged({"alg": "HS256"}, good, secret), lambda: NOW)
        odd: tuple[Any, ...] = (
            None,
            "",
            [],
            {},
            [""],
            [[]],
            ["gateway", 5],
            {"gateway": 1},
            0,
            False,
            True,
            1.5,
        )
        huge = float("inf"), float("nan"), 10**400
        times: tuple[Any, ...] = ("0", None, [], {}, True, *huge)
        changes: list[tuple[str, object]] = [
            *(("aud", value) for value in odd),
            *(("iss", value) for value in (*odd, ["https://login"])),
            *(("exp", value) for value in times[:-1]),
            *((name, value) for name in ("nbf", "iat") for value in times),
            *(("sub", value) for value in odd),
        ]
        for name, value in changes:
            for key, base in zip(keys, (CLAIMS, good), strict=True):
                token = forged({"alg": "HS256"}, {**base, name: value}, secret)
                with self.subTest(name=name, value=value, audience=key.audience):
                    self.assert_refused(key, token)

    def test_later(self) -> None:
        """`nbf` and `iat` are compared with the same clock as `exp`, with leeway."""
        key = self.key(SECRET.encode())
        for name in ("nbf", "iat"):
            for when, good in ((NOW - 1, True), (NOW + 20, True), (NOW + 40, False)):
                token = forged({"alg": "HS256"}, {**CLAIMS, name: when}, SECRET.encode())
                if good:
                    key.check(token, lambda: NOW)
                else:
                    self.assert_refused(key, token)

    def test_critical_header(self) -> None:
        """An unknown header that must be understood makes the token invalid (RFC 7515)."""
        for more in ('"crit":["exp"],"exp":1', '"crit":[]', '"b64":false,"crit":["b64"]'):
            header = json.loads(f'{{"alg":"HS256",{more}}}')
            token = forged(header, CLAIMS, SECRET.encode())
            self.assert_refused(self.key(SECRET.encode()), token)

    def test_any_text(self) -> None:
        """Invalid tokens are refused."""
        key = self.key(public(RSA))
        deep = _base64(b"[" * 5000)
        for text in (
            f"{deep}.{deep}.{deep}",
            _base64(b'{"alg":' + b"[" * 4000) + "..",
            "",
            ".",
            "..",
            "a.b.c",
            "x" * 10_000,
            "é.é.é",
            "e30.e30.",
            '{"alg":"none"}',
        ):
            self.assert_refused(key, text)

    def test_bad_files(self) -> None:
        """Files without a trustworthy key are refused, and named."""
        for material in (
            b"short",
            b"",
            private(RSA),
            private(EC),
            public(rsa.generate_private_key(65537, 1024)),
            public(ec.generate_private_key(ec.SECP384R1())),
            b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ user@host",
            b"-----BEGIN PUBLIC KEY-----\nbm90IGEga2V5\n-----END PUBLIC KEY-----\n",
            on_unknown_curve(EC),
        ):
            self.assertRaises(LoginFileError, self.key, material)
        self.assertRaises(LoginFileError, read_key, Path("/no/such/key"))


class ServedTests(MemoryServiceTestCase):
    """--jwt-key."""

    def token(self, seconds: float = 60, user: str = "alice") -> str:
        """Return a token that is valid for a time."""
        return jwt.encode({"sub": user, "exp": time.time() + seconds}, SECRET)

    def serve_tokens(self, *options: str) -> Any:
        """Run a gateway that accepts tokens."""
        return self.serve("--jwt-key", self.write("key", SECRET), *options)

    @inlineCallbacks
    def test_header_and_subprotocol(self) -> Any:
        """A token is in a header or, from a script, in a subprotocol."""
        self.serve_tokens("--require-login")
        token = self.token()
        header, both, alone, none, bad, page = yield gatherResults(
            [
                self.knock(Authorization=f"Bearer {token}"),
                self.knock(Sec_WebSocket_Protocol=f"bearer.{token}, pycaserver"),
                self.knock(Sec_WebSocket_Protocol=f"bearer.{token}"),
                self.knock(Sec_WebSocket_Protocol="pycaserver"),
                self.knock(Sec_WebSocket_Protocol="bearer.nonsense, pycaserver"),
                self.get("/config.json", Authorization=f"Bearer {token}"),
            ]
        )
        self.assertEqual([header.status, both.status, alone.status, page.status], [101] * 3 + [200])
        self.assertEqual([none.status, bad.status], [401, 401])
        self.assertIn("bearer", bad.headers["www-authenticate"])
        # What is selected must be one of those offered: browsers close the connection otherwise.
        self.assertNotIn("sec-websocket-protocol", header.headers)
        self.assertEqual(both.headers["sec-websocket-protocol"], "pycaserver")
        self.assertEqual(alone.headers["sec-websocket-protocol"], f"bearer.{token}".lower())

    @inlineCallbacks
    def test_user(self) -> Any:
        """The token's subject is the user."""
        acf = "UAG(ops) {alice} ASG(DEFAULT) {RULE(1,READ) RULE(1,WRITE) {UAG(ops)}}"
        self.serve_tokens("--allow-put", "--access", self.write("acf", acf))
        for user, expected in (("alice", "put"), ("bob", "error")):
            client = yield self.connect({"Authorization": f"Bearer {self.token(user=user)}"})
            client.send({"action": "put", "pv": "X", "value": 2})
            answer = yield client.receive()
            self.assertEqual(answer["msg_type"], expected)

    @inlineCallbacks
    def test_expiry(self) -> Any:
        """When a token expires, its connection is closed: an error, and 1008."""
        self.serve_tokens()
        short = yield self.connect({"Authorization": f"Bearer {self.token(1.5)}"})
        anybody = yield self.connect()
        error = yield short.until(msg_type="error")
        self.assertEqual(error["code"], "unauthenticated")
        code = yield short.when_closed()
        self.assertEqual(code, 1008)
        anybody.send({"action": "ping"})
        pong = yield anybody.receive()
        self.assertEqual(pong["msg_type"], "pong")

    @inlineCallbacks
    def test_new_key(self) -> Any:
        """With another key in the file, the old one's tokens are refused, and open ones closed."""
        service = self.serve_tokens()
        client = yield self.connect({"Authorization": f"Bearer {self.token()}"})
        self.write("key", SECRET[::-1])
        good = yield service.files.logins.reload()
        self.assertTrue(good)
        code = yield client.when_closed()
        self.assertEqual(code, 1008)
        refused = yield self.knock(Authorization=f"Bearer {self.token()}")
        self.assertEqual(refused.status, 401)
