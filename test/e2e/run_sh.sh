#!/usr/bin/env bash
# examples/run.sh as a user runs it: its table has what it promises, Prometheus answers, a slow trace comes back from the Collector
# (test/e2e/collector/build.sh), nothing is left behind.
set -euo pipefail
cd "$WEIR_ROOT"
for tool in wrk prometheus; do
	if ! command -v $tool >/dev/null; then
		echo "skip run_sh: $tool is not installed"
		exit 0
	fi
done

work=$(mktemp -d)
failed=0
trap 'rm -rf "$work"' EXIT

# ok NAME COMMAND...: a case that is ok where the command is
ok() {
	local name=$1 why
	shift
	if why=$("$@" 2>&1); then
		echo "ok run_sh.$name"
	else
		echo "not ok run_sh.$name: $(tr '\n' ' ' <<<"${why:-$*}" | cut -c1-400)"
		failed=1
	fi
}

# Our own processes only: those with TMPDIR, which run.sh hands on to all its children, in their environment.
left_behind() {
	! grep -lzs "^TMPDIR=$work\$" /proc/[0-9]*/environ | grep -v "/$$/" && [ -z "$(ls -A "$work")" ]
}
PY=$(
	cat <<'TEXT'
import json, re, sys
text = open(sys.argv[1]).read()
def number(s): return float(s.replace(",", ""))
def need(what, there):
    if not there: sys.exit(f"{what} is not there: {text!r}")
what = sys.argv[2]
rows = re.findall(r"^(/api/v1/orders/\{id\}|/api/v1/orders|/healthz|other) +(GET|POST) +(\d{3}) +([\d,]+) +[\d,]+$", text, re.M)
if what == "requests":
    need("reading an order", ("/api/v1/orders/{id}", "GET", "200") in [r[:3] for r in rows])
    need("placing an order", ("/api/v1/orders", "POST", "201") in [r[:3] for r in rows])
    need("health", ("/healthz", "GET", "200") in [r[:3] for r in rows])
    need("what goes astray", ("other", "GET", "404") in [r[:3] for r in rows])
    everything = re.search(r"^all +([\d,]+) +[\d,]+$", text, re.M)
    need("the sum", everything)
    need("a sum that is right", number(everything[1]) == sum(number(r[3]) for r in rows))
    wrk = re.search(r"^wrk counts ([\d,]+) answers", text, re.M)
    need("wrk's count", wrk)
    need("wrk's count near ours (at most its 32 connections are under way)", 0 <= number(everything[1]) - number(wrk[1]) <= 32)
elif what == "latency":
    for p in (50, 95, 99):
        need(f"p{p}", re.search(rf"^p{p} +\S.*(the same bucket|one bucket apart)$", text, re.M))
    need("agreement", "weir and wrk agree within one bucket" in text)
elif what == "slo":
    slo = re.search(r"^99\.5 % within 200 ms +([\d.]+) % were: ([\d,]+) of ([\d,]+) were slower", text, re.M)
    need("the SLO", slo)
    need("a share that is right", abs(float(slo[1]) - 100 * (1 - number(slo[2]) / number(slo[3]))) < 0.0006)
    need("the error budget", re.search(r"^error budget +\[[#.]{20}\] ", text, re.M))
elif what == "cost":
    need("the cost", re.search(r"^difference +[+-][\d.]+ us +[\d.]+x$", text, re.M))
    for row in ("without (orders-bare)", "with (orders)"):
        need(row, re.search(rf"^{re.escape(row)} +[\d.]+ us +[\d,]+ +\d+ %$", text, re.M))
elif what == "where":
    need("the address of /metrics", re.search(r"^metrics are at http://127\.0\.0\.1:\d+/metrics", text, re.M))
elif what == "trace":
    exemplar = re.search(r"^exemplar  http_request_duration_seconds_bucket\{.*\}\n +([\d.]+) ms, trace_id=([0-9a-f]{32})$", text, re.M)
    need("the exemplar", exemplar)
    line = re.search(r"^log line  (\{.*\})$", text, re.M)
    need("the log line", line)
    line = json.loads(line[1])
    need("its trace id in the log line", line["trace_id"] == exemplar[2])
    rows = re.findall(r"^(orders-gateway|orders-store) +(\S.*?) +([\d.]+) ms  \|[ =]{24}\|", text, re.M)
    need("a span tree over both processes", {(who, name.split()[0]) for who, name, _ in rows} >= {
        ("orders-gateway", line["method"]), ("orders-store", line["method"])})
    need("the store's own work", any(name in ("orders.get", "orders.put") for _, name, _ in rows))
    need("a slow request", float(exemplar[1]) >= 20)
    need("a root that took as long as its exemplar", abs(float(rows[0][2]) - float(exemplar[1])) < 0.1)
    need("the slow answer", "slow answer (store.delay_ms=" in text)
    arrived = re.search(r"^the Collector has ([\d,]+) spans; the gateway could not deliver 0$", text, re.M)
    need("spans, none lost", arrived and number(arrived[1]) >= len(rows))
elif what == "tenants":
    rows = re.findall(r"^(tea|lamp|chair|anonymous) +([\d,]+) +([\d,]+) +([\d,]+) +[<>]? ?[\d.]+ m?s +[<>]? ?[\d.]+ m?s$", text, re.M)
    need("three tenants, and who has no token", [r[0] for r in rows] == ["tea", "lamp", "chair", "anonymous"])
    need("requests that were refused and others", all(number(r[3]) < number(r[1]) for r in rows[:3]))
    need("of anonymous ones all refused", rows[3][1] == rows[3][3])
elif what == "refusals":
    rows = re.findall(r"^(\w+) +(4\d\d)  (tea|lamp|chair|anonymous) +([\d,]+)$", text, re.M)
    for reason, code, tenant in (("bad_signature", "401", "anonymous"), ("expired", "401", "anonymous"), ("missing", "401", "anonymous"),
                                 ("forbidden", "403", "tea"), ("header_missing", "400", "lamp")):
        need(f"{reason} of {tenant}", any(r[:3] == (reason, code, tenant) and number(r[3]) > 0 for r in rows))
elif what == "rotation":
    found = re.search(r"^good requests by the first key ([\d,]+), by the second ([\d,]+); 0 of them refused, and every bad one for its reason$", text, re.M)
    need("the rotation", found and number(found[1]) > 0 and number(found[2]) > 0)
elif what == "map":
    rows = re.findall(r"^  (GET|POST) (\S+) (\d{3}) +(\d+) +(\d+)$", text, re.M)
    need("a gateway's series", ("GET", "/api/v1/orders/{id}", "200") in [r[:3] for r in rows] and len(rows) > 10)
    need("totals of a flush, none above the newest", sum(int(r[4]) for r in rows) > 0 and all(int(r[4]) <= int(r[3]) for r in rows))
elif what == "probes":
    newest = {}
    for method, route, status, count, _ in re.findall(r"^  (GET|POST) (\S+) (\d{3}) +(\d+) +(\d+)$", text, re.M):
        newest[route, status] = newest.get((route, status), 0) + int(count)
    seen = {("other" if route == "-" else route, status): int(n) for route, status, n in re.findall(r"^  @requests\[(\S+), (\d+)\]: (\d+)$", text, re.M)}
    need("requests by bpftrace", seen.get(("/api/v1/orders/{id}", "200")))
    for key, count in newest.items(): # at most wrk's 16 connections are under way when bpftrace ends
        need(f"as many of {key} as the map has, {seen.get(key, 0)}, {count}", 0 <= count - seen.get(key, 0) <= 16)
    need("times", re.search(r"^  @time_us\[/api/v1/orders/\{id\}\]: *\n  \[\d+", text, re.M))
elif what == "syscalls":
    for route in ("/api/v1/orders", "/api/v1/orders/{id}"):
        need(f"calls of {route}", re.search(rf"^  {re.escape(route)} +\w+ +[1-9]\d* +[\d.]+ +[\d.]+ +[\d.]+$", text, re.M))
    need("the slowest", re.search(r"^  slowest \w+ of \S+: [\d.]+ us, trace (?!0{32})[0-9a-f]{32}, span (?!0{16})[0-9a-f]{16}$", text, re.M))
elif what == "prometheus":
    counts = re.search(r"^Prometheus has ([\d,]+) requests; orders counted ([\d,]+)\.", text, re.M)
    need("its count", counts and counts[1] == counts[2])
    need("rates", len(re.findall(r"^    \S+ +[\d,.]+ a second$", text, re.M)) == 4)
    need("the quantile", re.search(r"^  histogram_quantile.*\n    [\d.]+ ms$", text, re.M))
    need("the SLO", re.search(r"^  sum\(rate.*\n    9\d\.\d+ % within the SLO$", text, re.M))
TEXT
)
says() {
	python3 -c "$PY" "$out" "$1"
}

