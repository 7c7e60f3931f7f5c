# bash completion for weir. Installed as completions/weir; or: . src/cli/weir.bash
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
	--jwks | --pem | --secret-file | --policy | --key | --payload | --out)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		compopt -o filenames 2>/dev/null
		return
		;;
	esac
	case $COMP_CWORD,${COMP_WORDS[1]-},${COMP_WORDS[2]-} in
	1,*) words='ls dump gc jwt --help --version' ;;
	*,ls,*) words='--json --help' ;;
	*,gc,*)
		words='--dry-run --help'
		[[ $word == -* ]] || mapfile -t folders < <(compgen -d -- "$word")
		;;
	*,dump,*)
		words='--text --prom --json --help'
		[[ $word == -* ]] || mapfile -t folders < <(compgen -f -- "$word")
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
