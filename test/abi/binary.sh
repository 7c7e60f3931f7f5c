#!/usr/bin/env bash
# What the built libraries are: their names, needs, sizes, hardening; and that the archives hide everything.
set -euo pipefail
build=${WEIR_BUILD:?a finished build of the release preset}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

# is NAME GOT WANTED: equal, or it is not ok
is()
{
	if [ "$2" = "$3" ]; then
		echo "ok binary $1: ${2:-none}"
	else
		echo "not ok binary $1: $2, wanted $3"
		failed=1
	fi
}
below() # NAME GOT LIMIT
{
	if [ -n "$2" ] && [ "$2" -lt "$3" ]; then
		echo "ok binary $1: $2"
	else
		echo "not ok binary $1: ${2:-nothing}, wanted less than $3"
		failed=1
	fi
}
dynamic() { readelf -dW "$build/$1" | sed -nE "s/.*\($2\).*\[(.*)\].*/\1/p" | sort | tr '\n' ' '; }
has() { grep -qE "$2" <<<"$1" && echo yes || echo no; }

needs="libc.so.6 "
if readelf -p .comment "$build/libweir.so" | grep -q clang; then
	needs=$(dynamic libweir.so NEEDED | grep -o 'ld-linux[^ ]* ' || true)
	needs=$(printf '%s\n' $needs libc.so.6 | sort | tr '\n' ' ') # clang 14 also names the loader
fi
is "libweir NEEDED" "$(dynamic libweir.so NEEDED)" "$needs"
is "libweir-prometheus NEEDED" "$(dynamic libweir-prometheus.so NEEDED | sed -E 's/(libmicrohttpd.so|libz.so)\.[0-9]+/\1/g')" \
	"libc.so.6 libmicrohttpd.so libweir.so.0 libz.so "
is "libweir-otlp NEEDED" "$(dynamic libweir-otlp.so NEEDED | sed -E 's/(libcurl.so|libprotobuf-c.so|libz.so)\.[0-9]+/\1/g')" \
	"libc.so.6 libcurl.so libprotobuf-c.so libweir.so.0 libz.so "
is "libweir-jwt NEEDED" "$(dynamic libweir-jwt.so NEEDED | sed -E 's/(libcrypto.so|libjansson.so)\.[0-9]+/\1/g')" \
	"libc.so.6 libcrypto.so libjansson.so libweir.so.0 "
is "libweir-shm NEEDED" "$(dynamic libweir-shm.so NEEDED | sed -E 's/ld-linux[^ ]* //')" "libc.so.6 libweir.so.0 "
for name in libweir libweir-shm libweir-jwt libweir-prometheus libweir-otlp; do
	library=$build/$name.so
	segments=$(readelf -lW "$library")
	flags=$(readelf -dW "$library" | grep FLAGS || true)
	is "$name SONAME" "$(dynamic $name.so SONAME)" "$name.so.0 "
	is "$name stays loaded (nodelete)" "$(has "$flags" NODELETE)" yes
	is "$name binds now, read-only after" "$(has "$flags" BIND_NOW) $(has "$segments" GNU_RELRO)" "yes yes"
	is "$name has no executable stack, no text relocations" \
		"$(has "$segments" 'GNU_STACK.*RWE') $(has "$(readelf -dW "$library")" TEXTREL)" "no no"
	# The one that there is comes with every shared library, from the compiler's own objects.
	is "$name has no constructor" "$(readelf -SW "$library" | awk '{sub(/^ *\[ *[0-9]+\] /, "")} $1 == ".init_array" {print $5}')" 000008
	# In an archive everything is hidden: a static copy in a program and a shared one in a plugin never meet. But for what strangers
	# look for by its name, which is one for the thread.
	is "$name.a hides its names" \
		"$(readelf -sW "$build/$name.a" | awk '$5 == "GLOBAL" && $6 == "DEFAULT" && $7 != "UND" && $8 != "otel_thread_ctx_v1" {print $8}' | tr '\n' ' ')" ""
	is "$name.a holds names at all" "$(has "$(readelf -sW "$build/$name.a")" 'GLOBAL +HIDDEN +[0-9]+ weir_')" yes
done
tls=$(readelf -lW "$build/libweir.so" | awk '$1 == "TLS" {print $6}')
below "libweir TLS bytes" "$((tls))" 512
is "libweir shows otel_thread_ctx_v1" "$(has "$(readelf --dyn-syms -W "$build/libweir.so")" 'TLS +GLOBAL +DEFAULT +[0-9]+ otel_thread_ctx_v1')" yes
is "libweir.a shows otel_thread_ctx_v1" "$(has "$(readelf -sW "$build/libweir.a")" 'TLS +GLOBAL +DEFAULT +[0-9]+ otel_thread_ctx_v1')" yes
is "libweir TLS is initial-exec" "$(has "$(nm -D -u "$build/libweir.so")" __tls_get_addr)" no
strip -o "$scratch/stripped.so" "$build/libweir.so"
below "libweir stripped bytes" "$(stat -c %s "$scratch/stripped.so")" $((150 * 1024))
exit $failed