mkdir "$work.out"
trap 'rm -rf "$work" "$work.out"' EXIT
out=$work.out/main
code=0
TMPDIR=$work examples/run.sh --seconds 2 --prometheus --collector --no-install >"$out" 2>&1 || code=$?
[ $code -eq 0 ] || tail -20 "$out"
ok ends_with_0 test $code -eq 0
for what in requests latency slo cost where prometheus trace; do
	ok table_has_$what says $what
done
ok leaves_nothing_behind left_behind

# --tenants: the tables, a sum that is right, and the key rotated.
out=$work.out/tenants
code=0
TMPDIR=$work examples/run.sh --seconds 2 --tenants --no-install >"$out" 2>&1 || code=$?
[ $code -eq 0 ] || tail -20 "$out"
ok tenants_end_with_0 test $code -eq 0
ok tenants_table says tenants
ok tenants_refusals says refusals
ok tenants_rotation says rotation
ok tenants_leave_nothing_behind left_behind

# --ebpf: three ways to see the same from outside; nothing stays pinned.
nothing_pinned() {
	! compgen -G '/sys/fs/bpf/orders-run-*' && left_behind
}
ebpf_says_why() {
	local text=$1 code=0
	shift
	"$@" examples/run.sh --seconds 1 --ebpf --no-install >"$work.out/why" 2>&1 || code=$?
	cat "$work.out/why"
	[ $code -eq 2 ] && grep -q -- "--ebpf: $text" "$work.out/why" && ! grep -q '^==>' "$work.out/why"
}
# without WHAT HIDDEN...: in mounts of its own, where nothing can be mounted
without() {
	local what=$1 hidden
	shift
	hidden=$(printf 'mount -t tmpfs none %s && ' "$@")
	# shellcheck disable=SC2016
	ebpf_says_why "$what" unshare -m bash -c "$hidden mount() { return 1; } && export -f mount && \"\$@\"" bash
}
# shellcheck source=../../.ci/needs.sh
. .ci/needs.sh
lacks=''
for tool in bpftrace bpftool clang unshare setpriv; do
	command -v $tool >/dev/null || lacks+=" $tool"
