#!/usr/bin/env python3
"""Tokens of strangers verify here, and ours there: PyJWT (python3-jwt, with python3-cryptography) and golang-jwt (jwt_go/, built with
Go where there is one), each algorithm; keys as PEM, as a secret and as JWKS. What weir takes of a broken token, PyJWT takes too."""
import base64
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

try:
    import jwt
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
except ImportError:  # Debian's packages are those of Debian's interpreter
    DEBIAN = "/usr/bin/python3"
    if sys.executable != DEBIAN and os.path.exists(DEBIAN):
        os.execv(DEBIAN, [DEBIAN, *sys.argv])
    print("skip jwt_interop: Python has no modules jwt and cryptography (python3-jwt, python3-cryptography)")
    sys.exit(0)

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from traces import BUILD, HERE, clean_environment, run_cases, same

ALGORITHMS = "HS256 HS384 HS512 RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA".split()
CURVES = {"ES256": ("P-256", ec.SECP256R1()), "ES384": ("P-384", ec.SECP384R1()), "ES512": ("P-521", ec.SECP521R1())}
CASES, WORK = [], tempfile.TemporaryDirectory()


def case(function):
    CASES.append(function)
    return function


def base64url(number_or_bytes, length=None):
    if isinstance(number_or_bytes, int):
        number_or_bytes = number_or_bytes.to_bytes(length or (number_or_bytes.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(number_or_bytes).rstrip(b"=").decode()


def run(command, lines=()):
    done = subprocess.run([str(c) for c in command], input="".join(f"{line}\n" for line in lines), capture_output=True, text=True,
                          timeout=60, env=clean_environment())
    same(done.returncode, 0, f"{command}: {done.stderr[-2000:]}")
    return done.stdout.splitlines()


class Key:
    """A key of PyJWT's, its public half as a file, and as a JWK."""

    def __init__(self, alg):
        self.alg, self.file = alg, pathlib.Path(WORK.name, f"py-{alg}")
        self.jwk = {"kid": f"py-{alg}", "alg": alg, "use": "sig"}
        if alg.startswith("HS"):
            self.private = self.public = os.urandom(64)
            self.file.write_bytes(self.private)
            self.jwk |= {"kty": "oct", "k": base64url(self.private)}
            return
        if alg in CURVES:
            self.private = ec.generate_private_key(CURVES[alg][1])
            n, size = self.private.public_key().public_numbers(), (CURVES[alg][1].key_size + 7) // 8
            self.jwk |= {"kty": "EC", "crv": CURVES[alg][0], "x": base64url(n.x, size), "y": base64url(n.y, size)}
        elif alg == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
            x = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            self.jwk |= {"kty": "OKP", "crv": "Ed25519", "x": base64url(x)}
        else:
            self.private = rsa.generate_private_key(public_exponent=65537, key_size=random.choice((2048, 3072)))
            n = self.private.public_key().public_numbers()
            self.jwk |= {"kty": "RSA", "n": base64url(n.n), "e": base64url(n.e)}
        self.public = self.private.public_key()
        self.file.write_bytes(self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def line(self, kid):
        return f"{'secret' if self.alg.startswith('HS') else 'pem'} {kid} {self.alg} {self.file}"

    def sign(self, claims, **headers):
        return jwt.encode(claims, self.private, algorithm=self.alg, headers=headers or None)


KEYS = {}


def key(alg):
    if alg not in KEYS:
        KEYS[alg] = Key(alg)
    return KEYS[alg]


def weir(key_lines, tokens):
    file = pathlib.Path(WORK.name, f"keys-{time.monotonic_ns()}")
    file.write_text("".join(f"{line}\n" for line in key_lines))
    return run([BUILD / "test/jwt_host", file], tokens)


CLAIMS = {"sub": "ä <&> \u2028 \U0001f600", "exp": 4102444800, "nbf": 1.5, "list": [1, "x", {"y": None}], "empty": {}}


def expect_all(answers, count):
    same(len(answers), count)
    for answer in answers:
        result, _, payload = answer.partition(" ")
        same(result, "ok", answer)
        same(payload[:1], "{", answer)


@case
def pyjwt_with_files():
    tokens = [key(a).sign(CLAIMS, kid=f"py-{a}") for a in ALGORITHMS for _ in range(4)]
    answers = weir([key(a).line(f"py-{a}") for a in ALGORITHMS], tokens)
    expect_all(answers, len(tokens))
    for answer, token in zip(answers, tokens):
        same(jwt.api_jws.json.loads(answer[3:]), CLAIMS)


@case
def pyjwt_without_a_kid():
    tokens = [key(a).sign(CLAIMS) for a in ALGORITHMS]
    expect_all(weir([key(a).line("-") for a in ALGORITHMS], tokens), len(tokens))


@case
def pyjwt_with_a_jwks():
    file = pathlib.Path(WORK.name, "jwks.json")
    file.write_text(jwt.api_jws.json.dumps({"keys": [key(a).jwk for a in ALGORITHMS]}))
    tokens = [key(a).sign(CLAIMS, kid=f"py-{a}") for a in ALGORITHMS]
    expect_all(weir([f"jwks {file}"], tokens), len(tokens))


@case
def a_broken_token_that_weir_takes_pyjwt_takes():
    """Which is one that is as it was: a digit changed, left out, put in; and the last digit's unused bits."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.= "
    dice, broken = random.Random(1), []
    for alg in ("HS256", "ES256", "EdDSA", "RS256"):
        token = key(alg).sign({"sub": "x"}, kid=f"py-{alg}")
        for _ in range(300):
            at, kind = dice.randrange(len(token)), dice.randrange(3)
            other = dice.choice(digits)
            broken.append((alg, token, token[:at] + ("" if kind == 1 else other) + token[at + (kind != 2):]))
    taken = 0
    for (alg, token, changed), answer in zip(broken, weir([key(a).line(f"py-{a}") for a in ALGORITHMS], [b[2] for b in broken])):
        if answer.startswith("ok "):
            jwt.decode(changed, key(alg).public, algorithms=[alg], options={"verify_signature": True})
            same(changed, token, "another text is taken as the same token:")
            taken += 1
    same(taken < len(broken) / 10, True, f"{taken} of {len(broken)} were taken")


GO = subprocess.run([HERE / "jwt_go/build.sh"], capture_output=True, text=True, timeout=100)


def no_go():
    same(GO.returncode in (0, 77), True, GO.stderr[-2000:])
    return GO.stderr.strip().splitlines()[-1] if GO.returncode == 77 else None


@case
def golang_jwt():
    if no_go():
        return no_go()
    lines = [line.split() for line in run([GO.stdout.strip(), "sign", WORK.name])]
    files = {a: pathlib.Path(WORK.name, f"{a}.{'secret' if a.startswith('HS') else 'pem'}") for a in ALGORITHMS}
    same(sorted({alg for alg, _ in lines}), sorted(ALGORITHMS))
    keys = [f"{file.suffix[1:]} go-{alg} {alg} {file}" for alg, file in files.items()]
    expect_all(weir(keys, [token for _, token in lines]), 3 * len(ALGORITHMS))


# ---- ours there: by the command weir, where it is built -------------------------------------------------------------------------
def ours(alg):
    """Signed by `weir jwt sign`; None where there is no such command."""
    command = BUILD / "bin/weir"
    if not command.exists() or subprocess.run([command, "jwt", "sign", "--help"], capture_output=True).returncode != 0:
        return None
    private, public = pathlib.Path(WORK.name, f"ours-{alg}.jwk"), pathlib.Path(WORK.name, f"ours-{alg}.public")
    if not private.exists():
        run([command, "jwt", "keygen", "--alg", alg, "--kid", "ours", "--out", private])
        jwk = jwt.api_jws.json.loads(private.read_text())
        if alg.startswith("HS"):
            public.write_bytes(base64.urlsafe_b64decode(jwk["k"] + "=="))
        else:
            loaded = {"RSA": jwt.algorithms.RSAAlgorithm, "EC": jwt.algorithms.ECAlgorithm, "OKP": jwt.algorithms.OKPAlgorithm}[jwk["kty"]]
            public.write_bytes(loaded.from_jwk(private.read_text()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return public, run([command, "jwt", "sign", "--key", private, "--alg", alg, "--sub", "user-{n}", "--count", 3])


@case
def ours_by_pyjwt():
    for alg in ALGORITHMS:
        made = ours(alg)
        if made is None:
            return "the command weir is not built"
        same([jwt.decode(token, made[0].read_bytes(), algorithms=[alg])["sub"] for token in made[1]], ["user-1", "user-2", "user-3"], alg)


@case
def ours_by_golang_jwt():
    if no_go():
        return no_go()
    for alg in ALGORITHMS:
        made = ours(alg)
        if made is None:
            return "the command weir is not built"
        same(run([GO.stdout.strip(), "verify", alg, made[0]], made[1]), ["ok user-1", "ok user-2", "ok user-3"], alg)


if __name__ == "__main__":
    sys.exit(run_cases("jwt_interop", CASES))
