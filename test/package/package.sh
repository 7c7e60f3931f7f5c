#!/usr/bin/env bash
# The installed package, used from outside the tree: pkg-config and CMake, shared and static, C and C++, moved, and embedded
# in another project. What is linked is also run.
set -euo pipefail
root=${WEIR_ROOT:?} prefix=${WEIR_PREFIX:?where weir was installed} build=${WEIR_BUILD:?}
here=$root/test/package
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

# check NAME COMMAND...: the command's output is shown where it fails. Every failing line of it counts, which is why it does
# not stand in a condition: bash forgets -e there (and after !, hence never).
check()
{
	local name=$1 status
	shift
	set +e
	(
		set -e
		"$@"
	) >"$scratch/log" 2>&1
	status=$?
	set -e
	if [ $status = 0 ]; then
		echo "ok package $name"
	else
		echo "not ok package $name: $(tail -n 25 "$scratch/log" | tr '\n' '|' | cut -c 1-3000)"
		failed=1
	fi
}
never()
{
	if "$@"; then
		return 1
	fi
}

# ---- a copy elsewhere: everything below works in the moved prefix -------------------------------------------------------
sources=$scratch/sources moved=$scratch/moved/deep/prefix
mkdir -p "$sources" "${moved%/*}"
cp "$root"/examples/hello.c "$root"/examples/hello.cpp "$here/alone.c" "$here/ship.c" "$here/verify.c" "$here/share.c" "$sources"
cp -a "$prefix" "$moved"
pc=$(cd "$moved" && find . -name weir.pc)
libdir=$(cd "$moved/${pc%/*}/.." && pwd)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

needed() { readelf -dW "$1" | sed -nE 's/.*\(NEEDED\).*\[(.*)\].*/\1/p'; }
runs() # PROGRAM shared|static
{
	LD_LIBRARY_PATH=$libdir OTEL_EXPORTER_PROMETHEUS_HOST=127.0.0.1 OTEL_EXPORTER_PROMETHEUS_PORT=$port timeout 60 "$1"
	if [ "$2" = shared ]; then
		needed "$1" | grep -x 'libweir.so.0'
	else
		never grep libweir <<<"$(needed "$1")"
		if readelf -lW "$1" | grep -q INTERP; then # which has no dynamic symbols has it among its others
			readelf --dyn-syms -W "$1" | grep -E 'TLS +GLOBAL +DEFAULT +[0-9]+ otel_thread_ctx_v1'
		else
			readelf -sW "$1" | grep -E 'TLS +GLOBAL +DEFAULT +[0-9]+ otel_thread_ctx_v1'
		fi
	fi
}
pkg() { PKG_CONFIG_PATH=$libdir/pkgconfig pkg-config "$@"; }

