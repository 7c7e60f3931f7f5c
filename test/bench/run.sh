#!/usr/bin/env bash
# Builds the benchmark and runs it: weir beside the floor, the budget and its peers, in turn, on pinned processors.
#
#   test/bench/run.sh [ROW...] [--json FILE] [--quick]     all rows, or those named; --list names them
#
# The libraries and orders are taken from WEIR_BUILD, or built in build/bench/weir as the release preset does. Programs
# go to build/bench (or WEIR_BENCH_OUT); peers are built below ${XDG_CACHE_HOME:-~/.cache}/weir-bench, and leave nothing
# among the sources. A peer whose tools are missing is a printed skip. How to read it: doc/benchmark.md.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${WEIR_BENCH_OUT:-$root/build/bench}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/weir-bench
jobs=$(nproc)

usage() {
	sed -n '2,4s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
}

rows=() json= quick=
while [ $# -gt 0 ]; do
	case $1 in
	--json)
		[ $# -ge 2 ] || { usage >&2; exit 2; }
		json=$2
		shift
		;;
	--json=*) json=${1#--json=} ;;
	--quick) quick=1 ;;
	--list) exec python3 -B "$here/rounds.py" --list ;;
	-h | --help) usage; exit 0 ;;
	-*) usage >&2; exit 2 ;;
	*) rows+=("$1") ;;
	esac
	shift
done
# A row that does not exist is known before anything is built.
python3 -B "$here/rounds.py" --check "${rows[@]}" || exit 2

mkdir -p "$out" "$cache"
log=$out/build.log
: >"$log"
skips=()

say() { printf '%s\n' "$*" >&2; }

# try WHAT COMMAND...: the command's output goes to the log; what fails is told by its last lines.
try() {
	local what=$1
	shift
	say "building $what"
	"$@" >>"$log" 2>&1 && return 0
	say "$what does not build; the end of $log:"
	tail -n 12 "$log" >&2
	return 1
}

# ---- weir ----
build=${WEIR_BUILD:-}
build_weir() {
	cmake --preset release -S "$root" -B "$build" -DWEIR_TESTS=OFF && cmake --build "$build" -j "$jobs"
}
if [ -z "$build" ]; then
	build=$out/weir
	try "weir, as the release preset does" build_weir || exit 1
fi
for library in weir weir-prometheus weir-otlp weir-jwt; do
	[ -e "$build/lib$library.so" ] || { say "no lib$library.so in $build"; exit 1; }
done

# ---- the programs in C ----
cc=${CC:-gcc}
command -v "$cc" >/dev/null || cc=cc
common=(-O2 -g -Wall -Wextra -I"$here" -I"$root/include" -falign-functions=64 -falign-loops=32)
c=("$cc" -std=c11 "${common[@]}")
link=(-L"$build" "-Wl,-rpath,$build" -pthread -lm)

build_programs() {
	"${c[@]}" -fPIC -shared "$here/floor_tls.c" -o "$out/libbench-floor.so" &&
		"${c[@]}" -c "$here/bench.c" -o "$out/bench.o" &&
		"${c[@]}" "$here/floor.c" "$out/bench.o" -o "$out/floor" -L"$out" -lbench-floor "-Wl,-rpath,$out" -pthread -lm &&
		"${c[@]}" "$here/weir_record.c" "$out/bench.o" -o "$out/weir_record" -lweir "${link[@]}" &&
		"${c[@]}" "$here/weir_memory.c" "$out/bench.o" -o "$out/weir_memory" -lweir "${link[@]}" &&
		"${c[@]}" "$here/floor_span.c" "$out/bench.o" -o "$out/floor_span" -L"$out" -lbench-floor "-Wl,-rpath,$out" -pthread &&
		"${c[@]}" "$here/weir_export.c" "$out/bench.o" -o "$out/weir_export" -lweir-prometheus -lweir-otlp -lweir "${link[@]}" &&
		"${c[@]}" "$here/weir_span.c" "$out/bench.o" -o "$out/weir_span" -lweir "${link[@]}" &&
		"${c[@]}" "$here/weir_clock.c" "$out/bench.o" -o "$out/weir_clock" -lweir "${link[@]}" &&
		"${c[@]}" "$here/weir_probe.c" "$out/bench.o" -o "$out/weir_probe" -lweir "${link[@]}" &&
		"${c[@]}" "$here/weir_drain.c" "$out/bench.o" -o "$out/weir_drain" -lweir-otlp -lweir "${link[@]}" &&
		"${c[@]}" "$here/weir_home.c" "$out/bench.o" -o "$out/weir_home" -lweir-shm -lweir "${link[@]}" &&
		ln -sf "$(readlink -f "$build")/bin/weir" "$out/command" &&
		"${c[@]}" "$here/otlp_sink.c" -o "$out/otlp_sink" &&
		"${c[@]}" "$here/tokens.c" "$out/bench.o" -o "$out/tokens" -lcrypto -pthread -lm &&
		"${c[@]}" "$here/floor_jwt.c" "$out/bench.o" -o "$out/floor_jwt" -lcrypto -pthread -lm &&
		"${c[@]}" "$here/weir_jwt.c" "$out/bench.o" -o "$out/weir_jwt" -lweir-jwt -lweir -lcrypto "${link[@]}" &&
		"$out/tokens" &&
		"${c[@]}" "$here/idle.c" "$out/bench.o" -o "$out/idle" -pthread &&
		"${c[@]}" -DBENCH_WEIR "$here/idle.c" "$out/bench.o" -o "$out/idle_weir" -lweir "${link[@]}" &&
		"${c[@]}" -DBENCH_WEIR -DBENCH_ENDPOINT "$here/idle.c" "$out/bench.o" -o "$out/idle_endpoint" \
			-lweir-prometheus -lweir "${link[@]}" &&
		strip -o "$out/libweir.stripped" "$(readlink -f "$build/libweir.so")" &&
		strip -o "$out/libbench-floor.stripped" "$out/libbench-floor.so"
}
try "the floor and weir's rows" build_programs || exit 1

