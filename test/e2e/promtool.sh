#!/usr/bin/env bash
# promtool reads what weir writes: every scheme of the text format, the golden files, and a living endpoint. It finds
# nothing wrong, and nothing that could be better.
set -euo pipefail
names=(promtool_text promtool_dots promtool_values promtool_golden promtool_endpoint)
if ! command -v promtool >/dev/null; then
	printf 'skip %s: promtool is not installed\n' "${names[@]}"
	exit 0
fi
encode=$WEIR_BUILD/test/test_prom_encode
folder=$(mktemp -d)
orders=
trap '[ -z "$orders" ] || kill "$orders" 2>/dev/null || true; rm -rf "$folder"' EXIT
failed=0

# check NAME FILE...: each file must hold samples, and please promtool
check() {
	local name=$1 file said
	shift
	for file; do
		if ! grep -q '^[a-zA-Z_:]' "$file"; then
			echo "not ok $name: $(basename "$file") has no samples"
			failed=1
			return
		fi
		if ! said=$(promtool check metrics <"$file" 2>&1) || [ -n "$said" ]; then
			echo "not ok $name: $(basename "$file"): $(head -n 1 <<<"$said")"
			failed=1
			return
		fi
	done
	echo "ok $name"
}

for scheme in underscores dots values; do
	"$encode" --print "text/plain;version=1.0.0;escaping=$scheme" >"$folder/$scheme" 2>/dev/null
done
check promtool_text "$folder/underscores"
check promtool_dots "$folder/dots"
check promtool_values "$folder/values"
check promtool_golden "$WEIR_ROOT"/test/golden/prometheus/text{,_dots,_values}.txt

"$WEIR_BUILD/bin/orders" --listen 127.0.0.1:0 --metrics 127.0.0.1:0 >"$folder/ready" 2>"$folder/said" &
orders=$!
for ((i = 0; i < 200; i++)); do
	if grep -q '^ready ' "$folder/ready" && grep -q '^metrics ' "$folder/said"; then
		break
	fi
	sleep 0.05
done
service=$(sed -n 's/^ready //p' "$folder/ready")
metrics=$(sed -n 's/^metrics //p' "$folder/said")
for path in /healthz /api/v1/orders/1 /api/v1/orders/999999999 /nowhere; do
	curl -s -o "$folder/answer" --max-time 10 "http://$service$path" || true
done
if curl -sf --max-time 10 -o "$folder/endpoint" "http://$metrics/metrics" &&
	curl -sf --max-time 10 --compressed -o "$folder/gzip" "http://$metrics/metrics"; then
	check promtool_endpoint "$folder/endpoint" "$folder/gzip"
else
	echo "not ok promtool_endpoint: orders has no metrics at \"$metrics\""
	failed=1
fi
exit $failed
