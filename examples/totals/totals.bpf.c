/* A series of a service, read in the kernel from the service's own map: nobody is asked, and no system call is made. Here its loader
 * runs it; on a tracepoint, a socket or a timer it reads the same. */
#include <vmlinux.h>

#include <bpf/bpf_helpers.h>

#include <weir/abi/segment_read.h>

#include "totals.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

enum { THREADS_MOST = 64 };

struct { /* the loader puts the service's in its place */
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__uint(value_size, BYTES);
} segment SEC(".maps");

struct answer answer;

/* A thread's word of a cell; bounded, so that the verifier sees that it lies in the map. */
static __always_inline u64 word_of(const struct weir_segment_reader *r, u32 page, u32 cell)
{
	u64 offset = (u64)page * WEIR_SEGMENT_PAGE + cell % WEIR_SEGMENT_CELLS * 8;

	return offset <= BYTES - 8 ? *(const volatile u64 *)(const void *)(r->base + offset) : 0;
}

static __always_inline u64 newest_of(const struct weir_segment_reader *r, u32 cell)
{
	const struct weir_segment_block *block = weir_segment_block_of(r, cell);
	u32 page = block != NULL ? *(const volatile u32 *)&block->first : 0;
	u64 sum = 0;

	for (int thread = 0; thread < THREADS_MOST && page != 0; thread++) {
		const struct weir_segment_entry *entry = weir_segment_entry_of(r, page);

		if (entry == NULL)
			break;
		sum += word_of(r, page, cell);
		page = entry->next;
	}
	return sum;
}

SEC("socket")
int read_series(struct __sk_buff *skb)
{
	struct weir_segment_reader r;
	const void *base;
	u64 total;
	u32 key = 0;

	answer.found = 0;
	base = bpf_map_lookup_elem(&segment, &key);
	if (base == NULL || weir_segment_open(&r, base, BYTES) != WEIR_SEGMENT_FINE)
		return 0;
	answer.found = 1;
	answer.time_ns = ((const volatile struct weir_segment_header *)base)->totals_time_ns;
	answer.newest = newest_of(&r, answer.cell);
	if (weir_segment_total(&r, answer.cell, &total)) {
		answer.total = total;
		answer.found |= 2;
	}
	return 0;
}
