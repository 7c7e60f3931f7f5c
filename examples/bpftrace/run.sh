#!/usr/bin/env bash
# Runs one of these scripts on a process, or on all that have a library; says what is missing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
	cat <<-'TEXT'
	usage: examples/bpftrace/run.sh SCRIPT PID|FILE [ARGUMENT...]
	  SCRIPT    latency_by_route, slow_spans (MILLISECONDS), drops_by_reason, refusals_by_reason, offcpu_by_route
	  PID|FILE  a process, or a library or program: then all processes that have it, those to come as well
	Ends with what bpftrace ends with, on Ctrl-C. WEIR: the command weir, where it is not in PATH.
	Exit: 2 where something is missing: bpftrace, root, tracefs, weir's probes.
	TEXT
}

missing() {
	echo "examples/bpftrace/run.sh: $*" >&2
	exit 2
}

[ "${1:-}" != --help ] || { usage && exit 0; }
[ $# -ge 2 ] || { usage >&2 && exit 2; }
script=$here/$1.bt target=$2
shift 2
[ -r "$script" ] || missing "there is no such script; see --help"
command -v bpftrace >/dev/null || missing "bpftrace is not installed (Debian: apt-get install bpftrace)"
weir=${WEIR:-weir}
command -v "$weir" >/dev/null || missing "the command weir is not in PATH; say where it is in WEIR"
[ "$(id -u)" = 0 ] || missing "bpftrace needs root"
if [ ! -e /sys/kernel/tracing/events ] && [ ! -e /sys/kernel/debug/tracing/events ]; then
	mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null || missing "there is no tracefs: mount -t tracefs tracefs /sys/kernel/tracing"
fi

# The first probe that the script names tells which file it is: weir-jwt's are its own library's.
probe=$(grep -m 1 -oE '^usdt:[^:]*:weir:[a-z_]+' "$script")
probe=${probe##*:}
probes=$("$weir" probes "$target") || missing "no probes there"
library=$(sed -nE "s/^usdt:(.*):weir:$probe( .*)?$/\1/p;" <<<"$probes" | head -n 1)
[ -n "$library" ] || missing "there is no probe weir:$probe: not built with weir, or (auth_*) not with weir-jwt"
of=()
[[ ! $target =~ ^[0-9]+$ ]] || of=(-p "$target")
exec bpftrace "${of[@]}" "$script" "$library" "$@"
