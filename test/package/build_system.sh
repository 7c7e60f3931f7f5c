#!/usr/bin/env bash
# What a packager counts on: the presets, few options of one name, nothing fetched, and a build by clang like that by gcc.
set -euo pipefail
root=${WEIR_ROOT:?} build=${WEIR_BUILD:?}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

is() # NAME GOT WANTED
{
	if [ "$2" = "$3" ]; then
		echo "ok build system: $1"
	else
		echo "not ok build system: $1: '$2', wanted '$3'"
		failed=1
	fi
}
works() # NAME COMMAND...
{
	local name=$1
	shift
	if "$@" >"$scratch/log" 2>&1; then
		echo "ok build system: $name"
	else
		echo "not ok build system: $name: $(tail -n 8 "$scratch/log" | tr '\n' '|')"
		failed=1
	fi
}
cd "$root"

is "presets" "$(cmake --list-presets | sed -nE 's/^ +"(\w+)".*/\1/p' | xargs)" "dev release asan tsan fuzz coverage"
options=$(sed -nE 's/^ *option\((\w+) .*/\1/p' CMakeLists.txt)
is "every option is named WEIR_" "$(grep -cv '^WEIR_' <<<"$options" || true)" 0
is "at most 8 options" "$([ "$(wc -l <<<"$options")" -le 8 ] && echo yes)" yes
is "options stand in one file" \
	"$(grep -rlE '^ *(option|cmake_dependent_option)\(|CACHE (BOOL|STRING|PATH)' --include=CMakeLists.txt --include='*.cmake' \
		CMakeLists.txt cmake src exporters examples test/CMakeLists.txt fuzz | xargs)" "CMakeLists.txt"
is "nothing is fetched, no flag is set for all" \
	"$(grep -rnEi 'FetchContent|ExternalProject|file\(DOWNLOAD|add_(compile|link)_options|add_definitions|set\(CMAKE_C(XX)?_FLAGS' \
		CMakeLists.txt cmake src exporters examples test/CMakeLists.txt fuzz | grep -E '(CMakeLists\.txt|\.cmake):' || true)" ""
is "warnings are errors in presets only" \
	"$(grep -rlE 'Werror|WARNING_AS_ERROR' CMakeLists.txt CMakePresets.json cmake src/CMakeLists.txt exporters test/CMakeLists.txt | xargs)" \
	"CMakePresets.json"
# Of each file that is compiled into a library, the command, and what stands in none: one flag a line.
lacking()
{
	python3 - "$build/compile_commands.json" <<-'PY'
	import json, sys
	wanted = """-std=c11 -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef -Wvla -Wstrict-prototypes
	            -Wmissing-prototypes -fvisibility=hidden -Werror""".split()
	commands = [c for c in json.load(open(sys.argv[1])) if "/src/" in c["file"] or "/exporters/" in c["file"]]
	commands = [c for c in commands if not c["file"].endswith((".pb-c.c", "/weir.bash")) and "CMakeFiles/test" not in c["command"]]
	print(*sorted({f"{c['file']} {flag}" for c in commands for flag in wanted if flag not in c["command"].split()}))
	len(commands) >= 100 or print(f"only {len(commands)} files are compiled")
	PY
}
is "every file of the libraries has the house's flags" "$(lacking)" ""
is "the top level" \
	"$( (git ls-files -co --exclude-standard 2>/dev/null || find . -type f ! -path './build/*' ! -path './.git' ! -path './.git/*' -printf '%P\n') |
		cut -d/ -f1 | LC_ALL=C sort -u | xargs)" \
	".ci .clang-format .editorconfig .gitignore CHANGELOG.md CMakeLists.txt CMakePresets.json CONTRIBUTING.md LICENSE README.md cmake doc examples exporters fuzz include src test"

# The presets that the tests do not run are built as far as the libraries.
for preset in dev coverage; do
	works "preset $preset configures" cmake --preset $preset -B "$scratch/$preset"
	works "preset $preset builds the libraries" cmake --build "$scratch/$preset" --target weir weir_static weir_jwt weir_prometheus weir_shm
done
works "clang, shared only: configures" cmake -S . -B "$scratch/clang" -G Ninja -DCMAKE_C_COMPILER=clang -DBUILD_SHARED_LIBS=ON \
	-DWEIR_TESTS=OFF -DWEIR_EXAMPLES=OFF -DCMAKE_COMPILE_WARNING_AS_ERROR=ON -DCMAKE_SHARED_LINKER_FLAGS=-Wl,--no-undefined
works "clang, shared only: builds" cmake --build "$scratch/clang"
is "clang, shared only: no archive" "$(find "$scratch/clang" -name '*.a')" ""
is "clang: libweir needs libc, and the loader at most" \
	"$(readelf -dW "$scratch/clang/libweir.so" | sed -nE 's/.*\(NEEDED\).*\[(.*)\].*/\1/p' | grep -v '^ld-linux' | xargs)" libc.so.6
is "clang exports what gcc does" "$(nm -D --defined-only "$scratch/clang/libweir.so" | sed 's/^[^ ]* //' | md5sum)" \
	"$(nm -D --defined-only "$build/libweir.so" | sed 's/^[^ ]* //' | md5sum)"
works "without Prometheus: configures" cmake -S . -B "$scratch/alone" -G Ninja -DWEIR_PROMETHEUS=OFF -DWEIR_TESTS=OFF
works "without Prometheus: builds" cmake --build "$scratch/alone" --target weir
exit $failed
