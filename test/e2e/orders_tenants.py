#!/usr/bin/env python3
"""orders that checks tokens, with keys and tokens by `weir jwt`: what a client sent, tenant by tenant and reason by reason, is what
/metrics has, and what spans in a real Collector have."""
import collections
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]
for name in [n for n in os.environ if n.startswith("OTEL_") or n.lower().endswith("_proxy")]:
    del os.environ[name]
os.environ.update(OTEL_TRACES_SAMPLER="always_on", OTEL_BSP_SCHEDULE_DELAY="100", OTEL_BSP_MAX_QUEUE_SIZE="32768")

from collector import Collector  # noqa: E402
from orders_service import BUILD, Orders, Report, equal, total, until  # noqa: E402

WEIR = f"{BUILD}/bin/weir"
ORDER, ORDERS, TEA = "/api/v1/orders/5", "/api/v1/orders", '{"item":"tea","quantity":2}'
ID = {"X-Request-ID": "r1"}
INVALID = 'Bearer error="invalid_token"'
SCOPE = 'Bearer error="insufficient_scope", scope="orders:{}"'
report = Report()


def weir(*args, stdin=""):
    done = subprocess.run([WEIR, "jwt", *map(str, args)], input=stdin, capture_output=True, text=True, timeout=60)
    equal(done.returncode, 0, f"weir jwt {args[0]}: {done.stderr}")
    return done.stdout.split()


