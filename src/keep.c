/* L4: spans of requests that were not sampled, held until the request's end says whether they are kept. See spans.h.
 *
 * A log of bounded size, written round and round: what is overtaken undecided is evicted, and counted. Trees stand in a table, 8
 * places to a hash: what one local request made of a trace, which may come here more than once. Each leads to its newest record,
 * and each record to the one before. Positions count up for ever, so that one that was overtaken is known by being less than the
 * log's tail. Writer: the holder of the drain lock, and of spans. */
#include "spans.h"

#include "atomic.h"
#include "port.h"
#include "ring.h"
#include "sampling.h"
#include "tally.h"

#include <stdlib.h>

enum { PLACES = 8, TREES_PER_MIB = 2048, KEPT_FOR = 16 };
#define ASK_AGAIN_NS WEIR_MS(100)

struct held { /* before each record in the log */
	uint64_t before; /* position + 1 of the tree's record before; 0: none */
	uint32_t bytes;  /* with this head; a multiple of 16, so that one always fits before the log's end */
	uint32_t tree;   /* index in the table, + 1; 0: let go, or padding at the log's end */
};
struct tree {
	uint8_t trace_id[16];
	uint64_t root;   /* of the context that sends the verdict */
	uint64_t newest; /* position + 1 */
	uint64_t stamp;  /* when it was last touched: counts up */
	uint32_t records;
	uint8_t used, decided, verdict;
};
_Static_assert(sizeof(struct held) == 16, "as said");
static struct {
	char *log;
	struct tree *table;
	uint64_t size, head, tail, stamp;
	uint32_t sets; /* of PLACES */
	uint64_t again_ns; /* there was no memory: not asked for before this */
} keep;
static struct weir__local out; /* of what is kept */

struct weir__local *weir__keep_local(void)
{
	return &out;
}

uint64_t weir__keep_bytes(void)
{
	return keep.log != NULL ? keep.size + (uint64_t)keep.sets * PLACES * sizeof *keep.table : 0;
}

void weir__keep_forget(void)
{
	memset(&out, 0, sizeof out);
	keep.head = keep.tail = 0;
	if (keep.table != NULL)
		memset(keep.table, 0, (size_t)keep.sets * PLACES * sizeof *keep.table);
}

static bool open_log(void)
{
	struct tree *table;
	char *log;

	if (keep.log != NULL)
		return true;
	if (keep.again_ns != 0 && weir__clock_ns() < keep.again_ns)
		return false;
	keep.size = weir__sampling()->keep_bytes & ~UINT64_C(15);
	if (keep.size < 2 * WEIR__CHUNK_BYTES)
		keep.size = 2 * WEIR__CHUNK_BYTES;
	keep.sets = (uint32_t)(keep.size / WEIR_MIB(1) + 1) * TREES_PER_MIB / PLACES;
	log = malloc((size_t)keep.size);
	table = calloc((size_t)keep.sets * PLACES, sizeof *table);
	if (log == NULL || table == NULL) {
		free(log);
		free(table);
		keep.again_ns = weir__clock_ns() + ASK_AGAIN_NS;
		return false;
	}
	weir__store_release(&keep.table, table);
	weir__store_release(&keep.log, log); /* last: whoever forks now leaves a child that believes it */
	return true;
}

static struct held *at(uint64_t position)
{
	return (struct held *)(void *)(keep.log + position % keep.size);
}

static void emit(const struct weir__span_record *record, uint8_t why)
{
	enum weir__ring_fault fault;
	struct weir__span_record *r = weir__ring_take(&out, record->bytes, &fault);

	if (r == NULL) {
		weir__tally(WEIR__SPANS_POOL, 1);
		return;
	}
	memcpy(r, record, record->bytes);
	r->kept = why;
	weir__ring_commit(&out, record->bytes);
	weir__tally(WEIR__SPANS_KEPT, 1);
}

