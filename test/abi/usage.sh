#!/usr/bin/env bash
# The usage files, against the installed package: compiled by both compilers with every warning an error, linked, run.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
prefix=${WEIR_PREFIX:?the folder where weir was installed}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

pc=$(find "$prefix" -name weir.pc)
export PKG_CONFIG_PATH=${pc%/*}
read -ra cflags <<<"$(pkg-config --cflags weir)"
read -ra libs <<<"$(pkg-config --libs weir) -Wl,-rpath,$(pkg-config --variable=libdir weir)"
warnings=(-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef -Wvla -Werror)
c=("${warnings[@]}" -std=c11 -Wstrict-prototypes -Wmissing-prototypes)
cxx=("${warnings[@]}" -Wold-style-cast -fno-exceptions -fno-rtti)
failed=0

# check NAME COMMAND...
check()
{
	local name=$1
	shift
	if "$@" >"$scratch/out" 2>&1; then
		echo "ok usage $name"
	else
		echo "not ok usage $name: $(head -c 2000 "$scratch/out" | tr '\n' ' ')"
		failed=1
	fi
}
build_and_run() # SOURCE[ SOURCE] ARGUMENTS... -- COMPILER FLAGS...
{
	local sources arguments=()
	read -ra sources <<<"$1"
	shift
	while [ "$1" != -- ]; do
		arguments+=("$1")
		shift
	done
	shift
	rm -f "$scratch/program"
	"$@" "${cflags[@]}" "${sources[@]/#/$here/usage/}" -o "$scratch/program" "${libs[@]}" -pthread &&
		OTEL_LOG_LEVEL=warn timeout 60 "$scratch/program" "${arguments[@]}"
}
plugin() # COMPILER FLAGS...
{
	rm -f "$scratch/lines"
	"$@" "${cflags[@]}" -fPIC -shared "$here/usage/plugin_exporter.c" -o "$scratch/lines.so" "${libs[@]}" &&
		build_and_run plugin_host.c "$scratch/lines.so" "$scratch/lines" -- "$@"
}

for level in -O0 -O2 "-O2 -DWEIR_NO_INLINE"; do
	read -ra flags <<<"$level"
	for compiler in gcc clang; do
		for source in database_like.c gateway.c nginx_like.c; do
			check "$source $compiler $level" build_and_run $source -- $compiler "${c[@]}" "${flags[@]}"
		done
		check "at_load.c $compiler $level" build_and_run at_load.c -- $compiler "${c[@]}" -std=gnu11 "${flags[@]}"
		check "two_files.c $compiler $level" build_and_run "two_files.c two_files_other.c" -- $compiler "${c[@]}" "${flags[@]}"
		check "plugin_exporter.c $compiler $level" plugin $compiler "${c[@]}" "${flags[@]}"
	done
	for compiler in g++ clang++; do
		for standard in c++17 c++20; do
			check "templates.cpp $compiler $standard $level" \
				build_and_run templates.cpp -- $compiler -std=$standard "${cxx[@]}" "${flags[@]}"
			check "two_files.c as C++ $compiler $standard $level" build_and_run "two_files.c two_files_other.c" -- \
				$compiler -x c++ -std=$standard "${cxx[@]}" "${flags[@]}"
		done
	done
done
exit $failed
