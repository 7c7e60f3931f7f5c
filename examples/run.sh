#!/usr/bin/env bash
# Builds the service orders, puts load on it, and shows what weir says of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
	cat <<-'TEXT'
	usage: examples/run.sh [--seconds N] [--telemetry on|off] [--prometheus] [--collector] [--tenants] [--ebpf]
	                       [--keep] [--no-install]
	  --seconds N         how long the load lasts (10)
	  --telemetry on|off  off: orders records nothing, and the table is wrk's alone (on)
	  --prometheus        a real Prometheus scrapes orders, and answers three queries
	  --collector         orders as gateway and store, traced into a real OpenTelemetry Collector; shows a slow
	                      request: its exemplar, its log line, its trace
	  --tenants           orders that checks tokens: three tenants' requests, good and bad ones, a key that is rotated in
	                      the middle; requests, time and refusals by tenant and by reason
	  --ebpf              orders from outside, by root: its counters read from a BPF map by a BPF program, its requests
	                      by a bpftrace script, its system calls by route
	  --keep              leaves all of it up until Ctrl-C
	  --no-install        installs nothing: names what is missing, and ends with code 2
	What is missing is installed with apt-get (Debian, Ubuntu; as root, or by sudo). It builds in build/run.
	TEXT
}

refuse() {
	echo "examples/run.sh: $*" >&2
	exit 2
}

seconds=10 telemetry=on prometheus=no collector=no tenants=no ebpf=no keep=no install=yes
while [ $# -gt 0 ]; do
	case $1 in
	--seconds)
		[[ ${2:-} =~ ^[1-9][0-9]{0,3}$ ]] || refuse "--seconds takes a number, 1 to 9999"
		seconds=$2
		shift
		;;
	--telemetry)
		[[ ${2:-} =~ ^(on|off)$ ]] || refuse "--telemetry takes on or off"
		telemetry=$2
		shift
		;;
	--prometheus) prometheus=yes ;;
	--collector) collector=yes ;;
	--tenants) tenants=yes ;;
	--ebpf) ebpf=yes ;;
	--keep) keep=yes ;;
	--no-install) install=no ;;
	--help)
		usage
		exit 0
		;;
	*)
		usage >&2
		exit 2
		;;
	esac
	shift
done
[ "$telemetry $prometheus" != "off yes" ] || refuse "--telemetry off leaves Prometheus nothing to scrape"
[ "$telemetry $collector" != "off yes" ] || refuse "--telemetry off leaves the Collector nothing to receive"
[ "$telemetry $tenants" != "off yes" ] || refuse "--telemetry off leaves nothing to tell tenants by"
[ "$telemetry $ebpf" != "off yes" ] || refuse "--telemetry off leaves nothing to look at from outside"

step() {
	printf '==> %s\n' "$*"
}

# shellcheck source=../.ci/needs.sh
. .ci/needs.sh
needs="
gcc               command gcc
libc6-dev         header stdio.h
g++               command g++
cmake             command cmake
ninja-build       command ninja
pkg-config        command pkg-config
libmicrohttpd-dev header microhttpd.h
libcurl4-openssl-dev header curl/curl.h
libprotobuf-c-dev header protobuf-c/protobuf-c.h
protobuf-c-compiler command protoc-c
zlib1g-dev        header zlib.h
libjansson-dev    header jansson.h
libncurses-dev    header curses.h
libssl-dev        header openssl/evp.h
wrk               command wrk
python3           command python3
"
if [ $prometheus = yes ]; then
	needs+="prometheus        command prometheus
"
fi
if [ $collector = yes ]; then
	needs+=$(needs_collector)
fi
if [ $ebpf = yes ]; then
	# shellcheck source=orders/ebpf.sh
	. examples/orders/ebpf.sh
	ebpf_look_around
	needs+=$ebpf_needs
fi
needs_install examples/run.sh "$needs" $install

