#!/usr/bin/env python3
"""What never leaks: a run with good, bad and hostile tokens, all of whose outputs (metrics text, OTLP bodies, console spans, the log,
the segment's bytes) are searched for tokens, signatures, keys and claims that are not on the policy's list."""
import os
import pathlib
import sys
import tempfile
import time
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from jwt_service import Service, KEYS, Server, base64url, jwks, token

UNLISTED = ["s3cretvalue", "UnlistedName", "hidden.address@example.com", "internal-role-x9"]


def minted():
    """Tokens, each with claims that must not come out; what is done with it."""
    for n in range(40):
        claims = {"sub": f"subject-{n}", "iss": "issuer-of-all", "org": {"tenant": f"tenant{n % 5}", "vault": UNLISTED[0]},
                  "name": UNLISTED[1], "email": UNLISTED[2], "roles": [UNLISTED[3], "user"], "n": n}
        good = token("k1", **claims)
        head, payload, signature = good.split(".")
        yield good
        yield token("k9", **claims)
        yield token("k1", seconds=-60, **claims)
        yield f"{head}.{payload}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
        yield f"{head}.{payload}"
        yield f"{head}.{payload}.{signature}\u00e9"
        yield good + "A" * 18000
        yield token("k1", **{**claims, "exp": UNLISTED[0]})
        yield token("k1", **{**claims, "org": {"tenant": "x" * 300 + UNLISTED[0]}})


def needles(tokens):
    """All that must not be found, as bytes."""
    found = set()
    for text in tokens:
        for part in text.split(".")[1:]:
            for at in range(0, min(len(part), 1200) - 15, 16):
                found.add(part[at : at + 16].encode())
    for text in UNLISTED:
        found.add(text.encode())
        for lead in ("", "x", "xx"):  # as base64 has it, at each of three places
            found.add(base64url((lead + text).encode())[4:-3].encode())
    for key in KEYS.values():
        found.update((key, base64url(key).encode()[:40]))
    found.discard(b"A" * 16)
    return found


def segment(pid):
    for fd in pathlib.Path(f"/proc/{pid}/task").glob("*/fd/*"):
        try:
            if "memfd:weir" in os.readlink(fd):
                with open(fd, "rb") as file:
                    pages, whole = [], os.fstat(file.fileno()).st_size
                    at = 0
                    while at < whole:  # sparse
                        try:
                            at = os.lseek(file.fileno(), at, os.SEEK_DATA)
                        except OSError:
                            break
                        end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
                        file.seek(at)
                        pages.append(file.read(end - at))
                        at = end
                    return b"".join(pages)
        except OSError:
            pass
    return b""


def run(env):
    outputs = {}
    tokens = list(minted())
    with tempfile.TemporaryDirectory() as folder, Server(lambda request: request.answer(200)) as collector:
        path = pathlib.Path(folder, "keys.json")
        path.write_bytes(jwks("k1"))
        with Service(path=str(path), otlp=collector.url, prometheus=1, env={"OTEL_LOG_LEVEL": "debug", **env}) as service:
            assert service.started == "WEIR_OK", service.started
            results = {}
            for text in tokens:
                for _ in range(2):
                    result = service.auth(text)
                    results[result] = results.get(result, 0) + 1
            for broken in (b"{", b"{\"keys\":[{\"kty\":\"oct\",\"k\":\"" + base64url(KEYS["k2"]).encode() + b"\"}]}", jwks("k1", "k2")[:-3]):
                path.write_bytes(broken)
                service.timed("refresh", 5000)
            outputs["metrics text"] = urllib.request.urlopen(f"http://127.0.0.1:{service.port}/metrics", timeout=10).read()
            service.timed("flush", 9000)
            time.sleep(0.3)
            outputs["segment"] = segment(service.process.pid)
            service.timed("shutdown", 9000)
            outputs["log and console"] = service.text().encode()
        outputs["OTLP bodies"] = b"".join(body for _, _, body in collector.requests)
    return outputs, results, needles(tokens)


def main():
    failed = False

    def tell(name, wrong):
        nonlocal failed
        failed = failed or bool(wrong)
        print(f"not ok {name}: {wrong}" if wrong else f"ok {name}", flush=True)

    for what, env in (("OTLP", {}), ("console", {"OTEL_TRACES_EXPORTER": "console"})):
        try:
            outputs, results, secret = run(env)
        except Exception as error:
            tell(f"jwt secrets, {what}", str(error) or type(error).__name__)
            continue
        wanted = {"ok", "unknown_key", "expired", "bad_signature", "malformed", "too_large", "claim"}
        tell(f"jwt secrets, {what}: all came to what they are", wanted - results.keys())
        seen = [b"tenant3", b"bad_signature"]  # what is allowed does come out: the outputs are there
        for name, data in outputs.items():
            if name == "OTLP bodies" and what == "console":
                continue
            tell(f"jwt secrets, {what}: {name} is there", "" if what == "OTLP" and name.startswith("log") or all(s in data for s in seen)
                 else f"{len(data)} bytes without what they should have")
            tell(f"jwt secrets, {what}: nothing in {name}", next((f"{n[:8]!r}..." for n in secret if n in data), ""))
    return failed


sys.exit(main())
