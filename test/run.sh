#!/usr/bin/env bash
# Every test of weir: installs what it lacks (Debian and Ubuntu), builds out of tree in build/, runs, and closes with
# "N passed, N failed, N skipped".
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=../.ci/needs.sh
. "$root/.ci/needs.sh"

install=yes arguments=()
for argument; do
	case $argument in
	--no-install) install=no ;;
	-h | --help)
		cat <<'END'
usage: test/run.sh [--no-install] [--quick] [--list] [NAME...]
  --no-install  install nothing: name what is missing, and exit 2
  --quick       the unit and integration tests of the release build only
  --list        name the tests, and run none
  NAME          only tests whose label holds NAME: test_bucket, package, asan, release/e2e
Exit: 0 all passed, 1 a test failed, 2 something is missing.
END
		exit 0
		;;
	--quick | --list | [!-]*) arguments+=("$argument") ;;
	*) echo "there is no option $argument; see --help" >&2 && exit 2 ;;
	esac
done

needs_install test/run.sh "
gcc               command gcc
g++               command g++
binutils          command readelf
clang             command clang
lld               command ld.lld
libclang-rt-dev   runtime fuzzer
llvm              command llvm-symbolizer
cmake             command cmake
ninja-build       command ninja
pkg-config        command pkg-config
libcmocka-dev     header cmocka.h
libncurses-dev    header curses.h
libmicrohttpd-dev header microhttpd.h
zlib1g-dev        header zlib.h
libcurl4-openssl-dev header curl/curl.h
libprotobuf-c-dev header protobuf-c/protobuf-c.h
protobuf-c-compiler command protoc-c
protobuf-compiler command protoc
python3           command python3
curl              command curl
wrk               command wrk
prometheus        command promtool
openssl           command openssl
iproute2          command ip
locales           file /usr/share/i18n/locales/de_DE
libjansson-dev    header jansson.h
bpftrace          command bpftrace
linux-perf        command perf
libssl-dev        header openssl/evp.h
$(needs_collector)
libbpf-dev        header bpf/libbpf.h
bpftool           command bpftool
python3-jwt       python jwt
python3-cryptography python cryptography
" $install
exec python3 "$root/test/run.py" "${arguments[@]}"