class Keys:
    """A folder with a set and who signs by it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.set = self.folder / "jwks.json"
        self.made = 0
        self.key = self.new()

    def new(self, *flags):
        self.made += 1
        key = self.folder / f"key{self.made}.jwk"
        weir("keygen", "--alg", "ES256", "--out", key, "--jwks", self.set, *flags)
        return key

    def sign(self, *flags, key=None, scope="orders:read orders:write", tenant="tea", sub="user-1"):
        claims = ["--claim", f"tenant={tenant}"] if tenant else []
        claims += ["--claim", f"scope={scope}"] if scope else []
        return weir("sign", "--key", key or self.key, "--iss", "me", "--aud", "orders", "--sub", sub, *claims, *flags)

    def args(self, *more):
        return ("--jwks", str(self.set), "--issuer", "me", "--audience", "orders", *more)


def bearer(token, headers=ID):
    return {**headers, **({"Authorization": f"Bearer {token}"} if token else {})}


def by(samples, name, *labels):
    """{(label's value, ...): sum}, without zeros."""
    found = collections.Counter()
    for (n, *have), value in samples.items():
        if n == name and value:
            found[tuple(dict(have)[label] for label in labels)] += value
    return dict(found)


# ---- what a client is told -------------------------------------------------------------------------------------------------
def flipped(token):
    head, body, signature = token.split(".")
    return f"{head}.{body}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def cases(keys):
    """(what, method, path, headers, status, challenge, tenant, reason); reason None: let in."""
    forger = Keys(tempfile.mkdtemp(dir=keys.folder))
    good = [keys.sign(tenant=t, sub=f"{t}-secret-name")[0] for t in ("tea", "lamp")]
    kid = json.loads(keys.key.read_text())["kid"]
    return [
        ("good", "GET", ORDER, bearer(good[0]), 200, None, "tea", None), ("good", "GET", ORDER, bearer(good[1]), 200, None, "lamp", None),
        ("good", "POST", ORDERS, bearer(good[1]), 201, None, "lamp", None),
        ("not there", "GET", "/api/v1/orders/888888888", bearer(good[0]), 404, None, "tea", None),
        ("expired", "GET", ORDER, bearer(keys.sign("--expires-in", "-1m")[0]), 401, INVALID, "anonymous", "expired"),
        ("tampered", "GET", ORDER, bearer(flipped(good[0])), 401, INVALID, "anonymous", "bad_signature"),
        ("forged", "GET", ORDER, bearer(forger.sign("--kid", kid)[0]), 401, INVALID, "anonymous", "bad_signature"),
        ("unknown key", "POST", ORDERS, bearer(forger.sign()[0]), 401, INVALID, "anonymous", "unknown_key"),
        ("issuer", "GET", ORDER, bearer(keys.sign("--claim", "iss=you")[0]), 401, INVALID, "anonymous", "issuer"),
        ("audience", "GET", ORDER, bearer(keys.sign("--claim", "aud=them")[0]), 401, INVALID, "anonymous", "audience"),
        ("no tenant", "GET", ORDER, bearer(keys.sign(tenant=None)[0]), 401, INVALID, "anonymous", "claim"),
        ("rubbish", "GET", ORDER, bearer("rubbish"), 401, INVALID, "anonymous", "malformed"),
        ("none", "GET", ORDER, ID, 401, "Bearer", "anonymous", "missing"),
        ("basic", "GET", ORDER, {**ID, "Authorization": "Basic dTpw"}, 401, "Bearer", "anonymous", "missing"),
        ("no such path", "GET", "/api/v1/none", ID, 401, "Bearer", "anonymous", "missing"),
        ("reader", "POST", ORDERS, bearer(keys.sign(scope="orders:read", tenant="lamp")[0]), 403, SCOPE.format("write"), "lamp", "forbidden"),
        ("no scope", "GET", ORDER, bearer(keys.sign(scope=None)[0]), 403, SCOPE.format("read"), "tea", "forbidden"),
        ("no header", "GET", ORDER, bearer(good[0], {}), 400, None, "tea", "header_missing"),
        ("health", "GET", "/healthz", {}, 200, None, None, None), ("elsewhere", "GET", "/favicon.ico", {}, 404, None, None, None),
    ]


CLIENTS, ROUNDS = 3, 20


def ask_all(gateway, asked):
    """Each client asks all of it ROUNDS times. {(tenant, status): n}, {(reason, tenant): n}, {trace id: case}."""
    answers, reasons, traces, failed, lock = collections.Counter(), collections.Counter(), {}, [], threading.Lock()

    def client():
        connection = gateway.connect()
        for _ in range(ROUNDS):
            for case in asked:
                what, method, path, headers, status, challenge, tenant, reason = case
                got, answer, text = gateway.ask(method, path, TEA if method == "POST" else None, connection, headers)
                equal((got, answer["WWW-Authenticate"]), (status, challenge), what)
                if status == 401:
                    equal(text, '{"error":"no good token"}\n', f"{what}: body")
                with lock:
                    if tenant:
                        answers[tenant, str(status)] += 1
                    if reason:
                        reasons[reason, tenant] += 1
                    traces[answer["X-Trace-ID"]] = case
        connection.close()

    def guarded():
        try:
            client()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return dict(answers), dict(reasons), traces


def exactly(collector, folder):
    keys = Keys(folder)
    asked = cases(keys)
    with Orders("--role", "store", "--otlp", collector.url) as store:
        with Orders("--role", "gateway", "--store", f"http://127.0.0.1:{store.port}", "--otlp", collector.url, "--access-log",
                    f"{folder}/log", *keys.args("--require-header", "X-Request-ID")) as gateway:
            answers, reasons, traces = ask_all(gateway, asked)
            samples = gateway.scrape()
            text = urllib.request.urlopen(f"http://{gateway.metrics}/metrics", timeout=10).read().decode()
            gateway.end()
            said = gateway.process.stderr.read().decode()
        store.end()
    n = CLIENTS * ROUNDS * len(asked)

    def requests():
        equal(by(samples, "orders_tenant_requests_total", "tenant", "code"), answers, "requests by tenant and code")
        counts = collections.Counter()
        for (tenant, _), count in answers.items():
            counts[tenant,] += count
        equal(by(samples, "orders_tenant_request_duration_seconds_count", "tenant"), dict(counts), "times by tenant")
        equal(total(samples, "http_requests_total"), n, "all requests")

    def refusals():
        equal(by(samples, "orders_refusals_total", "reason", "tenant"), reasons, "refusals by reason and tenant")
        by_result = collections.Counter()
        for (reason, _), count in reasons.items():
            by_result[reason,] += count
        verified = by(samples, "weir_jwt_verifications_total", "result")
        for reason in by_result:
            equal(verified.get(reason), by_result[reason], f"weir_jwt_verifications_total of {reason}")

    def spans():
        collector.wait_for(lambda: len({s["trace_id"] for s in collector.spans()}) >= n, 20)
        time.sleep(0.3)
        equal(len(traces), n, "traces")
        users = collections.defaultdict(set)
        for span in collector.spans():
            what, _, _, _, status, _, tenant, reason = traces[span["trace_id"]]
            has = span["attributes"]
            if span["resource"]["service.name"] == "orders-store" or span["kind"] == 3:
                continue
            equal(has["http.response.status_code"], status, f"{what}: status")
            known = tenant not in (None, "anonymous")
            equal(has.get("app.tenant"), tenant if known else None, f"{what}: app.tenant")
            equal("enduser.id" in has, known, f"{what}: enduser.id")
            if known:
                equal(bool(re.fullmatch("[0-9a-f]{16}", has["enduser.id"])), True, f"{what}: {has['enduser.id']}")
                users[what, tenant].add(has["enduser.id"])
        equal({len(ids) for ids in users.values()}, {1}, "ids of a user")
        equal(users["good", "tea"] == users["good", "lamp"], False, "two users, one id")

    def nothing_leaks():
        everything = json.dumps(collector.spans()) + text + said + pathlib.Path(f"{folder}/log").read_text()
        for _, _, _, headers, *_ in asked:
            token = headers.get("Authorization", "").split(" ")[-1]
            for part in token.split("."):
                if len(part) > 8 and part in everything:
                    raise AssertionError("a token, or part of one")
        for word in ("secret-name", "orders:read", "invalid_token"):
            equal(word in everything, False, word)

    report.case("orders_tenants.requests_and_times_by_tenant_are_the_clients", requests)
    report.case("orders_tenants.refusals_by_reason_are_the_clients", refusals)
    report.case("orders_tenants.spans_have_tenant_and_hashed_user", spans)
    report.case("orders_tenants.no_token_and_no_name_leaves", nothing_leaks)


# ---- many tenants ----------------------------------------------------------------------------------------------------------
def a_thousand_tenants():
    with tempfile.TemporaryDirectory() as folder:
        keys = Keys(folder)
        tokens = keys.sign("--count", "1000", tenant="tenant-{n}")
        with Orders(*keys.args("--tenants", "20")) as orders:
            connection = orders.connect()
            for token in tokens:
                equal(orders.ask("GET", ORDER, None, connection, bearer(token))[0], 200, "a good token")
            equal(orders.ask("GET", ORDER, None, connection)[0], 401, "none")
            connection.close()
            found = by(orders.scrape(), "orders_tenant_requests_total", "tenant")
    equal(sum(found.values()), 1001, "all of them")
    equal(("anonymous",) in found and ("other",) in found, True, "anonymous and other")
    if len(found) > 22:
        raise AssertionError(f"{len(found)} series")


def query(base, text, **more):
    url = f"{base}/api/v1/{'query_range' if more else 'query'}?" + urllib.parse.urlencode({"query": text, **more})
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)["data"]["result"]


def start_prometheus(folder, target):
    pathlib.Path(f"{folder}/prometheus.yml").write_text(
        "global: {scrape_interval: 250ms, scrape_timeout: 250ms}\n"
        f"scrape_configs: [{{job_name: orders, static_configs: [{{targets: ['{target}']}}]}}]\n")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    process = subprocess.Popen(["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
                                f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"], stderr=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"

    def scrapes():
        try:
            equal([sample["value"][1] for sample in query(base, "up")], ["1"], "up")
        except OSError as error:
            raise AssertionError(str(error)) from error

    until(scrapes, 30)
    return process, base


def no_spike_while_tenants_change_places():
    """Two places; tenants come in pairs and go: their series retire. At an even pace of requests no sum of rates is far above it."""
    pace, seconds, window = 40, 3, 3
    with tempfile.TemporaryDirectory() as folder:
        keys = Keys(folder)
        waves = [keys.sign(tenant=f"w{w}a") + keys.sign(tenant=f"w{w}b") for w in range(5)]
        with Orders(*keys.args("--tenants", "2", "--tenant-idle", "1")) as orders:
            prometheus, base = start_prometheus(folder, orders.metrics)
            try:
                connection, began, due, sent = orders.connect(), time.time(), time.time(), 0
                for tokens in waves:
                    for _ in range(pace * seconds):
                        equal(orders.ask("GET", ORDER, None, connection, bearer(tokens[sent % 2]))[0], 200, "a good token")
                        sent += 1
                        due = max(due + 1 / pace, time.time())  # a machine that stood still catches nothing up
                        time.sleep(due - time.time() if due > time.time() else 0)
                connection.close()
                ended = time.time()
                names = set(by(orders.scrape(), "orders_tenant_requests_total", "tenant"))
                time.sleep(0.5)
                # A series that is new has no rate before its second sample: only what is too much is wrong.
                found = query(base, f"sum(rate(orders_tenant_requests_total[{window}s]))", start=began, end=ended, step="0.25")
                seen = {m["metric"]["tenant"] for m in query(base, f"max_over_time(orders_tenant_requests_total[{int(ended - began) + 2}s])")}
            finally:
                prometheus.kill()
                prometheus.wait()
    rates = [float(value) for _, value in found[0]["values"]]
    if max(rates) > 1.5 * pace:
        raise AssertionError(f"{max(rates):.1f} a second, where {pace} were sent: {[round(r) for r in rates]}")
    if max(rates) < 0.25 * pace:
        raise AssertionError(f"nothing was measured: {rates}")
    if len(seen - {"other", "anonymous"}) < 4:
        raise AssertionError(f"no tenant changed places: {seen}")
    if len(names) > 5:
        raise AssertionError(f"series that should have retired are there: {names}")


# ---- keys ----------------------------------------------------------------------------------------------------------------
def a_key_is_rotated_and_no_good_request_is_refused():
    with tempfile.TemporaryDirectory() as folder:
        keys = Keys(folder)
        following = keys.new()  # published before it signs
        with Orders(*keys.args()) as orders:
            tokens = keys.sign("--count", "40", sub="u{n}")
            stop, statuses, failed = threading.Event(), collections.Counter(), []

            def client():
                connection, i = orders.connect(), 0
                try:
                    while not stop.is_set():
                        statuses[orders.ask("GET", ORDER, None, connection, bearer(tokens[i % len(tokens)]))[0]] += 1
                        i += 1
                except Exception as error:
                    failed.append(error)

            threads = [threading.Thread(target=client) for _ in range(2)]
            for thread in threads:
                thread.start()
            try:
                time.sleep(0.5)
                keys.new("--keep", "2")  # the first is out
                tokens += keys.sign("--count", "40", sub="v{n}", key=following)  # both kinds from now on
                time.sleep(2.5)
                third = folder + "/key3.jwk"
                until(lambda: equal(orders.ask("GET", ORDER, None, None, bearer(keys.sign(key=third)[0]))[0], 200, "by the third key"))
            finally:
                stop.set()
                for thread in threads:
                    thread.join()
            samples = orders.scrape()
    if failed:
        raise failed[0]
    equal(set(statuses), {200}, "statuses")
    equal(set(by(samples, "orders_refusals_total", "reason")) - {("unknown_key",)}, set(), "refusals but those of the third key, before it is read")


def keys_that_come_later():
    with tempfile.TemporaryDirectory() as folder:
        keys = Keys(folder)
        away = keys.set.rename(pathlib.Path(folder) / "away")
        with Orders(*keys.args()) as orders:
            token = keys.sign()[0]
            status, headers, _ = orders.ask("GET", ORDER, None, None, bearer(token))
            equal((status, headers["WWW-Authenticate"], headers["Retry-After"]), (503, None, "1"), "without keys")
            equal(orders.ask("GET", "/healthz")[0], 200, "health")
            away.rename(keys.set)
            until(lambda: equal(orders.ask("GET", ORDER, None, None, bearer(token))[0], 200, "with keys"))
            orders.end()
            said = orders.process.stderr.read().decode()
        equal("no keys at" in said and token not in said, True, f"what it says: {said!r}")


def keys_by_url():
    """A set that is not there yet is asked for again; a server that is away later holds up nobody, and costs no good request."""
    with tempfile.TemporaryDirectory() as folder:
        keys, asked, published = Keys(folder), [], threading.Event()

        class Server(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                there = published.is_set()
                body = keys.set.read_bytes() if there else b"not yet"
                self.send_response(200 if there else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/keys"
            with Orders("--jwks", url, "--issuer", "me") as orders:
                token = keys.sign()[0]
                equal(orders.ask("GET", ORDER, None, None, bearer(token))[0], 503, "before there is a set")
                published.set()
                until(lambda: equal(orders.ask("GET", ORDER, None, None, bearer(token))[0], 200, "by a key that was fetched"), 20)
                server.shutdown()
                server.server_close()
                equal(orders.ask("GET", ORDER, None, None, bearer(token))[0], 200, "without the server")
                code, seconds = orders.end()
                equal((code, seconds < 1), (0, True), f"code, time ({seconds:.2f} s)")
            equal(set(asked), {"/keys"}, "what was asked for")
        finally:
            server.shutdown()
            thread.join()


def a_key_server_that_hangs_holds_up_nobody():
    with tempfile.TemporaryDirectory() as folder, socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(64)
        token = Keys(folder).sign()[0]
        with Orders("--jwks", f"http://127.0.0.1:{mute.getsockname()[1]}/") as orders:
            began = time.monotonic()
            equal(orders.ask("GET", ORDER, None, None, bearer(token))[0], 503, "without keys")
            equal(orders.ask("GET", ORDER)[0], 401, "without a token")
            equal(orders.ask("GET", "/healthz")[0], 200, "health")
            equal(time.monotonic() - began < 1, True, "they are answered at once")
            code, seconds = orders.end()
            equal((code, seconds < 1), (0, True), f"code, time ({seconds:.2f} s)")


def without_telemetry_tokens_are_checked():
    with tempfile.TemporaryDirectory() as folder:
        keys = Keys(folder)
        with Orders(*keys.args("--telemetry", "off"), telemetry=False) as orders:
            equal(orders.ask("GET", ORDER)[0], 401, "none")
            equal(orders.ask("GET", ORDER, None, None, bearer(keys.sign("--expires-in", "-1m")[0]))[0], 401, "expired")
            equal(orders.ask("GET", ORDER, None, None, bearer(keys.sign()[0]))[0], 200, "good")
            equal(orders.end()[0], 0, "exit code")


def who_cannot_check_refuses():
    for program, args in (("orders-bare", ["--jwks", "x"]), ("orders", ["--role", "store", "--jwks", "x"]), ("orders", ["--issuer", "x"]),
                          ("orders", ["--require-header", "x"]), ("orders", ["--jwks", ""]), ("orders", ["--jwks", "x", "--tenants", "1001"])):
        got = subprocess.run([f"{BUILD}/bin/{program}", *args], capture_output=True, timeout=10)
        equal((got.returncode, got.stdout), (2, b""), f"{program} {args}")
        equal(b"--jwks" in got.stderr, True, "what it says")


def main():
    with tempfile.TemporaryDirectory() as folder, Collector() as collector:
        report.case("orders_tenants.clients_are_told_what_the_rfc_says", lambda: exactly(collector, folder))
    report.case("orders_tenants.a_thousand_tenants_are_few_series", a_thousand_tenants)
    report.case("orders_tenants.a_key_is_rotated_and_no_good_request_is_refused", a_key_is_rotated_and_no_good_request_is_refused)
    report.case("orders_tenants.keys_that_come_later", keys_that_come_later)
    report.case("orders_tenants.keys_by_url", keys_by_url)
    report.case("orders_tenants.a_key_server_that_hangs_holds_up_nobody", a_key_server_that_hangs_holds_up_nobody)
    report.case("orders_tenants.without_telemetry_tokens_are_checked", without_telemetry_tokens_are_checked)
    report.case("orders_tenants.who_cannot_check_refuses", who_cannot_check_refuses)
    if shutil.which("prometheus"):
        report.case("orders_tenants.no_spike_while_tenants_change_places", no_spike_while_tenants_change_places)
    else:
        print("skip orders_tenants.no_spike_while_tenants_change_places: prometheus is not installed")
    return report.code()


if not os.path.exists(WEIR) or subprocess.run([WEIR, "jwt", "--help"], capture_output=True).returncode != 0:
    print("skip orders_tenants: built without WEIR_CLI or WEIR_JWT")
    sys.exit(0)
sys.exit(main())