/* Lets go of a tree's records; those that are kept go out, oldest first. */
static void settle(struct tree *t, uint8_t why, bool evicted)
{
	uint64_t position = t->newest, after = 0;

	/* turned round, so that they go out in the order in which they came */
	while (position > keep.tail) {
		struct held *h = at(position - 1);
		uint64_t before = h->before;

		h->before = after;
		after = position;
		position = before;
	}
	while (after != 0) {
		struct held *h = at(after - 1);

		after = h->before;
		if (h->tree != 0 && why != WEIR__VERDICT_DROP)
			emit((const struct weir__span_record *)(const void *)(h + 1), why);
		if (h->tree != 0 && evicted)
			weir__tally(WEIR__SPANS_EVICTED, 1);
		h->tree = 0;
	}
	t->newest = 0;
	t->records = 0;
}

static struct tree *find(const uint8_t trace_id[16], uint64_t root)
{
	uint64_t hash;
	struct tree *set, *oldest = NULL;

	memcpy(&hash, trace_id + 8, 8);
	hash ^= root;
	hash = (hash ^ hash >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
	set = &keep.table[(hash >> 32) % keep.sets * PLACES];
	for (int i = 0; i < PLACES; i++) {
		if (set[i].used != 0 && set[i].root == root && memcmp(set[i].trace_id, trace_id, 16) == 0)
			return &set[i];
		/* free ones first, then decided ones, then the oldest */
		if (oldest == NULL || set[i].used < oldest->used ||
		    (set[i].used == oldest->used && (set[i].decided > oldest->decided ||
		                                     (set[i].decided == oldest->decided && set[i].stamp < oldest->stamp))))
			oldest = &set[i];
	}
	if (oldest->records != 0)
		settle(oldest, WEIR__VERDICT_DROP, true);
	memset(oldest, 0, sizeof *oldest);
	memcpy(oldest->trace_id, trace_id, 16);
	oldest->root = root;
	oldest->used = 1;
	oldest->stamp = ++keep.stamp;
	return oldest;
}

static void overtake(void)
{
	struct held *h = at(keep.tail);

	if (h->tree != 0) {
		struct tree *t = &keep.table[h->tree - 1];

		weir__tally(WEIR__SPANS_EVICTED, 1);
		if (t->records != 0)
			t->records--;
	}
	keep.tail += h->bytes;
}

void weir__keep_put(const struct weir__span_record *record)
{
	uint32_t bytes = ((uint32_t)sizeof(struct held) + record->bytes + 15) & ~15u;
	uint64_t to_end;
	struct tree *t;
	struct held *h;

	if (!open_log()) {
		weir__tally(WEIR__SPANS_EVICTED, 1);
		return;
	}
	t = find(record->trace_id, weir__root_of(record));
	if (t->decided) {
		if (t->verdict != WEIR__VERDICT_DROP)
			emit(record, t->verdict);
		return;
	}
	to_end = keep.size - keep.head % keep.size;
	if (to_end < bytes) { /* no record stands over the end */
		while (keep.head + to_end - keep.tail > keep.size)
			overtake();
		*at(keep.head) = (struct held){0, (uint32_t)to_end, 0};
		keep.head += to_end;
	}
	while (keep.head + bytes - keep.tail > keep.size)
		overtake();
	h = at(keep.head);
	h->bytes = bytes;
	h->before = t->newest > keep.tail ? t->newest : 0;
	h->tree = (uint32_t)(t - keep.table) + 1;
	memcpy(h + 1, record, record->bytes);
	t->newest = keep.head + 1;
	t->records++;
	t->stamp = ++keep.stamp;
	keep.head += bytes;
}

void weir__keep_verdict(const struct weir__verdict_record *record)
{
	struct tree *t;

	if (!open_log())
		return;
	t = find(record->trace_id, record->root);
	if (t->decided)
		return;
	settle(t, (uint8_t)record->verdict, false);
	t->decided = 1;
	t->verdict = (uint8_t)record->verdict;
	/* A kept one stays longer than those that are dropped: a child's spans may stand in another thread's list, behind many
	 * requests of the one that is drained first. */
	t->stamp = ++keep.stamp + (t->verdict != WEIR__VERDICT_DROP ? (uint64_t)keep.sets * PLACES * KEPT_FOR : 0);
}
