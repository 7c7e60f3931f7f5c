#!/usr/bin/env bash
# test/run.py itself, on a small tree of its own: what it counts, how it closes, and that nothing which is wrong passes. cmake is a
# program that does nothing; tests and fuzz targets are scripts.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

mkdir -p "$scratch/bin" "$scratch/tree"
printf '#!/bin/sh\nexit 0\n' >"$scratch/bin/cmake"
chmod 755 "$scratch/bin/cmake"

# tree: an empty one. script PATH: a program in it, from standard input
tree()
{
	rm -rf "$scratch/tree"
	mkdir -p "$scratch/tree/test/abi" "$scratch/tree/doc"
	cp "${WEIR_ROOT:?}/test/run.py" "$scratch/tree/test"
	# shellcheck disable=SC2016 # a page's back quotes
	printf '`test: first`\n' >"$scratch/tree/doc/proof.md"
	script test/abi/first.sh <<<'echo "ok first"'
	target a 5 0
}
script()
{
	mkdir -p "$scratch/tree/$(dirname "$1")"
	{ echo '#!/bin/bash' && cat; } >"$scratch/tree/$1"
	chmod 755 "$scratch/tree/$1"
}
target() # NAME EXECUTIONS CODE: a fuzz target and its corpus
{
	mkdir -p "$scratch/tree/fuzz/corpus/fuzz_$1"
	touch "$scratch/tree/fuzz/fuzz_$1.c" "$scratch/tree/fuzz/corpus/fuzz_$1/one"
	script "build/fuzz/fuzz/fuzz_$1" <<-END
		echo "\$@" >>"$scratch/tree/arguments"
		echo "stat::number_of_executed_units: $2"
		exit $3
	END
}
# ends CODE LAST-LINE [TEXT...]: so it does, and each text stands in what it says
ends()
{
	local wanted=$1 last=$2 code=0 text
	shift 2
	PATH=$scratch/bin:$PATH python3 -B "$scratch/tree/test/run.py" >"$scratch/said" 2>&1 || code=$?
	[ "$code" = "$wanted" ] || { echo "code $code" && tail -n 5 "$scratch/said" && return 1; }
	[ "$(tail -n 1 "$scratch/said")" = "$last" ] || { tail -n 5 "$scratch/said" && return 1; }
	for text; do
		grep -qF -- "$text" "$scratch/said" || { echo "it does not say: $text" && return 1; }
	done
}
case_()
{
	local name=$1 why
	shift
	if why=$("$@" 2>&1); then
		echo "ok runner $name"
	else
		echo "not ok runner $name: $(tr '\n' '|' <<<"$why" | cut -c 1-600)"
		failed=1
	fi
}

tree
case_ "all passed" ends 0 "3 passed, 0 failed, 0 skipped" "5 executions"
script test/abi/skips.sh <<<'echo "skip later: no such thing here"'
case_ "a skip is counted, with its reason" ends 0 "3 passed, 0 failed, 1 skipped" "skip later: no such thing here"
script test/abi/fails.sh <<<'echo "ok one"; echo "not ok two: 3 and not 4"; exit 1'
case_ "a failed case" ends 1 "4 passed, 1 failed, 1 skipped" "not ok two: 3 and not 4"
tree
script test/abi/dies.sh <<<'echo "ok one"; kill -SEGV $$'
case_ "a program that dies behind its last case" ends 1 "4 passed, 1 failed, 0 skipped" "ended with -11, and no case says why"
tree
script test/abi/mute.sh <<<'exit 0'
case_ "a program that says nothing" ends 1 "3 passed, 1 failed, 0 skipped" "printed no case"
tree
# shellcheck disable=SC2016
printf '`test: nobody`\n' >>"$scratch/tree/doc/proof.md"
case_ "a promise whose test does not exist" ends 1 "3 passed, 1 failed, 0 skipped" "doc/proof.md names it, and no such test passed"
tree
# shellcheck disable=SC2016
printf '`test: later`\n' >>"$scratch/tree/doc/proof.md"
script test/abi/skips.sh <<<'echo "skip later: no such thing here"'
case_ "a promise whose test was skipped" ends 1 "3 passed, 1 failed, 1 skipped" "no such test passed"
tree
target b 7 77
case_ "a fuzz target that crashes" ends 1 "3 passed, 1 failed, 0 skipped" "fuzz fuzz_b: ended with 77"
tree
target b 0 0
case_ "a fuzz target that executes nothing" ends 1 "3 passed, 1 failed, 0 skipped" "fuzz fuzz_b: nothing was executed"
tree
target b 7 0
rm "$scratch/tree/fuzz/corpus/fuzz_b/one"
case_ "a fuzz target without a corpus" ends 1 "3 passed, 1 failed, 0 skipped" "no corpus in fuzz/corpus/fuzz_b/"
tree
rm -r "$scratch/tree/fuzz"
case_ "no fuzz target at all" ends 1 "2 passed, 1 failed, 0 skipped" "fuzz: there is no target"

# As many as there are here share their time.
bounded()
{
	local n=0 source sum
	tree
	for source in "$WEIR_ROOT"/fuzz/fuzz_*.c; do
		target "$((n += 1))" 5 0
	done
	ends 0 "$((n + 3)) passed, 0 failed, 0 skipped" || return 1
	sum=$(sed -n 's/.*-max_total_time=\([0-9]*\).*/\1/p' "$scratch/tree/arguments" | awk '{ s += $1 } END { print s }')
	[ "$(wc -l <"$scratch/tree/arguments")" = $((n + 1)) ] || { echo "not each target ran" && return 1; }
	[ "$sum" -ge 10 ] && [ "$sum" -le 120 ] || { echo "all together have $sum s" && return 1; }
}
case_ "all fuzz targets have 120 s at most" bounded

ci() { diff <(cd / && "$WEIR_ROOT/.ci/run" --no-install --list) <("$WEIR_ROOT/test/run.sh" --no-install --list); }
case_ "what is checked before a change goes in is test/run.sh" ci
exit $failed
