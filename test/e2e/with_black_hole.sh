#!/usr/bin/env bash
# bash test/e2e/with_black_hole.sh COMMAND...: runs it where 192.0.2.1 (every port) is routed and never answers.
# A network namespace of its own with loopback, and a link on which packets vanish: connecting hangs, nothing is refused.
# Exit: the command's; 77 and why where there are no namespaces or no such link.
set -euo pipefail
if [ "${WEIR_IN_NAMESPACE:-}" != hole ]; then
	user=()
	[ "$(id -u)" = 0 ] || user=(--user --map-root-user)
	unshare "${user[@]}" --net true 2>/dev/null || { echo "no network namespaces here" >&2; exit 77; }
	WEIR_IN_NAMESPACE=hole exec unshare "${user[@]}" --net bash "${BASH_SOURCE[0]}" "$@"
fi
unset WEIR_IN_NAMESPACE
ip link set lo up
if ip link add hole type dummy 2>/dev/null; then
	ip address add 192.0.2.254/24 dev hole
	ip link set hole up
elif ip link add hole type veth peer name far 2>/dev/null; then # far takes the packets: they are for nobody there
	ip address add 192.0.2.254/24 dev hole
	ip link set far address 02:00:00:00:00:02 up
	ip link set hole up
	ip neighbour replace 192.0.2.1 lladdr 02:00:00:00:00:02 dev hole
else
	ip route add 192.0.2.0/24 dev lo # nobody on loopback has that address
fi
exec "$@"
