/* A BPF program that reads a service's map: totals by one look-up and an offset, and sums over the shards. shm_sums.c loads it.
 * vmlinux.h is made by bpftool when this is built. */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include <weir/abi/segment_read.h>

char may[] SEC("license") = "GPL";

enum { BYTES = 4 << 20, CELLS_MOST = 16, SHARDS_MOST = 64 };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__uint(value_size, BYTES);
} weir SEC(".maps");

/* Of who loads it. */
volatile struct {
	u32 asker;       /* a process */
	u32 cell, cells; /* a series */
	u32 block_at;    /* where its block's entry in the index stands: for one_offset */
} question SEC(".data.question") = {};

/* What it finds. */
struct found {
	u64 calls, missed, time_ns, total[CELLS_MOST], live[CELLS_MOST];
} found SEC(".data.found") = {};

static __always_inline bool open_segment(struct weir_segment_reader *r)
{
	u32 key = 0;
	const void *base = bpf_map_lookup_elem(&weir, &key);

	return base != NULL && weir_segment_open(r, base, BYTES) == WEIR_SEGMENT_FINE;
}

/* The page of one block and shard, bounded for the verifier. */
static __always_inline u64 word_of(const unsigned char *base, u32 page, u32 at)
{
	u64 offset = (u64)page * WEIR_SEGMENT_PAGE + at * 8;

	return offset <= BYTES - 8 ? *(const volatile u64 *)(const void *)(base + offset) : 0;
}

static __always_inline u64 live_sum(const struct weir_segment_reader *r, u32 number)
{
	const struct weir_segment_block *block = weir_segment_block_of(r, number);
	u32 page = block != NULL ? *(const volatile u32 *)&block->first : 0;
	u64 sum = 0;

	for (int shard = 0; shard < SHARDS_MOST && page != 0; shard++) {
		const struct weir_segment_entry *entry = weir_segment_entry_of(r, page);

		if (entry == NULL)
			break;
		sum += word_of(r->base, page, number % WEIR_SEGMENT_CELLS);
		page = entry->next;
	}
	return sum;
}

static __always_inline void read_all(void)
{
	struct weir_segment_reader r;
	u64 value;

	if (!open_segment(&r)) {
		found.missed++;
		return;
	}
	found.time_ns = ((const volatile struct weir_segment_header *)(const void *)r.base)->totals_time_ns;
	for (u32 i = 0; i < CELLS_MOST && i < question.cells; i++) {
		if (weir_segment_total(&r, question.cell + i, &value))
			found.total[i] = value;
		else
			found.missed++;
		found.live[i] = live_sum(&r, question.cell + i);
	}
}

/* Runs in the kernel when the asking process makes a system call that nobody else makes. */
SEC("tp/syscalls/sys_enter_getpgid")
int on_getpgid(void *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	if ((u32)BPF_CORE_READ(task, tgid) != question.asker)
		return 0;
	read_all();
	found.calls++;
	return 0;
}

/* One sum, for its price. */
SEC("socket")
int one_total(struct __sk_buff *skb)
{
	struct weir_segment_reader r;
	u64 value = 0;

	if (!open_segment(&r) || !weir_segment_total(&r, question.cell, &value))
		return 0;
	found.total[0] = value;
	return 1;
}

/* The same by an offset that a loader has found out: what the look-up itself costs. */
SEC("socket")
int one_offset(struct __sk_buff *skb)
{
	u32 key = 0, at = question.block_at, page;
	const unsigned char *base = bpf_map_lookup_elem(&weir, &key);
	const volatile struct weir_segment_block *block;

	if (base == NULL || at > BYTES - sizeof *block)
		return 0;
	block = (const volatile void *)(base + at);
	page = (block->active & 1) != 0 ? block->totals[1] : block->totals[0];
	if (page == 0)
		return 0;
	found.total[0] = word_of(base, page, question.cell % WEIR_SEGMENT_CELLS);
	return 1;
}