done
needs_has header bpf/libbpf.h || lacks+=' libbpf-dev'
[ -r /sys/kernel/btf/vmlinux ] || lacks+=" the kernel's BTF"
if [ "$(id -u)" != 0 ] || [ -n "$lacks" ]; then
	echo "skip run_sh.ebpf: needs root${lacks:+, and$lacks}"
else
	out=$work.out/ebpf
	code=0
	TMPDIR=$work examples/run.sh --seconds 2 --ebpf --no-install >"$out" 2>&1 || code=$?
	[ $code -eq 0 ] || tail -20 "$out"
	ok ebpf_ends_with_0 test $code -eq 0
	for what in map probes syscalls; do
		ok ebpf_$what says $what
	done
	ok ebpf_leaves_nothing_behind nothing_pinned
	ok ebpf_without_btf without 'BTF is missing' /sys/kernel/btf
	ok ebpf_without_tracefs without 'tracefs is missing' /sys/kernel/debug /sys/kernel/tracing
	if setpriv --reuid=65534 --regid=65534 --clear-groups test -r examples/run.sh; then
		ok ebpf_without_root ebpf_says_why 'root is missing' setpriv --reuid=65534 --regid=65534 --clear-groups
	else
		echo "skip run_sh.ebpf_without_root: the sources lie where others may not go"
	fi
