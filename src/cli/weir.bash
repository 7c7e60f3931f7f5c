# bash completion for weir. Installed as completions/weir; or: . src/cli/weir.bash

# What weir ls has: numbers and names; not those that bash would make something else of.
_weir_processes()
{
	local pid name rest

	while read -r pid name rest; do
		[[ $pid =~ ^[0-9]+$ ]] || continue
		echo "$pid"
		[[ $name =~ ^[A-Za-z0-9_.:+-]+$ ]] && echo "$name"
	done < <(weir ls 2>/dev/null)
}

_weir()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words=''
	local algs='HS256 HS384 HS512 RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA'
	local policy='--jwks --pem --secret-file --alg --policy --issuer --audience --type --leeway --max-age --required --claim --no-expiry'

	local folders=()

	COMPREPLY=()
	case $before in
	--alg)
		mapfile -t COMPREPLY < <(compgen -W "$algs" -- "$word")
		return
		;;
	--format)
		mapfile -t COMPREPLY < <(compgen -W 'jwk pem' -- "$word")
		return
		;;
	--view)
		mapfile -t COMPREPLY < <(compgen -W 'requests tenants series' -- "$word")
		return
		;;
	--sort)
		mapfile -t COMPREPLY < <(compgen -W 'name rate errors refused p50 p99 good budget value' -- "$word")
		return
		;;
	--interval | --count | --filter | --slow) return ;;
	--jwks | --pem | --secret-file | --policy | --key | --payload | --out)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		compopt -o filenames 2>/dev/null
		return
		;;
	esac
	case $COMP_CWORD,${COMP_WORDS[1]-},${COMP_WORDS[2]-} in
	1,*) words='ls dump offsets top watch spans gc probes jwt --help --version' ;;
	*,ls,* | *,offsets,*)
		words='--json --help'
		[[ ${COMP_WORDS[1]-} == ls || $word == -* ]] || words+=" $(_weir_processes)"
		;;
	*,gc,*)
		words='--dry-run --help'
		[[ $word == -* ]] || mapfile -t folders < <(compgen -d -- "$word")
		;;
	*,probes,*)
		words='--all --json --help'
		[[ $word == -* ]] || mapfile -t folders < <(compgen -f -- "$word")
		;;
	*,dump,*)
		words='--text --prom --json --help'
		[[ $word == -* ]] || mapfile -t folders < <(compgen -f -W "$(_weir_processes)" -- "$word")
		;;
	*,top,*)
		words='--interval --count --view --sort --filter --since-start --help'
		[[ $word == -* ]] || words+=" $(_weir_processes)"
		;;
	*,watch,*)
		words='--interval --count --help'
		[[ $word == -* ]] || words+=" $(_weir_processes)"
		;;
	*,spans,*)
		words='--slow --failed --count --json --help'
		[[ $word == -* ]] || words+=" $(_weir_processes | grep -E '^[0-9]+$')"
		;;
	2,jwt,*) words='keygen sign decode verify --help' ;;
	*,jwt,keygen) words='--alg --kid --bits --format --out --force --jwks --keep --help' ;;
	*,jwt,sign)
		words='--key --secret-file --alg --kid --type --payload --claim --sub --iss --aud --jti --expires-in --not-before
			--issued-at --count --help'
		;;
	*,jwt,decode | *,jwt,verify) words="$policy --help" ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
	COMPREPLY+=("${folders[@]}")
}
complete -F _weir weir
