/* Reads what every pointer of a probe points to, and tells what came of it. One program for all probes: the cookie says which one it
 * is, and which arguments are pointers. */
#include <vmlinux.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

#include "bpf_pointers.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} events SEC(".maps");

unsigned long long lost;

static __always_inline void look(struct pt_regs *ctx, unsigned int arg, long cookie)
{
	unsigned int what = (unsigned int)(cookie >> 2 * arg) & 3;
	struct looked *l;
	long at = 0;

	if (what == A_NUMBER)
		return;
	l = bpf_ringbuf_reserve(&events, sizeof *l, 0);
	if (l == NULL) {
		__sync_fetch_and_add(&lost, 1);
		return;
	}
	l->process = bpf_get_current_pid_tgid() >> 32;
	l->probe = (unsigned int)(cookie >> 32);
	l->arg = arg;
	l->text = 0;
	__builtin_memset(l->of, 0, sizeof l->of);
	l->bytes = bpf_usdt_arg(ctx, arg, &at);
	if (l->bytes == 0 && what == A_TEXT) {
		l->bytes = bpf_probe_read_user(l->of, 1, (const void *)at);
		l->text = bpf_probe_read_user_str(l->of, sizeof l->of, (const void *)at);
	} else if (l->bytes == 0) {
		l->bytes = what == AN_ID_OF_16 ? bpf_probe_read_user(l->of, 16, (const void *)at)
		                               : bpf_probe_read_user(l->of, 8, (const void *)at);
	}
	bpf_ringbuf_submit(l, 0);
}

SEC("usdt")
int on_probe(struct pt_regs *ctx)
{
	long cookie = bpf_usdt_cookie(ctx);

	look(ctx, 0, cookie);
	look(ctx, 1, cookie);
	look(ctx, 2, cookie);
	look(ctx, 3, cookie);
	look(ctx, 4, cookie);
	look(ctx, 5, cookie);
	return 0;
}
