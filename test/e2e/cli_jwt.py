#!/usr/bin/env python3
"""weir jwt as a user runs it: keygen, sign, decode, verify; a round trip for each algorithm; what is refused, and how.

Witnesses: PyJWT, where there is one, and openssl dgst. The program: WEIR_BUILD's."""
import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(os.environ.get("WEIR_ROOT", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD", ROOT / "build/release"))
WEIR = BUILD / "bin/weir"
ASYMMETRIC = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
SECRET = ["HS256", "HS384", "HS512"]
MARK = "c2VjcmV0LW1hcms"  # stands in files that are no good, and must not stand in what is said of them


class Wrong(Exception):
    pass


class Skip(Exception):
    pass


def need(there, what):
    if not there:
        raise Wrong(what)


def weir(*args, stdin="", env=None):
    """(code, standard output, standard error)"""
    done = subprocess.run([WEIR, *map(str, args)], input=stdin.encode() if isinstance(stdin, str) else stdin,
                          capture_output=True, timeout=60, env={**os.environ, **(env or {})})
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def good(*args, stdin=""):
    code, out, err = weir(*args, stdin=stdin)
    need(code == 0, f"{args[:2]} ends with {code}: {err.strip()}")
    return out


def refused(code, reason, *args, stdin=""):
    """Ends with this code, says the reason on standard error, and nothing on standard output."""
    got, out, err = weir(*args, stdin=stdin)
    need(got == code, f"{args[:3]} ends with {got}, not {code}: {err.strip()}")
    need(re.search(reason, err), f"{args[:3]} says {err.strip()!r}, not {reason!r}")
    need(not out, f"{args[:3]} prints {out!r} although it refuses")
    return err


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parts(token):
    return [json.loads(raw(part)) for part in token.strip().split(".")[:2]]


def keys(alg, *more):
    """A fresh pair: (private key's file, set's file)"""
    private, public = folder(f"{alg}.jwk"), folder(f"{alg}.jwks")
    good("jwt", "keygen", "--alg", alg, "--out", private, "--jwks", public, *more)
    return private, public


PEMS = {}


def pems(alg):
    """(private key's file, public one's), in PEM; one for all RSA, since it takes its time."""
    family = "RS256" if alg[:2] in ("RS", "PS") else alg
    if family not in PEMS:
        PEMS[family] = folder("key.pem"), folder("public.pem")
        good("jwt", "keygen", "--alg", family, "--out", PEMS[family][0])
        subprocess.run(["openssl", "pkey", "-in", PEMS[family][0], "-pubout", "-out", PEMS[family][1]], check=True, capture_output=True)
    return PEMS[family]


def folder(name):
    return pathlib.Path(tempfile.mkdtemp(dir=WORK)) / name


def write(name, text):
    path = folder(name)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# ---- help and usage --------------------------------------------------------------------------------------------------------
HELPS = {"weir": [], "weir-jwt": ["jwt"], **{f"weir-jwt-{c}": ["jwt", c] for c in ("keygen", "sign", "decode", "verify")}}


def help_is_as_written_down():
    for name, words in HELPS.items():
        wanted = (ROOT / f"test/golden/cli/{name}.txt").read_text()
        need(good(*words, "--help") == wanted, f"{' '.join(words)} --help is not test/golden/cli/{name}.txt")


def version_is_the_headers():
    text = re.search(r'WEIR_VERSION_TEXT "(.*)"', (ROOT / "include/weir/base.h").read_text())[1]
    need(good("--version") == f"weir {text}\n", "another version")


def flags_of(name):
    text = (ROOT / f"test/golden/cli/{name}.txt").read_text()
    return set(re.findall(r"(--[a-z][a-z-]*)", re.sub(r"see .* --help|COMMAND --help|--help", "", text)))


def manual_and_completion_know_every_flag():
    manual = (ROOT / "doc/weir.1").read_text() + (ROOT / "doc/weir-jwt.1").read_text()
    manual = manual.replace("\\-", "-")
    for name, words in HELPS.items():
        script = f'. {ROOT}/src/cli/weir.bash; COMP_WORDS=(weir {" ".join(words)} ""); COMP_CWORD={len(words) + 1}; _weir; echo "${{COMPREPLY[@]}}"'
        completed = set(subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split())
        for flag in flags_of(name):
            need(flag in manual, f"{flag} does not stand in a manual page")
            need(flag in completed, f"{flag} of {name} is not completed")
    for command in ("keygen", "sign", "decode", "verify"):
        need(command in good("jwt", "--help"), command)


def bad_usage_ends_with_2():
    private, public = keys("ES256")
    for words in ([], ["frobnicate"], ["jwt"], ["jwt", "frobnicate"], ["--frobnicate"],
                  ["jwt", "keygen"], ["jwt", "keygen", "--alg"], ["jwt", "keygen", "--alg", "none"],
                  ["jwt", "keygen", "--alg", "RS256", "--bits", "1024"], ["jwt", "keygen", "--alg", "RS256", "--bits", "many"],
                  ["jwt", "keygen", "--alg", "ES256", "--bits", "2048"], ["jwt", "keygen", "--alg", "ES256", "--alg", "ES256"],
                  ["jwt", "keygen", "--alg", "HS256", "--jwks", public], ["jwt", "keygen", "--alg", "HS256", "--format", "pem"],
                  ["jwt", "keygen", "--alg", "ES256", "--format", "der"], ["jwt", "keygen", "--alg", "ES256", "--force"],
                  ["jwt", "keygen", "--alg", "ES256", "--force=yes", "--out", "x"], ["jwt", "keygen", "--alg", "ES256", "--keep", "2"],
                  ["jwt", "keygen", "--alg", "ES256", "--jwks", public, "--keep", "0"],
                  ["jwt", "sign"], ["jwt", "sign", "--key", private, "--secret-file", private],
                  ["jwt", "sign", "--key", private, "--claim", "x"], ["jwt", "sign", "--key", private, "--claim", "=x"],
                  ["jwt", "sign", "--key", private, "--expires-in", "soon"], ["jwt", "sign", "--key", private, "--count", "0"],
                  ["jwt", "sign", "--key", private, "--count", "1x"], ["jwt", "sign", "--key", private, "--alg", "none"],
                  ["jwt", "sign", "--secret-file", private, "--alg", "ES256"],
                  ["jwt", "verify"], ["jwt", "verify", "--jwks", public, "--pem", public],
                  ["jwt", "verify", "--jwks", public, "--alg", "ES256"], ["jwt", "verify", "--jwks", public, "--leeway", "x"],
                  ["jwt", "verify", "--jwks", public, "--claim", "=x"], ["jwt", "decode", "--max-age", "-1m"]):
        refused(2, "^weir", *words)


def a_token_on_the_command_line_is_refused_and_not_repeated():
    private, public = keys("ES256")
    token = good("jwt", "sign", "--key", private).strip()
    for words in (["verify", "--jwks", public, token], ["decode", token]):
        err = refused(2, "standard input", "jwt", *words)
        need(token not in err and token[:20] not in err, "it repeats the token")
    for words in ([token], ["jwt", token], ["jwt", "sign", "--key", private, token], ["jwt", "sign", f"--{token}"]):
        need(token[:20] not in refused(2, "^weir", *words), "it repeats what may be a secret")


def full_disk_is_an_error():
    private, _ = keys("ES256")
    with open("/dev/full", "w") as full:
        for words in (["--help"], ["jwt", "sign", "--key", private], ["jwt", "keygen", "--alg", "ES256"]):
            done = subprocess.run([WEIR, *words], stdout=full, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60)
            need(done.returncode == 1 and b"standard output" in done.stderr, f"{words}: {done}")


# ---- keys ------------------------------------------------------------------------------------------------------------------
def private_keys_are_for_their_owner_alone():
    for alg in ("ES256", "HS256"):
        out = folder("key")
        good("jwt", "keygen", "--alg", alg, "--out", out)
        need(stat.S_IMODE(out.stat().st_mode) == 0o600, f"mode {out.stat().st_mode:o}")
        need(os.listdir(out.parent) == ["key"], "it leaves something beside the key")


def a_key_that_is_there_stays():
    private, _ = keys("ES256")
    before = private.read_bytes()
    refused(1, "File exists", "jwt", "keygen", "--alg", "ES256", "--out", private)
    need(private.read_bytes() == before, "it is another")
    good("jwt", "keygen", "--alg", "ES256", "--out", private, "--force")
    need(private.read_bytes() != before and stat.S_IMODE(private.stat().st_mode) == 0o600, "--force does not replace it")


def a_set_grows_and_has_nothing_private():
    public, algs = folder("set"), ["RS256", "ES256", "ES384", "ES512", "EdDSA"]
    for alg in algs:
        good("jwt", "keygen", "--alg", alg, "--out", folder("key"), "--jwks", public)
    found = json.loads(public.read_text())["keys"]
    need([key["alg"] for key in found] == algs, "other keys")
    for key in found:
        need(not set(key) & {"d", "p", "q", "dp", "dq", "qi", "k"}, f"a private member: {sorted(key)}")
        need(key["use"] == "sig" and key["kid"], "use or kid is missing")
    good("jwt", "keygen", "--alg", "ES256", "--kid", "new", "--out", folder("key"), "--jwks", public, "--keep", "3")
    need([key["alg"] for key in json.loads(public.read_text())["keys"]] == algs[-2:] + ["ES256"], "--keep 3 keeps others")
    good("jwt", "keygen", "--alg", "ES256", "--kid", "new", "--out", folder("key"), "--jwks", public, "--keep", "1")
    need([key["kid"] for key in json.loads(public.read_text())["keys"]] == ["new"], "--keep 1 leaves others")
    refused(1, "there is a key of this kid", "jwt", "keygen", "--alg", "ES256", "--kid", "new", "--out", folder("key"), "--jwks", public)
    for text in ("[]", "{}", '{"keys": 7}', f'{{"keys": [{MARK}'):
        need(MARK not in refused(1, "not a set", "jwt", "keygen", "--alg", "ES256", "--out", folder("key"),
                                 "--jwks", write("set", text)), "it repeats the file")


def kids_are_thumbprints():
    for alg, members in (("RS256", ("e", "kty", "n")), ("ES384", ("crv", "kty", "x", "y")), ("EdDSA", ("crv", "kty", "x"))):
        private, public = keys(alg)
        jwk = json.loads(public.read_text())["keys"][0]
        text = json.dumps({name: jwk[name] for name in members}, separators=(",", ":"), sort_keys=True)
        need(jwk["kid"] == b64(hashlib.sha256(text.encode()).digest()), f"{alg}: no thumbprint")
        need(parts(good("jwt", "sign", "--key", private))[0]["kid"] == jwk["kid"], "the token's is another")
    private, _ = keys("ES256", "--kid", "mine")
    need(parts(good("jwt", "sign", "--key", private))[0] == {"alg": "ES256", "kid": "mine", "typ": "JWT"}, "another header")
    need(parts(good("jwt", "sign", "--key", private, "--kid", "", "--type", "at+jwt"))[0] == {"alg": "ES256", "typ": "at+jwt"}, "header")


def keys_are_what_openssl_reads():
    for alg, words in (("RS256", "2048 bit"), ("ES256", "prime256v1"), ("ES512", "secp521r1"), ("EdDSA", "ED25519")):
        pem = folder("key.pem")
        good("jwt", "keygen", "--alg", alg, "--out", pem)
        text = subprocess.run(["openssl", "pkey", "-in", pem, "-noout", "-text"], capture_output=True, text=True, check=True).stdout
        need(words in text, f"{alg}: {text[:80]}")
    need("4096 bit" in subprocess.run(["openssl", "pkey", "-noout", "-text"], capture_output=True, text=True, check=True, input=good(
        "jwt", "keygen", "--alg", "RS256", "--bits", "4096", "--format", "pem")).stdout, "--bits has no effect")


def bad_key_files_are_refused_and_not_repeated():
    private, public = keys("ES256")
    rsa, _ = keys("RS256")
    jwk = json.loads(private.read_text())
    for reason, text in (("no JSON", f'{{"kty": "{MARK}'), ("neither a JWK nor PEM", MARK), ("no private key in PEM", f"-----BEGIN PRIVATE KEY-----\n{MARK}\n"),
                         ("public key", public.read_text()), ("--alg must say", json.dumps({"kty": MARK})),
                         ("no whole private key", json.dumps({**jwk, "x": MARK})), ("no whole private key", json.dumps({**jwk, "d": "=="})),
                         ("does not sign with", json.dumps({**jwk, "crv": "P-384"})), ("--alg must say", json.dumps({**jwk, "alg": MARK})),
                         ("--alg must say", json.dumps({"kty": "oct", "k": MARK})), ("no whole private key", json.dumps({**jwk, "y": MARK}))):
        need(MARK not in refused(1, reason, "jwt", "sign", "--key", write("key", text)), f"{reason}: it repeats the file")
    refused(1, "is for ES256, not for ES384", "jwt", "sign", "--key", private, "--alg", "ES384")
    refused(1, "is for RS256, not for HS256", "jwt", "sign", "--key", rsa, "--alg", "HS256")
    refused(1, "No such file", "jwt", "sign", "--key", WORK / "none")
    refused(1, "directory", "jwt", "sign", "--key", WORK)
    if os.geteuid() != 0:
        private.chmod(0)
        refused(1, "Permission denied", "jwt", "sign", "--key", private)


# ---- tokens ----------------------------------------------------------------------------------------------------------------
def claims_are_what_was_asked_for():
    private, _ = keys("ES256")
    now = time.time()
    claims = parts(good("jwt", "sign", "--key", private, "--sub", "u", "--iss", "i", "--aud", "a", "--jti", "j", "--claim", "n=5",
                        "--claim", "list=[1, \"x\"]", "--claim", "text=a=b", "--claim", 'five="5"', "--claim", "no=null",
                        "--expires-in", "5m", "--not-before", "-30s"))[1]
    for name, wanted in (("iat", now), ("exp", now + 300), ("nbf", now - 30)):
        need(abs(claims.pop(name) - wanted) < 5, name)
    need(claims == {"sub": "u", "iss": "i", "aud": "a", "jti": "j", "n": 5, "list": [1, "x"], "text": "a=b", "five": "5", "no": None}, f"{claims}")
    claims = parts(good("jwt", "sign", "--key", private, "--payload", "-", "--sub", "new", stdin='{"sub": "old", "exp": 7, "scope": "a b"}'))[1]
    need(abs(claims.pop("iat") - now) < 5 and claims == {"sub": "new", "exp": 7, "scope": "a b"}, f"{claims}")
    need(parts(good("jwt", "sign", "--key", private, "--expires-in", "never", "--issued-at", "never"))[1] == {}, "not empty")
    claims = parts(good("jwt", "sign", "--key", private))[1]
    need(set(claims) == {"iat", "exp"} and claims["exp"] - claims["iat"] == 3600, f"without flags: {claims}")
    refused(1, "no JSON: line 1", "jwt", "sign", "--key", private, "--payload", "-", stdin=f'{{"a": {MARK}')
    refused(1, "no JSON object", "jwt", "sign", "--key", private, "--payload", "-", stdin="[]")
    refused(1, "not UTF-8", "jwt", "sign", "--key", private, "--sub", os.fsdecode(b"\xff"))


def many_at_once():
    private, public = keys("EdDSA")
    tokens = good("jwt", "sign", "--key", private, "--count", "300", "--sub", "user-{n}", "--claim", "tenant=t{n}", "--claim", "n={n}").split()
    need(len(set(tokens)) == 300, f"{len(set(tokens))} tokens")
    for n in (1, 300):
        claims = json.loads(good("jwt", "verify", "--jwks", public, stdin=tokens[n - 1]))
        need((claims["sub"], claims["tenant"], claims["n"]) == (f"user-{n}", f"t{n}", n), f"{claims}")
    need(parts(good("jwt", "sign", "--key", private, "--sub", "{n}"))[1]["sub"] == "{n}", "without --count it stays")


def round_trip(alg):
    private, public = keys(alg)
    token = good("jwt", "sign", "--key", private, "--sub", "u1")
    need(token.count("\n") == 1 and token.count(".") == 2, f"more than a token: {token!r}")
    need(json.loads(good("jwt", "verify", "--jwks", public, stdin=token))["sub"] == "u1", "other claims")
    pem, half = pems(alg)
    token = good("jwt", "sign", "--key", pem, "--alg", alg, "--sub", "u2")
    need(json.loads(good("jwt", "verify", "--pem", half, "--alg", alg, stdin=f"Bearer {token}"))["sub"] == "u2", "by PEM: other claims")
    refused(1, "refused: (unknown_key|bad_signature)", "jwt", "verify", "--jwks", public, stdin=token)


def round_trip_secret(alg):
    secret = write("secret", os.urandom(64) + b"\n")
    token = good("jwt", "sign", "--secret-file", secret, "--alg", alg, "--sub", "u1")
    need(json.loads(good("jwt", "verify", "--secret-file", secret, "--alg", alg, stdin=token))["sub"] == "u1", "other claims")
    head, body, signature = token.strip().split(".")
    wanted = hmac.new(secret.read_bytes(), f"{head}.{body}".encode(), f"sha{alg[2:]}").digest()
    need(raw(signature) == wanted, "Python's hmac finds another signature")
    other = write("secret", os.urandom(64))
    refused(1, "refused: bad_signature", "jwt", "verify", "--secret-file", other, "--alg", alg, stdin=token)
    key = folder("key")
    good("jwt", "keygen", "--alg", alg, "--out", key)
    token = good("jwt", "sign", "--key", key)
    secret.write_bytes(raw(json.loads(key.read_text())["k"]))
    good("jwt", "verify", "--secret-file", secret, "--alg", alg, stdin=token)


def pyjwt():
    for python in (sys.executable, "/usr/bin/python3"):
        if shutil.which(python) and subprocess.run([python, "-c", "import jwt, cryptography"], capture_output=True).returncode == 0:
            return python
    raise Skip("PyJWT (python3-jwt) with cryptography is not installed")


def pyjwt_verifies_ours_and_we_its(alg):
    python = pyjwt()
    pem, half = pems(alg)
    token = good("jwt", "sign", "--key", pem, "--alg", alg, "--sub", "u1", "--aud", "orders", "--iss", "me").strip()
    code = ("import sys, jwt, time\n"
            "alg, private, public, token = sys.argv[1:]\n"
            "claims = jwt.decode(token, open(public).read(), algorithms=[alg], audience='orders', issuer='me')\n"
            "assert claims['sub'] == 'u1', claims\n"
            "print(jwt.encode({'sub': 'u2', 'exp': int(time.time()) + 60}, open(private).read(), algorithm=alg))\n")
    done = subprocess.run([python, "-c", code, alg, pem, half, token], capture_output=True, text=True)
    need(done.returncode == 0, f"PyJWT: {done.stderr.strip()[-200:]}")
    need(json.loads(good("jwt", "verify", "--pem", half, "--alg", alg, stdin=done.stdout))["sub"] == "u2", "other claims")


def openssl_verifies(alg):
    (pem, half), data, der = pems(alg), folder("data"), folder("signature")
    head, body, signature = good("jwt", "sign", "--key", pem, "--alg", alg).strip().split(".")
    data.write_text(f"{head}.{body}")
    signature = raw(signature)
    if alg == "ES256":  # openssl wants DER

        def number(n):
            n = n.lstrip(b"\0") or b"\0"
            n = b"\0" + n if n[0] & 0x80 else n
            return bytes([2, len(n)]) + n

        both = number(signature[:32]) + number(signature[32:])
        signature = bytes([0x30, len(both)]) + both
    der.write_bytes(signature)
    done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", half, "-signature", der, data], capture_output=True, text=True)
    need("Verified OK" in done.stdout, f"{done.stdout}{done.stderr}")


# ---- what is refused ---------------------------------------------------------------------------------------------------------
def tampered_tokens_are_refused():
    private, public = keys("ES256")
    token = good("jwt", "sign", "--key", private, "--sub", "u1").strip()
    head, body, signature = token.split(".")
    header, claims = parts(token)

    def made(header, signature=signature, body=body):
        return f"{b64(json.dumps(header).encode())}.{body}.{signature}"

    secret = public.read_bytes()
    confused = f"{b64(json.dumps({**header, 'alg': 'HS256'}).encode())}.{body}"
    confused += "." + b64(hmac.new(secret, confused.encode(), "sha256").digest())
    changed = bytearray(raw(signature))
    changed[40] ^= 1
    for reason, bad in (
            ("bad_signature", f"{head}.{b64(json.dumps({**claims, 'sub': 'admin'}).encode())}.{signature}"),
            ("bad_signature", f"{head}.{body}.{b64(bytes(changed))}"),
            ("malformed|bad_signature", f"{head}.{body}.{signature[:-4]}"), ("malformed|bad_signature", f"{head}.{body}."),
            ("malformed|bad_signature", f"{head}.{body}.{signature}="),
            ("alg_not_allowed", made({**header, "alg": "none"}, "")), ("alg_not_allowed", confused),
            ("alg_not_allowed|malformed", made({"kid": header["kid"]})), ("crit", made({**header, "crit": ["exp"]})),
            ("unknown_key", made({**header, "kid": "another"})),
            ("malformed", head), ("malformed", f"{head}.{body}"), ("malformed", f"{head}.{body}.{signature}.x"), ("malformed", "..."),
            ("encrypted|malformed", f"{head}.a.b.c.d"), ("malformed", "\x00\x01"), ("malformed|too_large", "a" * 70000)):
        err = refused(1, f"refused: ({reason}): ", "jwt", "verify", "--jwks", public, stdin=bad)
        need(signature[:20] not in err, "it repeats the token")
    refused(1, "there is no token", "jwt", "verify", "--jwks", public, stdin=" \n")
    refused(1, "more than", "jwt", "verify", "--jwks", public, stdin="a" * 2000000)


def times_and_claims_are_checked():
    private, public = keys("ES256")

    def case(reason, sign, verify):
        token = good("jwt", "sign", "--key", private, *sign)
        if reason is None:
            good("jwt", "verify", "--jwks", public, *verify, stdin=token)
        else:
            refused(1, f"refused: {reason}: ", "jwt", "verify", "--jwks", public, *verify, stdin=token)

    case("expired", ["--expires-in", "-1m"], [])
    case(None, ["--expires-in", "-1m"], ["--leeway", "2m"])
    case("not_yet_valid", ["--not-before", "1m"], [])
    case(None, ["--not-before", "1m"], ["--leeway", "2m"])
    case("claim", ["--expires-in", "never"], [])
    case(None, ["--expires-in", "never"], ["--no-expiry"])
    case("too_old", ["--issued-at", "-1h"], ["--max-age", "10m"])
    case(None, ["--issued-at", "-1m"], ["--max-age", "10m"])
    case("issuer", ["--iss", "you"], ["--issuer", "me"])
    case("issuer", [], ["--issuer", "me"])
    case(None, ["--iss", "me"], ["--issuer", "me"])
    case("audience", ["--aud", "them"], ["--audience", "orders"])
    case(None, ["--claim", 'aud=["them", "orders"]'], ["--audience", "orders"])
    case("type", [], ["--type", "at+jwt"])
    case(None, ["--type", "application/at+jwt"], ["--type", "at+jwt"])
    case("claim", [], ["--required", "tenant"])
    case(None, ["--claim", "tenant=a"], ["--required", "tenant"])
    case("claim", ["--claim", "scope=orders:read"], ["--claim", "scope=orders:write"])
    case(None, ["--claim", "scope=orders:read orders:write"], ["--claim", "scope=orders:write"])
    token = good("jwt", "sign", "--key", private, "--expires-in", "-90s")
    err = refused(1, r"\(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ, 1 m \d+ s ago\)", "jwt", "verify", "--jwks", public, stdin=token)
    need("eyJ" not in err, "it repeats the token")


def bad_sets_are_refused_and_not_repeated():
    private, public = keys("ES256")
    token = good("jwt", "sign", "--key", private)
    for text in (f'{{"keys": [{MARK}', json.dumps({"keys": []}), json.dumps({"keys": [{"kty": MARK}]}), MARK, ""):
        need(MARK not in refused(1, "cannot be used|no key that verifies", "jwt", "verify", "--jwks", write("set", text), stdin=token),
             "it repeats the file")
    short = write("secret", MARK)
    need(MARK not in refused(1, "cannot be used", "jwt", "verify", "--secret-file", short, stdin=token), "it repeats the secret")
    refused(1, "No such file", "jwt", "verify", "--jwks", WORK / "none", stdin=token)
    refused(1, "directory", "jwt", "verify", "--jwks", WORK, stdin=token)
    refused(1, "No such file", "jwt", "verify", "--jwks", public, "--policy", WORK / "none", stdin=token)


# ---- decode ------------------------------------------------------------------------------------------------------------------
def decode(*args, stdin):
    code, out, err = weir("jwt", "decode", *args, stdin=stdin)
    need(code == 0, f"decode ends with {code}: {err}")
    return json.loads(out), err, out


def decode_warns_that_nothing_was_verified():
    private, public = keys("ES256")
    token = good("jwt", "sign", "--key", private, "--sub", "u1", "--expires-in", "5m")
    shown, err, _ = decode(stdin=token)
    need("NOTHING WAS VERIFIED" in err and shown["verified"] is False, f"no warning: {err}")
    need((shown["header"], shown["claims"]) == tuple(parts(token)), "header and claims are others")
    need(re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ, in (5 m 0|4 m \d+) s", shown["dates"]["exp"]), f"{shown['dates']}")
    need(shown["policy"]["result"] == "ok" and shown["policy"]["checked"] == "all but the signature", f"{shown['policy']}")
    shown, err, _ = decode("--jwks", public, stdin=token)
    need(err == "" and shown["verified"] is True and shown["policy"]["checked"] == "all", f"{err} {shown['policy']}")
    shown, err, _ = decode("--jwks", keys("ES256")[1], stdin=token)
    need("NOT VERIFIED: unknown_key" in err and shown["verified"] is False, f"{err}")


def decode_says_what_a_policy_makes_of_it():
    private, public = keys("ES256")
    policy = {"issuer": "me", "leeway": "30s", "result_label": "auth", "claims": [
        {"claim": "tenant", "attribute": "app.tenant", "label": "tenant", "label_values": ["a", "b"], "required": True},
        {"claim": "sub", "attribute": "enduser.id", "hashed": True}, {"claim": "/org/unit", "attribute": "unit"}]}
    path = write("policy", json.dumps(policy))
    sign = ["--key", private, "--iss", "me", "--sub", "u1", "--claim", 'org={"unit": "x"}']
    for tenant, label in (("a", "a"), ("z", "other")):
        token = good("jwt", "sign", *sign, "--claim", f"tenant={tenant}")
        for keyed in ([], ["--jwks", public]):
            verdict = decode("--policy", path, *keyed, stdin=token)[0]["policy"]
            need(verdict["result"] == "ok" and verdict["labels"] == {"tenant": label, "auth": "ok"}, f"{verdict}")
            need(verdict["attributes"]["app.tenant"] == tenant and verdict["attributes"]["unit"] == "x", f"{verdict}")
            need(re.fullmatch("[0-9a-f]{16}", verdict["attributes"]["enduser.id"]), f"{verdict}")
    verdict = decode("--policy", path, stdin=good("jwt", "sign", *sign))[0]["policy"]
    need(verdict["result"] == "claim" and verdict["labels"] == {"auth": "claim"} and verdict["attributes"] == {}, f"{verdict}")
    verdict = decode("--policy", path, "--issuer", "you", stdin=token)[0]["policy"]
    need(verdict["result"] == "issuer", f"a flag does not win: {verdict}")
    verdict = decode("--claim", "scope=orders:write", stdin=good("jwt", "sign", *sign, "--claim", "scope=a orders:write"))[0]["policy"]
    need(verdict["attributes"] == {"scope": "a orders:write"}, f"{verdict}")
    for text, reason in (('{"isuer": "me"}', '"isuer" is no member'), ('{"issuer": 7}', '"issuer"'), ("[]", "no JSON object"), ("{", "no JSON: line"),
                         ('{"claims": [{"label": "x"}]}', '"claims"'), ('{"claims": [{"claim": "x", "hashd": true}]}', '"hashd"')):
        refused(1, reason, "jwt", "decode", "--policy", write("policy", text), stdin=token)


def decode_moves_no_terminal():
    private, _ = keys("ES256")
    bad = "\x1b[2J\x07\x9b2J\u202eevil\u2066\x7f\u200b"
    out = decode(stdin=good("jwt", "sign", "--key", private, "--payload", "-", stdin=json.dumps({"sub": bad, bad: "é"})))[2]
    need(not set(out) & (set(bad) - set("[2Jevil")), f"it prints {out!r}")
    need("é" in out and json.loads(out)["claims"]["sub"] == bad, "what is harmless is changed")


def decode_of_what_is_no_token():
    for reason, text in (("three parts", "a.b"), ("header is not", "a.b.c"), ("payload is not", f"{b64(b'{}')}.!.c"),
                         ("payload is not", f"{b64(b'{}')}.{b64(b'[]')}.c"), ("header is not", f"{b64(b'{}')[:-1]}=.{b64(b'{}')}.")):
        refused(1, f"malformed: it.* {reason}" if reason == "three parts" else f"malformed: .*{reason}", "jwt", "decode", stdin=text)
    shown, err, _ = decode(stdin=f"{b64(json.dumps({'alg': 'dir', 'enc': 'A128GCM'}).encode())}.a.b.c.d")
    need(shown["policy"]["result"] == "encrypted" and shown["claims"] is None, f"{shown}")
    shown, err, _ = decode(stdin=f"{b64(json.dumps({'alg': 'none'}).encode())}.{b64(b'{}')}.")
    need(shown["policy"]["result"] == "alg_not_allowed" and "NOTHING WAS VERIFIED" in err, f"{shown}")


def run(name, function, *args):
    try:
        function(*args)
        print(f"ok cli_jwt.{name}", flush=True)
        return 0
    except Skip as why:
        print(f"skip cli_jwt.{name}: {why}", flush=True)
        return 0
    except (Wrong, ValueError, KeyError, OSError, subprocess.SubprocessError) as why:
        print(f"not ok cli_jwt.{name}: {type(why).__name__}: {why}".replace("\n", " ")[:500], flush=True)
        return 1


def main():
    failed = 0
    for function in (help_is_as_written_down, version_is_the_headers, manual_and_completion_know_every_flag, bad_usage_ends_with_2,
                     a_token_on_the_command_line_is_refused_and_not_repeated, full_disk_is_an_error,
                     private_keys_are_for_their_owner_alone, a_key_that_is_there_stays, a_set_grows_and_has_nothing_private,
                     kids_are_thumbprints, keys_are_what_openssl_reads, bad_key_files_are_refused_and_not_repeated,
                     claims_are_what_was_asked_for, many_at_once, tampered_tokens_are_refused, times_and_claims_are_checked,
                     bad_sets_are_refused_and_not_repeated, decode_warns_that_nothing_was_verified,
                     decode_says_what_a_policy_makes_of_it, decode_moves_no_terminal, decode_of_what_is_no_token):
        failed += run(function.__name__, function)
    for alg in ASYMMETRIC:
        failed += run(f"round_trip_{alg}", round_trip, alg)
        failed += run(f"pyjwt_{alg}", pyjwt_verifies_ours_and_we_its, alg)
    for alg in SECRET:
        failed += run(f"round_trip_{alg}", round_trip_secret, alg)
    for alg in ("RS256", "ES256"):
        failed += run(f"openssl_{alg}", openssl_verifies, alg)
    return failed != 0


if not WEIR.exists() or subprocess.run([WEIR, "jwt", "--help"], capture_output=True).returncode != 0:
    print("skip cli_jwt: built without WEIR_CLI or WEIR_JWT")
    sys.exit(0)
with tempfile.TemporaryDirectory() as WORK:
    WORK = pathlib.Path(WORK)
    sys.exit(main())