layout()
{
	local wanted found
	wanted=$(cd "$root/include" && find weir -type f ! -name private.h | sort)
	found=$(cd "$moved/include" && find . -type f | sed 's,^\./,,' | sort)
	diff <(echo "$wanted") <(echo "$found")
	for name in weir weir-jwt weir-prometheus weir-otlp weir-shm; do
		test -L "$libdir/lib$name.so"
		test -L "$libdir/lib$name.so.0"
		test -f "$libdir/lib$name.a"
		test -f "$libdir/pkgconfig/$name.pc"
	done
	found=$(find "$moved" -type f ! -path '*/include/*')
	never grep -vE '/lib(weir|weir-jwt|weir-prometheus|weir-otlp|weir-shm)\.(a|so\.[0-9.]+)$|\.pc$|\.cmake$|/man/man(1/weir(-jwt)?\.1|3/weir(-jwt|-prometheus|-otlp|-shm|-span)?\.3|5/weir-segment\.5|7/weir-probes\.7)$|/bin/weir$|/bash-completion/completions/weir$' <<<"$found"
	test -f "$moved/share/man/man3/weir.3"
	test -f "$moved/share/man/man1/weir.1"
}
command_runs() # installed, with the libraries beside it
{
	[ "$(LD_LIBRARY_PATH=$libdir "$moved/bin/weir" --version)" = "weir $(pkg --modversion weir)" ]
	LD_LIBRARY_PATH=$libdir "$moved/bin/weir" jwt keygen --alg ES256 | grep -q '"kty": "EC"'
	never grep -E 'RPATH|RUNPATH' <<<"$(readelf -dW "$moved/bin/weir")"
	bash -n "$moved/share/bash-completion/completions/weir"
}
no_paths() # no file of the package knows where it was built or first installed
{
	never grep -rlF -e "$prefix" -e "$build" -e "$root" "$moved" --include='*.pc' --include='*.cmake' --include='*.h'
	never grep -E 'RPATH|RUNPATH' <<<"$(readelf -dW "$libdir"/*.so)"
}
private_libs() # third parties stand in Libs.private alone
{
	[ "$(pkg --print-requires weir)" = "" ]
	[ "$(pkg --print-requires-private weir)" = "" ]
	[ "$(pkg --print-requires weir-prometheus | sed 's/ .*//')" = weir ]
	[ "$(pkg --print-requires-private weir-prometheus)" = "" ]
	never grep -E -- '-lz|-lmicrohttpd' <<<"$(pkg --libs weir-prometheus)"
	pkg --static --libs weir-prometheus | grep -- -lmicrohttpd | grep -- -lz
	[ "$(pkg --print-requires weir-otlp | sed 's/ .*//')" = weir ]
	[ "$(pkg --print-requires-private weir-otlp)" = "" ]
	never grep -E -- '-lcurl|-lprotobuf-c|-lz' <<<"$(pkg --libs weir-otlp)"
	pkg --static --libs weir-otlp | grep -- -lcurl | grep -- -lprotobuf-c | grep -- -lz
	[ "$(pkg --print-requires weir-shm | sed 's/ .*//')" = weir ]
	[ "$(pkg --print-requires-private weir-shm)" = "" ]
	[ "$(pkg --modversion weir)" = "$(sed -nE 's/^#define WEIR_VERSION_TEXT "(.*)"/\1/p' "$root/include/weir/base.h")" ]
}
check "layout" layout
check "knows no path" no_paths
check "the command weir" command_runs
check "pkg-config's fields" private_libs

# ---- pkg-config ----------------------------------------------------------------------------------------------------------
# one NAME FORM PACKAGE SOURCE COMPILER FLAGS...; FORM: shared; archives: ours by -l:, all else shared; full: no shared library
one()
{
	local name=$1 form=$2 package=$3 source=$4 libs out=$scratch/program
	shift 4
	case $form in
	shared) libs=$(pkg --libs "$package") ;;
	archives) libs=$(pkg --static --libs "$package" | sed -E 's/-l(weir[a-z-]*)/-l:lib\1.a/g') ;;
	full) libs="-static $(pkg --static --libs "$package")" ;;
	esac
	rm -f "$out"
	# shellcheck disable=SC2046,SC2086 # pkg-config's words are words
	"$@" $(pkg --cflags "$package") "$sources/$source" -o "$out" $libs
	case $form in
	shared) runs "$out" shared ;;
	archives) runs "$out" static ;;
	full)
		runs "$out" static
		never grep INTERP <<<"$(readelf -lW "$out")"
		;;
	esac
}
each() # NAME FLAGS...: C and C++, both packages, shared and static
{
	local name=$1 form
	shift
	for form in shared archives; do
		check "$name pkg-config $form hello.c gcc" one "$name" $form weir-prometheus hello.c gcc -std=c11 "$@"
		check "$name pkg-config $form hello.cpp g++" one "$name" $form weir-prometheus hello.cpp g++ -std=c++17 "$@"
		check "$name pkg-config $form alone.c gcc" one "$name" $form weir alone.c gcc -std=c11 "$@"
		check "$name pkg-config $form ship.c gcc" one "$name" $form weir-otlp ship.c gcc -std=gnu11 -pthread "$@"
		check "$name pkg-config $form verify.c gcc" one "$name" $form weir-jwt verify.c gcc -std=c11 "$@"
	done
	check "$name pkg-config full static alone.c gcc" one "$name" full weir alone.c gcc -std=c11 "$@"
}
each "plain" -O2
for form in shared archives full; do
	check "plain pkg-config $form share.c gcc" one plain $form weir-shm share.c gcc -std=c11 -O2