skip() {
	skips+=("$1: $2")
	say "skip $1: $2"
}

# ---- a BPF program that reads a map ----
build_bpf() {
	"$(command -v bpftool || echo /usr/sbin/bpftool)" btf dump file /sys/kernel/btf/vmlinux format c >"$out/vmlinux.h" &&
		clang -target bpf -O2 -g -mcpu=v3 -I"$out" -I"$root/include" -c "$root/test/e2e/shm_sums.bpf.c" -o "$out/shm_sums.bpf.o" &&
		"${c[@]}" "$root/test/e2e/shm_sums.c" -o "$out/shm_sums" -lbpf
}
rm -f "$out/shm_sums"
try "a BPF program" build_bpf || skip bpf_lookup "clang, bpftool, libbpf-dev or /sys/kernel/btf/vmlinux is missing"

# ---- the peers ----

peer_cpp() {
	rm -f "$out/peer-prometheus-cpp"
	command -v "${CXX:-g++}" >/dev/null || { skip prometheus-cpp "no C++ compiler"; return; }
	echo '#include <prometheus/counter.h>' | "${CXX:-g++}" -std=c++17 -fsyntax-only -x c++ - 2>/dev/null ||
		{ skip prometheus-cpp "its headers are missing (Debian: prometheus-cpp-dev)"; return; }
	try prometheus-cpp "${CXX:-g++}" -std=c++17 "${common[@]}" "$here/peers/prometheus-cpp/main.cc" "$out/bench.o" \
		-o "$out/peer-prometheus-cpp" -lprometheus-cpp-core -pthread -lm || skip prometheus-cpp "it does not build"
}

# Copies a peer's sources to the cache, where tools may write beside them.
copy() {
	mkdir -p "$cache/$1"
	cp -R "$here/peers/$1/." "$cache/$1/"
}

# No distribution has it: installed below the cache, or where pkg-config finds it.
peer_otel_cpp() {
	local name=opentelemetry-cpp flags libs
	rm -f "$out/peer-$name"
	command -v "${CXX:-g++}" >/dev/null || { skip "$name" "no C++ compiler"; return; }
	export PKG_CONFIG_PATH="$cache/$name/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
	flags=$(pkg-config --cflags opentelemetry_trace 2>/dev/null) && libs=$(pkg-config --static --libs opentelemetry_trace) ||
		{ skip "$name" "pkg-config has no opentelemetry_trace: no package of Debian's; install its sources to $cache/$name"; return; }
	# shellcheck disable=SC2086
	try "$name" "${CXX:-g++}" -std=c++17 "${common[@]}" ${flags//-I/-isystem } "$here/peers/$name/main.cc" "$out/bench.o" \
		-o "$out/peer-$name" $libs -pthread -lm || skip "$name" "it does not build"
}

peer_go() {
	rm -f "$out/peer-$1"
	command -v go >/dev/null || { skip "$1" "no go command"; return; }
	copy "$1"
	try "$1" env GOTOOLCHAIN=local GOFLAGS=-buildvcs=false go build -C "$cache/$1" -p "$jobs" \
		-o "$out/peer-$1" . || skip "$1" "it does not build (Go 1.26 is needed, and its modules)"
}

crates=(prometheus prometheus-client measured hdrhistogram fastrace opentelemetry_sdk opentelemetry-proto prost)

peer_rust() {
	rm -f "$out/peer-rust"
	command -v cargo >/dev/null || {
		local crate
		for crate in "${crates[@]}" jsonwebtoken; do skip "$crate" "no cargo command"; done
		return
	}
	copy rust
	if try "the crates" cargo build --release --manifest-path "$cache/rust/Cargo.toml" \
		--target-dir "$cache/rust-target" -j "$jobs"; then
		cp "$cache/rust-target/release/peer-rust" "$out/peer-rust"
	else
		for crate in "${crates[@]}"; do skip "$crate" "it does not build"; done
	fi
	# By itself: its cryptography is C, and wants a C compiler.
	rm -f "$out/peer-jsonwebtoken"
	if try jsonwebtoken cargo build --release --manifest-path "$cache/rust/Cargo.toml" --target-dir "$cache/rust-target" \
		-j "$jobs" --features tokens --bin peer-jsonwebtoken; then
		cp "$cache/rust-target/release/peer-jsonwebtoken" "$out/peer-jsonwebtoken"
	else
		skip jsonwebtoken "it does not build"
	fi
}
peers=$([ ${#rows[@]} = 0 ] && echo 1 || true)
for row in "${rows[@]}"; do
	[[ $row == orders_* ]] || peers=1 # no peer has a service of its own
done
if [ -n "$peers" ]; then
	peer_cpp
	peer_otel_cpp
	peer_go client_golang
	peer_go opentelemetry-go
	peer_go golang-jwt
	peer_rust
fi

# ---- the rounds ----
arguments=(--out "$out" --build "$build" --compiler "$("$cc" --version | head -n 1)")
[ -z "$json" ] || arguments+=(--json "$json")
[ -z "$quick" ] || arguments+=(--quick)
for reason in "${skips[@]}"; do arguments+=(--skip "$reason"); done
exec python3 -B "$here/rounds.py" "${arguments[@]}" "${rows[@]}"