# ---- whatever happens, nothing is left behind ----
work=$(mktemp -d)
clean_up() {
	trap '' INT TERM HUP
	local pid running
	running=$(jobs -pr)
	for pid in $running; do
		kill "$pid" 2>/dev/null || true
	done
	for pid in $running; do
		for _ in {1..50}; do
			kill -0 "$pid" 2>/dev/null || continue 2
			sleep 0.1
		done
		kill -KILL "$pid" 2>/dev/null || true
	done
	rm -rf "$work"
	[ $ebpf = no ] || rm -f "$ebpf_pin" # of an orders that had to be killed
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fail() {
	echo "examples/run.sh: $*" >&2
	exit 1
}

# ---- build ----
build=build/run
step "building in $build"
if [ ! -e $build/build.ninja ]; then
	cmake --preset release -B $build -DWEIR_TESTS=OFF >"$work/configure" 2>&1 || { cat "$work/configure" >&2; fail "cmake failed"; }
fi
targets=(orders orders-bare)
[ $tenants = no ] || targets+=(weir_cli)
if [ $ebpf = yes ]; then
	targets+=("${ebpf_targets[@]}")
	grep -q ': phony bin/totals$' $build/build.ninja || cmake $build >"$work/configure" 2>&1 || { cat "$work/configure" >&2; fail "cmake failed"; } # what it needs has come since
fi
cmake --build $build --target "${targets[@]}"
if [ $collector = yes ]; then
	step "building the Collector, unless that is done already: minutes, once"
	test/e2e/collector/build.sh >/dev/null || fail "no Collector"
fi

# ---- starting things; each leaves its process id in $pid ----
pid=''

# start_orders NAME PROGRAM [ARG...]: then $NAME.out and $NAME.err in $work, and where it listens in $at
start_orders() {
	local name=$1 program=$2
	shift 2
	: >"$work/$name.out"
	"$build/bin/$program" --listen 127.0.0.1:0 --metrics 127.0.0.1:0 "$@" >"$work/$name.out" 2>"$work/$name.err" &
	pid=$!
	for _ in {1..200}; do
		at=$(sed -n 's/^ready //p' "$work/$name.out")
		[ -z "$at" ] || return 0
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.05
	done
	cat "$work/$name.err" >&2
	fail "$program did not start"
}

# load FILE SECONDS THREADS CONNECTIONS ADDR:PORT [wrapper...]; in the background, so that Ctrl-C is not kept waiting
load_script=load.lua
load() {
	local out=$1 time=$2 threads=$3 connections=$4 to=$5 wrk
	shift 5
	LOAD_CONNECTIONS=$connections "$@" wrk -t"$threads" -c"$connections" -d"$time"s -s "examples/orders/$load_script" \
		"http://$to" >"$out" 2>&1 &
	wrk=$!
	wait $wrk || { cat "$out" >&2; fail "wrk failed"; }
}

# where its Collector listens in $collector_at, what it received in $collector_file
start_collector() {
	python3 -B test/e2e/collector.py run --dir "$work/collector" >"$work/collector.out" 2>"$work/collector.err" &
	pid=$!
	for _ in {1..600}; do
		read -r _ collector_at collector_file < <(grep '^ready ' "$work/collector.out") && break
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	[ -n "${collector_file:-}" ] || { cat "$work/collector.err" >&2; fail "the Collector does not start"; }
	collector_at=http://127.0.0.1:$collector_at
}

start_prometheus() {
	local port
	port=$(python3 examples/orders/ask.py port)
	cat >"$work/prometheus.yml" <<-TEXT
	global: {scrape_interval: 500ms, scrape_timeout: 500ms}
	scrape_configs: [{job_name: orders, static_configs: [{targets: ["$metrics"]}]}]
	TEXT
	prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" \
		--web.listen-address="127.0.0.1:$port" --log.level=error >"$work/prometheus.log" 2>&1 &
	prometheus_at=http://127.0.0.1:$port
	python3 examples/orders/ask.py ready "$prometheus_at/-/ready" 30 || { cat "$work/prometheus.log" >&2; fail "no Prometheus"; }
	# Its first scrape comes before the load, so that rates begin at zero.
	python3 examples/orders/ask.py scraped "$prometheus_at"
}

# ---- the main load ----
slow=20000 failing=1000
start_orders main orders --telemetry $telemetry --threads 2 --slow-ppm $slow --fail-ppm $failing
main_pid=$pid main_at=$at metrics='' prometheus_at='' gateway_at=''
if [ $telemetry = on ]; then
	metrics=$(sed -n 's/^metrics //p' "$work/main.err")
	[ -n "$metrics" ] || fail "orders did not say where its metrics are"
fi
if [ $prometheus = yes ]; then
	step "Prometheus"
	start_prometheus
fi
step "load: wrk for $seconds s, 32 connections, on http://$main_at; of its store's answers 2 % take 20 to 220 ms, 0.1 % fail"
load "$work/load" "$seconds" 2 32 "$main_at"
ended=$(date +%s.%N)

report=("$work/load")
if [ $telemetry = on ]; then
	python3 examples/orders/ask.py metrics "http://$metrics/metrics" "$work/metrics"
	report+=("$work/metrics")
	if [ $prometheus = yes ]; then
		python3 examples/orders/ask.py prometheus "$prometheus_at" "$work/metrics" $((seconds < 2 ? 2 : seconds)) "$ended" \
			>"$work/answers" || { cat "$work/answers"; fail "Prometheus disagrees"; }
	fi
fi

# ---- the same load as fast as it goes, with weir and without, in turn; each on one thread, on a core of its own ----
cpu_ns() {
	local ns
	ns=$(awk '{ ns += $1 } END { printf "%.0f", ns }' /proc/"$1"/task/*/schedstat 2>/dev/null) || ns=0
	if [ "$ns" = 0 ]; then # a kernel without: 10 ms exact
		ns=$(awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%.0f", ($12 + $13) * 1e9 / hz }' /proc/"$1"/stat)
	fi
	echo "$ns"
}

round() { # NAME PID ADDR:PORT
	local before after
	before=$(cpu_ns "$2")
	load "$work/round" 1 1 16 "$3" "${load_on[@]}"
	after=$(cpu_ns "$2")
	sed -n "s/^load requests=\([0-9]*\) duration_us=\([0-9]*\) .*/$1 \1 \2 $((after - before))/p" "$work/round" >>"$work/rounds"
}

if [ $telemetry = on ]; then
	rounds=$((seconds < 6 ? 3 : seconds < 20 ? 5 : 9))
	step "load: what telemetry costs, $rounds rounds of 1 s each with it and without"
	read -r first second _ < <(python3 -c 'import os; print(*sorted(os.sched_getaffinity(0)), "", "")')
	start_orders bare orders-bare --threads 1
	bare_pid=$pid bare_at=$at
	start_orders with orders --threads 1
	with_pid=$pid with_at=$at
	load_on=()
	if [ -n "$second" ] && command -v taskset >/dev/null; then
		load_on=(taskset -c "$second")
		taskset -acp "$first" "$bare_pid" >/dev/null
		taskset -acp "$first" "$with_pid" >/dev/null
	fi
	: >"$work/rounds"
	for ((i = 0; i < rounds; i++)); do
		if ((i % 2)); then
			round orders "$with_pid" "$with_at"
			round orders-bare "$bare_pid" "$bare_at"
		else
			round orders-bare "$bare_pid" "$bare_at"
			round orders "$with_pid" "$with_at"
		fi
	done
	kill "$bare_pid" "$with_pid"
	report+=("$work/rounds")
fi

# ---- two processes, one trace ----
if [ $collector = yes ]; then
	start_collector
	export OTEL_BSP_SCHEDULE_DELAY=500 OTEL_BSP_MAX_QUEUE_SIZE=65536 OTEL_METRIC_EXPORT_INTERVAL=2000
	start_orders store orders --role store --slow-ppm $slow --fail-ppm $failing --otlp "$collector_at" --access-log "$work/store.log"
	OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=0.1 \
		start_orders gateway orders --role gateway --store "http://$at" --otlp "$collector_at" --access-log "$work/gateway.log"
	gateway_at=$at
	gateway_metrics=$(sed -n 's/^metrics //p' "$work/gateway.err")
	step "load: wrk for $seconds s, 16 connections, on a gateway at http://$gateway_at and its store; one trace in ten is recorded"
	load "$work/pair" "$seconds" 1 16 "$gateway_at"
fi

# ---- tenants, by their tokens ----
# tokens ROUND KEY: all of a round's, by that key; a tenant's number of tokens is its share of the load
tokens() {
	local key=$work/$2 kid tenant count
	local sign=("$build/bin/weir" jwt sign --iss orders-demo --aud orders)
	kid=$(sed -n 's/.*"kid": "\(.*\)".*/\1/p' "$key")
	echo "round $1"
	for tenant in tea lamp chair; do
		case $tenant in tea) count=240 ;; lamp) count=120 ;; chair) count=40 ;; esac
		sign_as() { # KIND COUNT FLAG...
			local kind=$1 n=$2
			shift 2
			"${sign[@]}" --claim "tenant=$tenant" --sub "$tenant-{n}" --count "$n" "$@" | sed "s/^/$kind $tenant /"
		}
		sign_as good $count --key "$key" --claim 'scope=orders:read orders:write'
		sign_as reader $((count / 4)) --key "$key" --claim scope=orders:read
		sign_as expired $((count / 4)) --key "$key" --claim 'scope=orders:read orders:write' --expires-in -1m
		sign_as forged $((count / 4)) --key "$work/forger.jwk" --kid "$kid" --claim 'scope=orders:read orders:write'
	done
}

