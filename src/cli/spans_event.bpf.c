/* weir spans: the probes span_end and request_end of one process, as events in a ring. The kernel runs it for the process alone that it was
 * attached for, by its memory: in whatever namespace. What the filter leaves out never comes into the ring; what this has no room for
 * is counted. */
#include <vmlinux.h> /* made of the running kernel */

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

#include "spans_event.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

const volatile uint64_t slow_ns;
const volatile uint32_t failed_only;
uint64_t lost;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 21);
} ended SEC(".maps");

/* Room for an event that the filter lets pass; NULL: there is none. */
static __always_inline struct spans_event *event(uint64_t duration_ns, uint32_t failed, const void *trace_id, const void *name)
{
	struct spans_event *e;

	if (duration_ns < slow_ns || (failed_only && !failed))
		return NULL;
	e = bpf_ringbuf_reserve(&ended, sizeof *e, 0);
	if (e == NULL) {
		/* Relaxed: a count, of which nothing else hangs. */
		__sync_fetch_and_add(&lost, 1);
		return NULL;
	}
	__builtin_memset(e, 0, sizeof *e - SPANS_TEXT);
	e->end_ns = bpf_ktime_get_ns();
	e->duration_ns = duration_ns;
	e->failed = failed;
	bpf_probe_read_user(e->trace_id, sizeof e->trace_id, trace_id);
	if (bpf_probe_read_user_str(e->name, sizeof e->name, name) < 0)
		e->name[0] = '\0';
	return e;
}

SEC("usdt")
int BPF_USDT(span_end, void *trace_id, void *span_id, void *name, uint64_t duration_ns, uint64_t kind, uint64_t failed)
{
	struct spans_event *e = event(duration_ns, failed != 0, trace_id, name);

	if (e != NULL) {
		bpf_probe_read_user(e->span_id, sizeof e->span_id, span_id);
		e->kind = (uint32_t)kind != SPANS_REQUEST ? (uint32_t)kind : 1;
		bpf_ringbuf_submit(e, 0);
	}
	return 0;
}

SEC("usdt")
int BPF_USDT(request_end, void *trace_id, void *route, uint64_t status, uint64_t duration_ns)
{
	struct spans_event *e = event(duration_ns, status >= 500, trace_id, route);

	if (e != NULL) {
		e->status = (uint32_t)status;
		bpf_ringbuf_submit(e, 0);
	}
	return 0;
}
