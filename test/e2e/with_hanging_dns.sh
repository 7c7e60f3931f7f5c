#!/usr/bin/env bash
# bash test/e2e/with_hanging_dns.sh COMMAND...: runs it where every DNS question stays without an answer.
# A mount and a network namespace of its own: loopback only, a name server on 127.0.0.1 that never answers, hosts from
# files and DNS. Servers that the command talks to it starts itself. Exit: the command's; 77 and why where there are no
# namespaces.
set -euo pipefail
if [ "${WEIR_IN_NAMESPACE:-}" != dns ]; then
	user=()
	[ "$(id -u)" = 0 ] || user=(--user --map-root-user)
	unshare "${user[@]}" --mount --net true 2>/dev/null || { echo "no mount and network namespaces here" >&2; exit 77; }
	WEIR_IN_NAMESPACE=dns exec unshare "${user[@]}" --mount --net --propagation private bash "${BASH_SOURCE[0]}" "$@"
fi
unset WEIR_IN_NAMESPACE
ip link set lo up
work=$(mktemp -d)
mount -t tmpfs tmpfs "$work" # gone with the namespace
printf 'nameserver 127.0.0.1\noptions timeout:30 attempts:5\n' >"$work/resolv.conf"
printf 'hosts: files dns\n' >"$work/nsswitch.conf"
for file in resolv.conf nsswitch.conf; do
	[ ! -e "/etc/$file" ] || mount --bind "$work/$file" "$(readlink -f "/etc/$file")"
done
umount -l "$work"
rmdir "$work"
# It is never read: what comes waits, then is dropped. It says that it is bound; it ends when we do.
exec 8< <(exec python3 -c '
import ctypes, os, signal, socket
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
print("bound", flush=True)
os.close(1)
signal.pause()')
silent=$!
read -r -t 20 bound <&8 && [ "$bound" = bound ] || { echo "the silent name server does not start" >&2; exit 77; }
exec 8<&-
code=0
"$@" || code=$?
kill "$silent" 2>/dev/null || true
exit $code