key_new() { # NAME [FLAG...]
	local name=$1
	shift
	"$build/bin/weir" jwt keygen --alg ES256 --out "$work/$name" "$@" 2>>"$work/keygen.err" || { cat "$work/keygen.err" >&2; fail "no key"; }
}

# Keys are published before they sign: the next one is in the set from the start. So one rename takes the first out, and puts a
# third in; what the first has signed verifies for a while yet.
rotate() {
	sleep $((tenants_seconds / 2))
	key_new third.jwk --jwks "$work/jwks.json" --keep 2
	mv "$work/tokens.2" "$work/tokens"
}

if [ $tenants = yes ]; then
	tenants_seconds=$((seconds < 4 ? 4 : seconds))
	key_new first.jwk --jwks "$work/jwks.json"
	key_new second.jwk --jwks "$work/jwks.json"
	key_new forger.jwk
	tokens 1 first.jwk >"$work/tokens"
	tokens 2 second.jwk >"$work/tokens.2"
	start_orders tenants orders --threads 2 --slow-ppm $slow --jwks "$work/jwks.json" --issuer orders-demo --audience orders --require-header X-Request-ID
	tenants_metrics=$(sed -n 's/^metrics //p' "$work/tenants.err")
	step "load: wrk for $tenants_seconds s, 32 connections, on http://$at with tokens of three tenants; 3 % each expired, forged, missing;" \
		"in the middle the key is rotated"
	rotate &
	load_script=tenants.lua
	export LOAD_TOKENS=$work/tokens LOAD_SECONDS=$tenants_seconds
	load "$work/by-tenant" "$tenants_seconds" 2 32 "$at"
	load_script=load.lua
	python3 examples/orders/ask.py metrics "http://$tenants_metrics/metrics" "$work/tenant-metrics"
