#!/usr/bin/env bash
# The misuses of misuse.c (as C, and as C++) and misuse.cpp must not compile, and the compiler must say what is expected:
# one of the texts after the case's "says:" stands in its errors or notes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=${WEIR_ROOT:-$(cd "$here/../.." && pwd)}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0 level=-O2

# try NAME CASE FILE COMPILER...
try()
{
	local name=$1 case=$2 file=$3 compiled=no error="" said text
	shift 3
	"$@" $level -Wall -Wextra -Werror -I"$root/include" -DCASE="$case" -c -o "$scratch/o.o" "$file" 2>"$scratch/errors" && compiled=yes
	said=$(grep -E '(error|note):' "$scratch/errors" || true)
	error=${said%%$'\n'*}
	if [ "$case" = 0 ]; then
		[ $compiled = yes ] && echo "ok $name" && return
		echo "not ok $name: the right use does not compile: $error"
		failed=1
		return
	fi
	# The texts follow their #elif; without one a case could not fail, so that is a failure too.
	text=$(awk -v start="^#elif CASE == $case( |$)" '$0 ~ start {on = 1; next} /^#/ && !/^#define/ {on = 0} on && /says: / {print; exit}' "$file" |
		sed -E 's/.*says: //; s, *\*/$,,')
	while [ -n "$text" ]; do
		if [ $compiled = no ] && [[ $said == *"${text%% | *}"* ]]; then
			echo "ok $name"
			return
		fi
		[[ $text == *" | "* ]] || break
		text=${text#* | }
	done
	[ $compiled = yes ] && error="it compiled"
	echo "not ok $name: ${error#"$file":}"
	failed=1
}

cp "$here/misuse.c" "$scratch/as_cpp.cpp"
for case in 0 $(sed -nE 's/^#elif CASE == ([0-9]+).*/\1/p' "$here/misuse.c"); do
	try "misuse C $case gcc" "$case" "$here/misuse.c" gcc -std=c11
	try "misuse C $case clang" "$case" "$here/misuse.c" clang -std=c11
	try "misuse C $case g++" "$case" "$scratch/as_cpp.cpp" g++ -std=c++17
	try "misuse C $case clang++" "$case" "$scratch/as_cpp.cpp" clang++ -std=c++17
done
for case in 0 $(sed -nE 's/^#elif CASE == ([0-9]+).*/\1/p' "$here/misuse.cpp"); do
	try "misuse C++ $case g++" "$case" "$here/misuse.cpp" g++ -std=c++17
	try "misuse C++ $case clang++" "$case" "$here/misuse.cpp" clang++ -std=c++17
done
# What only a compiler that optimizes sees, from -O1 on: README's limits.
level=-O1
for case in $(awk '/^#elif CASE ==/ {c = $4} /says: (give as many|a context fills)/ {print c}' "$here/misuse.c"); do
	try "misuse C $case gcc -O1" "$case" "$here/misuse.c" gcc -std=c11
	try "misuse C $case clang -O1" "$case" "$here/misuse.c" clang -std=c11
	try "misuse C $case g++ -O1" "$case" "$scratch/as_cpp.cpp" g++ -std=c++17
	try "misuse C $case clang++ -O1" "$case" "$scratch/as_cpp.cpp" clang++ -std=c++17
done
exit $failed
