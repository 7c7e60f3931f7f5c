#!/usr/bin/env bash
# Builds the service orders, puts load on it, and shows what weir says of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
	cat <<-'TEXT'
	usage: examples/run.sh [--seconds N] [--telemetry on|off] [--prometheus] [--keep] [--no-install]
	  --seconds N         how long the load lasts (10)
	  --telemetry on|off  off: orders records nothing, and the table is wrk's alone (on)
	  --prometheus        a real Prometheus scrapes orders, and answers three queries
	  --keep              leaves all of it up until Ctrl-C
	  --no-install        installs nothing: names what is missing, and ends with code 2
	What is missing is installed with apt-get (Debian, Ubuntu; as root, or by sudo). It builds in build/run.
	TEXT
}

refuse() {
	echo "examples/run.sh: $*" >&2
	exit 2
}

seconds=10 telemetry=on prometheus=no keep=no install=yes
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
zlib1g-dev        header zlib.h
wrk               command wrk
python3           command python3
"
if [ $prometheus = yes ]; then
	needs+="prometheus        command prometheus
"
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
cmake --build $build --target orders orders-bare

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
load() {
	local out=$1 time=$2 threads=$3 connections=$4 to=$5 wrk
	shift 5
	LOAD_CONNECTIONS=$connections "$@" wrk -t"$threads" -c"$connections" -d"$time"s -s examples/orders/load.lua \
		"http://$to" >"$out" 2>&1 &
	wrk=$!
	wait $wrk || { cat "$out" >&2; fail "wrk failed"; }
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
main_pid=$pid main_at=$at metrics='' prometheus_at=''
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

# ---- what came of it ----
python3 examples/orders/report.py "${report[@]}"
if [ $prometheus = yes ]; then
	echo
	cat "$work/answers"
fi
echo
if [ -n "$metrics" ]; then
	until=''
	[ $keep = yes ] || until=' as long as orders runs: --keep leaves it up'
	echo "metrics are at http://$metrics/metrics$until"
fi
if [ $keep = yes ]; then
	trap 'echo; exit 0' INT TERM
	echo "orders answers at http://$main_at/api/v1/orders/1${prometheus_at:+, Prometheus at $prometheus_at}; Ctrl-C ends it"
	wait "$main_pid" || true
	fail "orders ended by itself"
fi
kill -0 "$main_pid" 2>/dev/null || fail "orders ended by itself"