fi

# --keep: up until Ctrl-C, and then nothing is left.
out=$work.out/keep
keeps() {
	TMPDIR=$work python3 - "$out" <<-'PY'
	import re, signal, subprocess, sys, time, urllib.request
	with open(sys.argv[1], "w") as out:
	    run = subprocess.Popen(["examples/run.sh", "--seconds", "1", "--telemetry", "off", "--keep", "--no-install"],
	                           stdout=out, stderr=out, start_new_session=True,
	                           # who starts this in the background has it ignored, and bash leaves what is ignored
	                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
	end, at = time.monotonic() + 120, None
	while at is None and time.monotonic() < end and run.poll() is None:
	    at = re.search(r"^orders answers at (http://127\S+?);?\s", open(sys.argv[1]).read(), re.M)
	    time.sleep(0.1)
	try:
	    if at is None:
	        sys.exit(f"it does not say where: {open(sys.argv[1]).read()!r}")
	    if urllib.request.urlopen(at[1], timeout=5).status != 200:
	        sys.exit("orders does not answer")
	    run.send_signal(signal.SIGINT)
	    if run.wait(timeout=20) != 0:
	        sys.exit(f"code {run.returncode}")
	finally:
	    if run.poll() is None:
	        run.kill()
	try:
	    urllib.request.urlopen(at[1], timeout=5)
	except OSError:
	    sys.exit(0)
	sys.exit("orders answers still")
	PY
}
ok keep_is_up_until_ctrl_c keeps
ok keep_leaves_nothing_behind left_behind
ok off_shows_wrk_alone grep -q '^telemetry is off' "$out"

# Stopped in the middle of the load.
stops() {
	local run code=0
	TMPDIR=$work examples/run.sh --seconds 60 --no-install >"$work.out/stop" 2>&1 &
	run=$!
	for _ in {1..600}; do
		! grep -q '^==> load' "$work.out/stop" || break
		sleep 0.1
	done
	kill -TERM $run
	wait $run || code=$?
	[ $code -eq 143 ] && ! grep -q '^requests ' "$work.out/stop"
}
ok stopped_in_the_middle stops
ok stopped_leaves_nothing_behind left_behind

refuses() {
	local text=$1 code=0
	shift
	examples/run.sh --seconds 1 "$@" >"$work.out/refused" 2>&1 || code=$?
	cat "$work.out/refused"
	[ $code -eq 2 ] && grep -q -- "$text" "$work.out/refused" && ! grep -q '^==>' "$work.out/refused"
}
ok bad_arguments_are_refused refuses 'usage' --seconds 1 --frobnicate
ok bad_seconds_are_refused refuses 'takes a number' --seconds 0
ok off_with_prometheus_is_refused refuses 'nothing to scrape' --telemetry off --prometheus
ok off_with_collector_is_refused refuses 'nothing to receive' --telemetry off --collector
ok off_with_ebpf_is_refused refuses 'nothing to look at' --telemetry off --ebpf
ok off_with_tenants_is_refused refuses 'nothing to tell tenants by' --telemetry off --tenants
helps() {
	examples/run.sh --help | grep -q -- --no-install
}
ok help helps
exit $failed
