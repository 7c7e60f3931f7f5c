#!/usr/bin/env bash
# The two commands on machines that lack something, or are no Debian: each machine is a folder of links to the programs here,
# without some and with a few that are not what they seem. Nothing is installed, and nothing is built.
set -euo pipefail
cd "${WEIR_ROOT:?}"
unset WEIR_COLLECTOR
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

ok() # NAME COMMAND...
{
	local name=$1 why
	shift
	if why=$("$@" 2>&1); then
		echo "ok needs: $name"
	else
		echo "not ok needs: $name: $(tr '\n' '|' <<<"${why:-$*}" | cut -c 1-600)"
		failed=1
	fi
}
# machine NAME WITHOUT...: a folder to stand in PATH
machine()
{
	local folder=$scratch/$1 from
	shift
	mkdir "$folder"
	for from in /bin /usr/bin /usr/local/bin; do
		find "$from/" -maxdepth 1 ! -type d -exec ln -sft "$folder" {} +
	done
	(cd "$folder" && rm -f "$@")
}
program() # MACHINE/NAME: a shell script from standard input
{
	rm -f "$scratch/$1"
	{ echo '#!/bin/bash' && cat; } >"$scratch/$1"
	chmod 755 "$scratch/$1"
}
# run MACHINE CODE COMMAND...: ends with that code, and has neither built nor tested anything
run()
{
	local machine=$1 wanted=$2 code=0
	shift 2
	PATH=$scratch/$machine HOME=$scratch "$@" >"$scratch/said" 2>&1 || code=$?
	cat "$scratch/said"
	[ $code = "$wanted" ] || { echo "code $code" && return 1; }
	! grep -qE '^(==>|building)' "$scratch/said"
}
says() { grep -qE -- "$1" "$scratch/said" || { echo "it does not say $1" && return 1; }; }
never() { ! grep -qE -- "$1" "$scratch/said" || { echo "it says $1" && return 1; }; }

machine lacking wrk protoc-c
no_install() # COMMAND
{
	run lacking 2 "$1" --no-install && says '^missing: .*protobuf-c-compiler.* wrk( |$)|^missing: .*wrk.* protobuf-c-compiler( |$)'
}
ok "examples/run.sh --no-install names what is missing" no_install examples/run.sh
ok "test/run.sh --no-install names what is missing" no_install test/run.sh

machine other apt-get wrk
other_system() # COMMAND
{
	run other 2 "$1" && says "^Packages are installed on Debian and Ubuntu only\. $1 needs these" &&
		says '^  ! wrk \(command wrk\)$' && says '^    python3 \(command python3\)$' && says "^Where they are there: $1 --no-install$" &&
		[ "$(sort "$scratch/said" | uniq -d)" = "" ] # each need once
}
ok "examples/run.sh prints its needs elsewhere" other_system examples/run.sh
ok "test/run.sh prints its needs elsewhere" other_system test/run.sh

# An apt-get that writes down how it is called, and installs nothing.
machine debian wrk sudo
program debian/apt-get <<-END
	echo "\$*" >>$scratch/calls
	[ "\$1" != install ]
END
one_call() # COMMAND
{
	rm -f "$scratch/calls"
	run debian 2 "$1" && says '^\+  *apt-get install -y --no-install-recommends .*wrk' && says '^not installed: .*wrk' &&
		[ "$(cut -d' ' -f1 "$scratch/calls" | xargs)" = "update install" ] && grep -q '^install .*wrk' "$scratch/calls"
}
if [ "$(id -u)" = 0 ]; then
	ok "examples/run.sh installs by one call, which it prints" one_call examples/run.sh
	ok "test/run.sh installs by one call, which it prints" one_call test/run.sh
else
	echo "skip needs: installs by one call, which it prints: it would ask sudo here"
fi
program debian/id <<<'echo 1000'
# who may ask sudo does, for apt-get alone
machine user wrk
rm -f "$scratch/user/apt-get" "$scratch/user/id"
cp "$scratch/debian/apt-get" "$scratch/debian/id" "$scratch/user"
program user/sudo <<-END
	echo "sudo \$*" >>$scratch/asked
	exec "\$@"
END
by_sudo()
{
	rm -f "$scratch/calls" "$scratch/asked"
	run user 2 "$1" && says '^\+ sudo apt-get install -y --no-install-recommends .*wrk' && grep -q '^install .*wrk' "$scratch/calls" &&
		[ "$(grep -cv '^sudo env DEBIAN_FRONTEND=noninteractive apt-get ' "$scratch/asked")" = 0 ]
}
ok "examples/run.sh asks sudo" by_sudo examples/run.sh
nobody() { rm -f "$scratch/calls" && run debian 2 "$1" && says '^missing, and neither root nor sudo .*: .*wrk' && [ ! -e "$scratch/calls" ]; }
ok "examples/run.sh as nobody" nobody examples/run.sh
ok "test/run.sh as nobody" nobody test/run.sh

# Go for the Collector: of 1.26, or pip for PyPI's. wrk is missing, so that every run ends here.
machine go wrk pip3
go_is() { program go/go <<<"[ \"\$*\" = 'env GOVERSION' ] && echo $1"; }
real=$(command -v python3)
program go/python3 <<-END
	[ "\$1 \$2" != "-m pip" ] || exit 1
	exec "$real" "\$@"
END
hide=() user=()
if [ -e /usr/local/go ]; then # which is looked at too: in a mount namespace it can be empty
	[ "$(id -u)" = 0 ] || user=(--map-root-user)
	# shellcheck disable=SC2016
	hide=(unshare "${user[@]}" --mount bash -c 'mount -t tmpfs none /usr/local/go && exec "$@"' hide)
fi
older()
{
	run go 2 "${hide[@]}" examples/run.sh --collector --no-install && says '^missing: .*wrk.* python3-pip$' &&
		run go 2 "${hide[@]}" test/run.sh --no-install && says '^missing: .*wrk.* python3-pip( |$)'
}
if "${hide[@]}" true 2>/dev/null; then
	for version in go1.9 go1.19.8 go1.25.9 ''; do
		go_is "$version"
		ok "an older Go is not enough: ${version:-none}" older
	done
else
	echo "skip needs: an older Go is not enough: this machine has another in /usr/local/go, and no mount namespaces"
fi
for version in go1.26 go1.26.1 go1.30; do
	go_is $version
	enough() { run go 2 examples/run.sh --collector --no-install && says '^missing: wrk' && never pip; }
	ok "$version is enough" enough
done
go_is go1.19.8
without() { run go 2 examples/run.sh --no-install && says '^missing: wrk' && never pip; }
ok "without the Collector no Go is needed" without
exit $failed
