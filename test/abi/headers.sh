#!/usr/bin/env bash
# Every public header alone, as C and as C++, by both compilers, with every warning an error.
set -euo pipefail
root=${WEIR_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

warnings="-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef -Wvla -Werror"
c="$warnings -Wstrict-prototypes -Wmissing-prototypes"
cxx="$warnings -Wold-style-cast -fno-exceptions -fno-rtti"
failed=0

# alone NAME SUFFIX COMPILER...: the header twice over, so that its guard is tried too.
alone()
{
	local header=$1 suffix=$2
	shift 2
	printf '#include <%s>\n#include <%s>\n' "$header" "$header" >"$scratch/alone.$suffix"
	if "$@" -I"$root/include" -c -o "$scratch/alone.o" "$scratch/alone.$suffix" 2>"$scratch/errors"; then
		echo "ok header $header $1 $2"
	else
		echo "not ok header $header $1 $2: $(head -n 3 "$scratch/errors" | tr '\n' ' ')"
		failed=1
	fi
}

cd "$root/include"
for header in $(find weir -name '*.h' | sort) $(find weir -name '*.hpp' | sort); do
	if [[ $header == *.h ]]; then
		for compiler in gcc clang; do
			alone "$header" c $compiler -std=c11 $c -O2
			alone "$header" c $compiler -std=c2x $c -DWEIR_NO_INLINE
		done
	fi
	for compiler in g++ clang++; do
		for standard in c++17 c++20; do
			alone "$header" cpp $compiler -std=$standard $cxx -O2
		done
	done
done

# What BPF programs include: compiled for them, with every function made, and no call, which their verifier would follow.
{
	echo 'typedef unsigned char uint8_t; typedef unsigned short uint16_t; typedef unsigned uint32_t; typedef int int32_t;'
	echo 'typedef unsigned long long uint64_t;'
	echo '#include <weir/abi/segment_read.h>'
	echo 'uint64_t read_one(const void *base, uint32_t cell); uint64_t read_one(const void *base, uint32_t cell)'
	echo '{ struct weir_segment_reader r; uint64_t v = 0, all[8];'
	echo '  if (weir_segment_open(&r, base, 1u << 24) || !weir_segment_total(&r, cell, &v) || !weir_segment_totals(&r, cell, 8, all)) return 0;'
	echo '  return weir_segment_quantile(all + 1, all, 6, 990000, &v) ? v : weir_segment_cell(&r, cell); }'
} >"$scratch/bpf.c"
name="BPF weir/abi/segment_read.h"
if ! clang --print-targets 2>/dev/null | grep -q '^ *bpf '; then
	echo "skip $name: clang has no such target"
elif ! clang -target bpf -std=c11 $c -O2 -I"$root/include" -S -o "$scratch/bpf.s" "$scratch/bpf.c" 2>"$scratch/errors"; then
	echo "not ok $name: $(head -n 3 "$scratch/errors" | tr '\n' ' ')"
	failed=1
elif grep -qE '^[[:space:]]*(call|callx) ' "$scratch/bpf.s"; then
	echo "not ok $name: there is a call in it"
	failed=1
else
	echo "ok $name"
fi
exit $failed