fi

# ---- from outside ----
[ $ebpf = no ] || ebpf_run "$seconds"

# ---- what came of it ----
python3 examples/orders/report.py "${report[@]}"
if [ $prometheus = yes ]; then
	echo
	cat "$work/answers"
fi
if [ $tenants = yes ]; then
	python3 examples/orders/tenants.py "$work/by-tenant" "$work/tenant-metrics" || fail "orders and wrk do not agree about tenants"
fi
[ $ebpf = no ] || ebpf_report
if [ $collector = yes ]; then
	python3 examples/orders/trace.py "http://$gateway_metrics/metrics" "$collector_file" "$work/gateway.log"
fi
echo
if [ -n "$metrics" ]; then
	until=''
	[ $keep = yes ] || until=' as long as orders runs: --keep leaves it up'
	echo "metrics are at http://$metrics/metrics$until"
fi
if [ $keep = yes ]; then
	trap 'echo; exit 0' INT TERM
	echo "orders answers at http://$main_at/api/v1/orders/1${prometheus_at:+, Prometheus at $prometheus_at}${gateway_at:+, a gateway at http://$gateway_at}; Ctrl-C ends it"
	wait "$main_pid" || true
	fail "orders ended by itself"
fi
kill -0 "$main_pid" 2>/dev/null || fail "orders ended by itself"
