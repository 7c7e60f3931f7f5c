# Sourced by examples/run.sh for --ebpf: what it needs, and what a running gateway looks like from outside: its counters by a BPF
# program that reads its map, its requests by a bpftrace script, its system calls by route.

# Ends with 2 where the kernel does not give what packages cannot.
ebpf_look_around() {
	[ "$(id -u)" = 0 ] || refuse "--ebpf: root is missing: the kernel lets nobody else look into other processes"
	[ -r /sys/kernel/btf/vmlinux ] || refuse "--ebpf: BTF is missing: the kernel has no /sys/kernel/btf/vmlinux (CONFIG_DEBUG_INFO_BTF)"
	if [ ! -e /sys/kernel/tracing/events/raw_syscalls ] && [ ! -e /sys/kernel/debug/tracing/events/raw_syscalls ]; then
		mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null && [ -e /sys/kernel/tracing/events/raw_syscalls ] ||
			refuse "--ebpf: tracefs is missing: mount -t tracefs tracefs /sys/kernel/tracing"
	fi
	if ! grep -q ' /sys/fs/bpf bpf ' /proc/mounts; then
		mount -t bpf bpf /sys/fs/bpf 2>/dev/null || refuse "--ebpf: there is no bpffs: mount -t bpf bpf /sys/fs/bpf"
	fi
}

ebpf_needs="
clang             command clang
bpftool           command bpftool
bpftrace          command bpftrace
libbpf-dev        header bpf/libbpf.h
"
ebpf_targets=(weir_cli syscalls totals)
ebpf_pin=/sys/fs/bpf/orders-run-$$

# A gateway and its store under load, and who looks on. What they say is in $work.
ebpf_run() {
	local seconds=$1 watched
	start_orders ebpf-store orders --role store --slow-ppm "$slow" --fail-ppm "$failing"
	start_orders ebpf orders --role gateway --store "http://$at" --home "map:$ebpf_pin"
	watched=$pid
	step "load: wrk for $seconds s, 16 connections, on a gateway at http://$at, its counters in the BPF map $ebpf_pin;" \
		"bpftrace and a BPF program look on"
	WEIR=$build/bin/weir examples/bpftrace/run.sh latency_by_route "$watched" >"$work/ebpf-bpftrace" 2>"$work/ebpf-bpftrace.err" &
	bpftrace_pid=$!
	WEIR=$build/bin/weir "$build/bin/syscalls" "$watched" --seconds 9999 >"$work/ebpf-syscalls" 2>"$work/ebpf-syscalls.err" &
	syscalls_pid=$!
	ebpf_await grep -q '^watching' "$work/ebpf-syscalls"
	ebpf_await grep -qE '^(232|281|22) ' /proc/$bpftrace_pid/syscall # epoll_wait, epoll_pwait: it waits for events, so all is attached
	load "$work/ebpf-load" "$seconds" 1 16 "$at"
	ebpf_end $bpftrace_pid bpftrace
	ebpf_end $syscalls_pid syscalls
	"$build/bin/totals" "$ebpf_pin" http_requests_total >"$work/ebpf-totals" || fail "the map is not read"
}

ebpf_await() {
	for _ in {1..300}; do
		! "$@" || return 0
		kill -0 $bpftrace_pid 2>/dev/null && kill -0 $syscalls_pid 2>/dev/null || break
		sleep 0.1
	done
	cat "$work/ebpf-bpftrace.err" "$work/ebpf-syscalls.err" >&2
	fail "who is to look on does not start"
}

ebpf_end() {
	kill -TERM "$1" 2>/dev/null || true
	wait "$1" || { cat "$work/ebpf-$2.err" >&2; fail "$2 does not end well"; }
}

ebpf_report() {
	echo
	echo "From outside, without its help: the gateway's requests, by a BPF program that reads its map"
	sed 's/^/  /' "$work/ebpf-totals"
	echo
	echo "The same gateway's probes, by bpftrace (examples/bpftrace/latency_by_route.bt): requests by route and status, times in us"
	sed -n '/^@/,$s/^/  /p' "$work/ebpf-bpftrace"
	echo
	echo "Its system calls, by the route they were made for (examples/syscalls)"
	sed -e 1d -e 's/^/  /' "$work/ebpf-syscalls"
}
