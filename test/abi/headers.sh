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
exit $failed