done
each "-flto" -O2 -flto
each "--gc-sections" -O2 -ffunction-sections -fdata-sections -Wl,--gc-sections
each "--as-needed -z now" -O2 -Wl,--as-needed -Wl,-z,now
for form in shared archives; do
	for source in hello.c alone.c; do
		check "clang pkg-config $form $source" one clang $form weir-prometheus $source clang -std=c11 -O2
		check "clang lld --gc-sections $form $source" one lld $form weir-prometheus $source clang -std=c11 -O2 -fuse-ld=lld \
			-ffunction-sections -fdata-sections -Wl,--gc-sections
		check "clang lld -flto $form $source" one lld $form weir-prometheus $source clang -std=c11 -O2 -fuse-ld=lld -flto
	done
	check "clang pkg-config $form ship.c" one clang $form weir-otlp ship.c clang -std=gnu11 -pthread -O2
	check "clang pkg-config $form verify.c" one clang $form weir-jwt verify.c clang -std=c11 -O2
	check "clang pkg-config $form share.c" one clang $form weir-shm share.c clang -std=c11 -O2
	check "clang++ pkg-config $form hello.cpp" one clang $form weir-prometheus hello.cpp clang++ -std=c++20 -O2
done

# ---- a prefix with only the archives: pkg-config --static as it is ---------------------------------------------------------
arch=lib/$(gcc -print-multiarch) # a libdir of two parts
archives_only()
{
	cmake -S "$root" -B "$scratch/archives" -G Ninja -DBUILD_SHARED_LIBS=OFF -DWEIR_TESTS=OFF -DWEIR_EXAMPLES=OFF \
		-DCMAKE_BUILD_TYPE=Debug -DCMAKE_INSTALL_LIBDIR="$arch" -DCMAKE_INSTALL_PREFIX="$scratch/only"
	cmake --build "$scratch/archives" -- --quiet
	cmake --install "$scratch/archives"
	[ -z "$(find "$scratch/only" -name '*.so*')" ]
}
static_as_it_is() # PACKAGE SOURCE COMPILER...
{
	local package=$1 source=$2
	shift 2
	# shellcheck disable=SC2046
	"$@" "$sources/$source" -o "$scratch/program" \
		$(PKG_CONFIG_PATH=$scratch/only/$arch/pkgconfig pkg-config --static --cflags --libs "$package")
	runs "$scratch/program" static
}
check "only archives: built, installed" archives_only
check "only archives: pkg-config --static hello.c" static_as_it_is weir-prometheus hello.c gcc -std=c11
check "only archives: pkg-config --static hello.cpp" static_as_it_is weir-prometheus hello.cpp g++ -std=c++17
check "only archives: pkg-config --static ship.c" static_as_it_is weir-otlp ship.c gcc -std=gnu11
check "only archives: pkg-config --static verify.c" static_as_it_is weir-jwt verify.c gcc -std=c11
check "only archives: pkg-config --static share.c" static_as_it_is weir-shm share.c gcc -std=c11

# ---- CMake -----------------------------------------------------------------------------------------------------------------
by_find_package() # PREFIX ARCHIVES_ONLY FLAGS...
{
	local from=$1 only=$2
	shift 2
	rm -rf "$scratch/consumer"
	cmake -S "$here/find_package" -B "$scratch/consumer" -G Ninja -DCMAKE_PREFIX_PATH="$from" -DSOURCES="$sources" \
		-DARCHIVES_ONLY="$only" "$@"
	cmake --build "$scratch/consumer" -- --quiet
	for program in hello_static hello_cpp_static alone_static ship_static verify_static share_static; do
		runs "$scratch/consumer/$program" static
	done
	if [ "$only" = ON ]; then
		runs "$scratch/consumer/hello_plain" static
		runs "$scratch/consumer/ship_plain" static
		runs "$scratch/consumer/verify_plain" static
		runs "$scratch/consumer/share_plain" static
	else
		for program in hello hello_cpp alone ship verify share; do
			runs "$scratch/consumer/$program" shared
		done
	fi
}
found_or_not() # WANTED VERSION COMPONENTS
{
	rm -rf "$scratch/asks" "$scratch/asks.build"
	mkdir "$scratch/asks"
	printf '%s\n' 'cmake_minimum_required(VERSION 3.25)' 'project(asks LANGUAGES C)' \
		"find_package(weir $2 QUIET COMPONENTS $3)" 'message(STATUS "found: ${weir_FOUND}.")' >"$scratch/asks/CMakeLists.txt"
	cmake -S "$scratch/asks" -B "$scratch/asks.build" -G Ninja -DCMAKE_PREFIX_PATH="$moved" | grep -x -- "-- found: $1\."
}
asked() # the minor number must be the same, since 0.x may break between them; each component must be there
{
	found_or_not 1 0.1 weir
	found_or_not 1 0.1.0 "weir prometheus otlp jwt"
	found_or_not 0 0.0 weir
	found_or_not 0 0.2 weir
	found_or_not 0 1.0 weir
	found_or_not 0 0.1 "weir nonsense"
}
embedded() # EXPECTED-TARGETS FLAGS...
{
	local expect=$1
	shift
	rm -rf "$scratch/embedded"
	cmake -S "$here/embedded" -B "$scratch/embedded" -G Ninja -DWEIR_SOURCE="$scratch/source" -DSOURCES="$sources" \
		-DEXPECT="$expect" "$@"
	cmake --build "$scratch/embedded" -- --quiet
	for program in alone hello ship verify share; do
		LD_LIBRARY_PATH='' OTEL_EXPORTER_PROMETHEUS_HOST=127.0.0.1 OTEL_EXPORTER_PROMETHEUS_PORT=$port \
			timeout 60 "$scratch/embedded/own/$program"
	done
	[ "$(grep -cE '^WEIR_(TESTS|EXAMPLES|INSTALL):BOOL=OFF$' "$scratch/embedded/CMakeCache.txt")" = 3 ]
	cmake --install "$scratch/embedded" --prefix "$scratch/embedded/installed"
	[ "$(cd "$scratch/embedded/installed" && find . -type f | sort | xargs)" = "./bin/alone ./bin/hello" ]
}
# Only what a build needs: nothing of the tests may be missed.
mkdir "$scratch/source"
cp -r "$root"/CMakeLists.txt "$root"/cmake "$root"/include "$root"/src "$root"/exporters "$scratch/source"
libraries="weir;weir_jwt;weir_jwt_static;weir_otlp;weir_otlp_static;weir_prometheus;weir_prometheus_static;weir_shm;weir_shm_static;weir_static"
whole() # COMPILER...: weir's sources and the program in one, which the compiler sees through
{
	"$@" -std=gnu11 -fvisibility=hidden -I"$root/include" -I"$root/src" "$root"/src/*.c "$here/whole.c" -o "$scratch/program" -pthread
	timeout 60 "$scratch/program"
}
check "weir and its host as one, gcc -O3 -flto" whole gcc -O3 -flto=auto
check "weir and its host as one, clang lld -O3 -flto" whole clang -O3 -flto -fuse-ld=lld
check "find_package, C and C++, shared and static" by_find_package "$moved" OFF -DCMAKE_BUILD_TYPE=Release
check "find_package, -flto" by_find_package "$moved" OFF -DCMAKE_BUILD_TYPE=Release -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON
check "find_package, only archives" by_find_package "$scratch/only" ON
check "find_package, versions and components that there are not" asked
check "add_subdirectory" embedded "$libraries"
check "add_subdirectory, BUILD_SHARED_LIBS=OFF" embedded "weir_jwt_static;weir_otlp_static;weir_prometheus_static;weir_shm_static;weir_static" -DBUILD_SHARED_LIBS=OFF
check "FetchContent from a local path" embedded "$libraries" -DFETCH=ON -DFETCHCONTENT_FULLY_DISCONNECTED=ON
exit $failed
