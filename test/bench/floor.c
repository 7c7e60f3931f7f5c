/* bench: the floors: for each row the least code that does the job at all, on the same data as everyone else. No
 * checks, no growth, no second thread's view: what is above these lines is what a library costs. */
#define _GNU_SOURCE
#include "bench.h"
#include "floor_tls.h"
#include "workload.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { FLOOR_CELLS = 512 };

static void *take(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	bench_require(memory != MAP_FAILED, "out of memory");
	return memory;
}

static void attach(size_t cells)
{
	if (bench_floor_tls == NULL)
		bench_floor_tls = take(cells * sizeof *bench_floor_tls);
}

/* ---- record ---- */

/* By an address in one register: by base and index some processors take far longer from one add to the next. */
static inline void bump(uint64_t *cell, uint64_t n)
{
	bench_opaque(cell);
	*cell += n;
}

static void loop_empty(void *arg, unsigned thread, uint64_t count)
{
	(void)arg, (void)thread;
	for (uint64_t i = 0; i < count; i++)
		bench_barrier();
}

static void loop_add(void *arg, unsigned thread, uint64_t count)
{
	uint32_t cell = 7;

	(void)arg, (void)thread;
	attach(FLOOR_CELLS);
	bench_opaque(cell);
	for (uint64_t i = 0; i < count; i++) {
		bump(&bench_floor_tls[cell], 1);
		bench_barrier();
	}
}

static void loop_set(void *arg, unsigned thread, uint64_t count)
{
	uint32_t cell = 7;

	(void)arg, (void)thread;
	attach(FLOOR_CELLS);
	bench_opaque(cell);
	for (uint64_t i = 0; i < count; i++) {
		__atomic_store_n(&bench_floor_tls[cell], i, __ATOMIC_RELAXED);
		bench_barrier();
	}
}

struct many {
	uint32_t *order;
	size_t count;
};

static void loop_many(void *arg, unsigned thread, uint64_t count)
{
	const struct many *m = arg;

	(void)thread;
	attach(m->count);
	for (uint64_t done = 0; done < count; done += m->count) {
		for (size_t k = 0; k < m->count && done + k < count; k++) {
			bump(&bench_floor_tls[m->order[k]], 1);
			bench_barrier();
		}
	}
}

static void measure_many(const struct bench *b, size_t series)
{
	struct many m = {NULL, series < 1000 ? 1000 : series};

	m.order = take(m.count * sizeof *m.order);
	if (series > 1)
		work_shuffle(m.order, m.count, 3);
	loop_many(&m, 0, m.count); /* first uses are another row's */
	bench_measure(b, "floor", loop_many, &m);
}

/* ---- labels: hash and compare words, then add ---- */

enum { SLOTS = 2048, KEY_WORDS = 8, TEXT_WORDS = 4 };

__extension__ typedef unsigned __int128 wide;

struct slot {
	uint64_t hash;
	uint32_t words, cell;
	uint64_t key[KEY_WORDS];
};
struct table {
	struct slot slots[SLOTS];
	const uint64_t *lists[WORK_LISTS][WORK_LABELS]; /* aligned, padded with zeros */
};

/* The key of three texts: their words, the last of each ended by a zero byte. */
static inline uint32_t key_of(uint64_t key[KEY_WORDS], uint64_t *hash, const uint64_t *const texts[WORK_LABELS])
{
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = UINT64_C(0x8080808080808080);
	uint32_t words = 0;
	uint64_t h = 0;

	for (size_t i = 0; i < WORK_LABELS; i++) {
		const uint64_t *from = texts[i];
		uint64_t word;

		do {
			wide product;

			word = *from++;
			product = (wide)(word ^ UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);
			h = (h << 7 | h >> 57) ^ (uint64_t)product ^ (uint64_t)(product >> 64);
			key[words++] = word;
		} while (((word - ones) & ~word & highs) == 0);
	}
	*hash = h;
	return words;
}

static inline struct slot *find(struct table *t, const uint64_t *const texts[WORK_LABELS], bool insert)
{
	uint64_t key[KEY_WORDS], hash;
	uint32_t words = key_of(key, &hash, texts);

	for (uint64_t at = hash;; at++) {
		struct slot *s = &t->slots[at % SLOTS];
		uint64_t differs = 0;

		if (s->words == 0 && insert) {
			s->hash = hash;
			s->words = words;
			memcpy(s->key, key, words * sizeof *key);
			return s;
		}
		if (s->hash != hash || s->words != words)
			continue;
		for (uint32_t i = 0; i < words; i++)
			differs |= s->key[i] ^ key[i];
		if (differs == 0)
			return s;
	}
}

static void loop_labels(void *arg, unsigned thread, uint64_t count)
{
	struct table *t = arg;

	(void)thread;
	attach(WORK_LISTS);
	for (uint64_t done = 0; done < count; done += WORK_LISTS) {
		for (size_t k = 0; k < WORK_LISTS && done + k < count; k++) {
			bump(&bench_floor_tls[find(t, t->lists[k], false)->cell], 1);
			bench_barrier();
		}
	}
}

static void measure_labels(const struct bench *b)
{
	const char *lists[WORK_LISTS][WORK_LABELS];
	struct table *t = take(sizeof *t);

	work_lists(lists);
	for (uint32_t k = 0; k < WORK_LISTS; k++) {
		for (size_t i = 0; i < WORK_LABELS; i++) {
			uint64_t *padded = NULL;

			bench_require(strlen(lists[k][i]) < TEXT_WORDS * 8, "a label is longer than the floor thinks");
			for (uint32_t j = 0; j < k && padded == NULL; j++)
				if (lists[j][i] == lists[k][i])
					padded = (uint64_t *)(uintptr_t)t->lists[j][i];
			if (padded == NULL) {
				padded = calloc(TEXT_WORDS, sizeof *padded);
				bench_require(padded != NULL, "out of memory");
				memcpy(padded, lists[k][i], strlen(lists[k][i]));
			}
			t->lists[k][i] = padded;
		}
		find(t, t->lists[k], true)->cell = k;
	}
	bench_measure(b, "floor", loop_labels, t);
}

/* ---- histograms: a slot by leading zeros, a byte, one compare, two adds ---- */

/* Where one series is recorded into, one sum would be a chain: each add of a value waits for the one before. A sum a bucket is
 * added up by who reads; it takes twice the cells. */

enum { SLOTS_A_VALUE = 1920, BUCKETS_MAX = 255 };

struct shape {
	uint8_t map[SLOTS_A_VALUE];
	uint64_t bounds[BUCKETS_MAX + 1];
	uint64_t values[WORK_VALUES];
};

static void loop_record(void *arg, unsigned thread, uint64_t count)
{
	const struct shape *s = arg;

	(void)thread;
	attach(FLOOR_CELLS);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t v = s->values[i % WORK_VALUES];
		unsigned shift = ((unsigned)__builtin_clzll(v | 32) ^ 63u) - 5u; /* the leading bit */
		uint64_t bucket = s->map[(shift << 5) + (v >> shift)], *cell;

		bucket += v > s->bounds[bucket];
		cell = &bench_floor_tls[2 * bucket];
		bump(cell, 1);
		bump(cell + 1, v);
		bench_barrier();
	}
}

/* Into many series in turn no sum waits for the sum before: one is enough. */
static void loop_record_turns(void *arg, unsigned thread, uint64_t count)
{
	const struct shape *s = arg;

	(void)thread;
	attach(WORK_TURNS * 32);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t v = s->values[i % WORK_VALUES];
		unsigned shift = ((unsigned)__builtin_clzll(v | 32) ^ 63u) - 5u; /* the leading bit */
		uint64_t bucket = s->map[(shift << 5) + (v >> shift)], *cells = &bench_floor_tls[i % WORK_TURNS * 16];

		bucket += v > s->bounds[bucket];
		bump(&cells[1 + bucket], 1);
		bump(cells, v);
		bench_barrier();
	}
}

static void shape_build(struct shape *s, const uint64_t *bounds, size_t count)
{
	memcpy(s->bounds, bounds, count * sizeof *bounds);
	s->bounds[count] = UINT64_MAX;
	for (unsigned slot = 0; slot < SLOTS_A_VALUE; slot++) {
		unsigned shift = slot < 64 ? 0 : (slot >> 5) - 1;
		uint64_t lowest = slot < 64 ? slot : (uint64_t)(slot - (shift << 5)) << shift;
		size_t bucket = 0;

		while (s->bounds[bucket] < lowest)
			bucket++;
		s->map[slot] = (uint8_t)bucket;
	}
	/* One compare is enough only if the map is right: see for ourselves. */
	for (size_t i = 0; i < WORK_VALUES; i++) {
		uint64_t v = s->values[i];
		unsigned shift = ((unsigned)__builtin_clzll(v | 32) ^ 63u) - 5u; /* the leading bit */
		size_t bucket = s->map[(shift << 5) + (v >> shift)], naive = 0;

		bucket += v > s->bounds[bucket];
		while (v > s->bounds[naive])
			naive++;
		bench_require(bucket == naive, "the floor's buckets are wrong");
	}
}

static void measure_record(const struct bench *b, bool exponential)
{
	struct shape *s = take(sizeof *s);

	if (exponential) {
		uint64_t bounds[BUCKETS_MAX];
		size_t count = 0;

		/* Base 2^(1/8) in seconds, from below 1 us to above 60 s. */
		for (int i = -160; i <= 48; i++)
			bounds[count++] = (uint64_t)(1e9 * exp2(i / 8.0));
		work_values(s->values, work_exponential_lowest, work_exponential_highest);
		shape_build(s, bounds, count);
	} else {
		work_values(s->values, work_explicit_lowest, work_explicit_highest);
		shape_build(s, work_bounds, WORK_BOUNDS);
	}
	bench_measure(b, "floor", bench_is(b, "histogram_explicit_16_series") ? loop_record_turns : loop_record, s);
}

/* ---- export: the copy ---- */

struct text {
	size_t series;
	uint64_t *cells, *sums;
	char **lines;
	uint32_t *lengths;
	char *out;
};

static uint64_t once_copy(void *arg)
{
	struct text *t = arg;
	uint64_t began = bench_now();
	char *out = t->out;

	for (size_t i = 0; i < t->series; i++) {
		memcpy(out, t->lines[i], t->lengths[i]);
		out += t->lengths[i];
	}
	bench_barrier();
	return bench_now() - began;
}

static uint64_t once_sum(void *arg)
{
	struct text *t = arg;
	uint64_t *cells = t->cells, *sums = t->sums, began;

	for (size_t i = 0; i < t->series; i++)
		cells[i] += work_growth(i);
	began = bench_now();
	for (size_t i = 0; i < t->series; i += 4) {
		sums[i] = __atomic_load_n(&cells[i], __ATOMIC_RELAXED);
		sums[i + 1] = __atomic_load_n(&cells[i + 1], __ATOMIC_RELAXED);
		sums[i + 2] = __atomic_load_n(&cells[i + 2], __ATOMIC_RELAXED);
		sums[i + 3] = __atomic_load_n(&cells[i + 3], __ATOMIC_RELAXED);
	}
	bench_barrier();
	return bench_now() - began;
}

static void measure_export(const struct bench *b, size_t series, bool text)
{
	struct text t = {.series = series};

	t.cells = take(series * sizeof *t.cells);
	t.sums = take(series * sizeof *t.sums);
	t.lines = take(series * sizeof *t.lines);
	t.lengths = take(series * sizeof *t.lengths);
	t.out = take(series * 128);
	for (size_t i = 0; i < series; i++) {
		size_t each = series / WORK_FAMILIES;
		const char *values[WORK_LABELS];
		char name[64], help[64], route[32], *line = NULL;
		int length;

		work_family(i / each, name, help);
		work_series(i % each, values, route);
		length = asprintf(&line, "%s{method=\"%s\",route=\"%s\",code=\"%s\"} %llu\n", name, values[0],
		                  values[1], values[2], (unsigned long long)work_start(i % each));
		bench_require(length > 0, "out of memory");
		t.lines[i] = line;
		t.lengths[i] = (uint32_t)length;
	}
	bench_measure_once(b, "floor", text ? once_copy : once_sum, &t);
}

/* ---- memory ---- */

/* A thread takes over what another has left: one compare-and-swap, one pointer. */
static uint64_t once_lease(void *arg)
{
	static int owner;
	uint64_t began = bench_now();
	int none = 0;

	if (__atomic_compare_exchange_n(&owner, &none, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		bench_floor_tls = arg;
		bench_floor_tls[7] += 1;
		bench_barrier();
		__atomic_store_n(&owner, 0, __ATOMIC_RELEASE);
	}
	return bench_now() - began;
}

/* Or it has a page of its own. */
static uint64_t once_page(void *arg)
{
	uint64_t began = bench_now();

	(void)arg;
	attach(FLOOR_CELLS);
	bench_floor_tls[7] += 1;
	bench_barrier();
	return bench_now() - began;
}

static void measure_series_bytes(const struct bench *b)
{
	const size_t series = 100000;
	uint64_t before, after;
	char *room, *at;
	uint64_t *cells;
	uint32_t *texts;

	room = take(series * 64);
	cells = take(series * sizeof *cells);
	texts = take(series * sizeof *texts);
	at = room;
	before = bench_resident_bytes();
	for (size_t i = 0; i < series; i++) {
		const char *values[WORK_LABELS];
		char route[32];

		work_series(i, values, route);
		texts[i] = (uint32_t)(at - room);
		cells[i] = 1;
		for (size_t k = 0; k < WORK_LABELS; k++)
			at = stpcpy(at, values[k]) + 1;
	}
	after = bench_resident_bytes();
	bench_print(b, "floor", ((double)after - (double)before) / (double)series);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *row;
		size_t series;
		int what;
	} sized[] = {
	    {"record_series_1", 1, 0},
	    {"record_series_1k", 1000, 0},
	    {"record_series_100k", 100000, 0},
	    {"record_series_1m", 1000000, 0},
	    {"snapshot_1k", 1000, 1},
	    {"snapshot_10k", 10000, 1},
	    {"snapshot_100k", 100000, 1},
	    {"snapshot_1m", 1000000, 1},
	    {"prometheus_text_1k", 1000, 2},
	    {"prometheus_text_10k", 10000, 2},
	    {"prometheus_text_100k", 100000, 2},
	    {"prometheus_text_1m", 1000000, 2},
	    {"prometheus_encode_10k", 10000, 2},
	    {"otlp_metrics_10k", 10000, 2},
	};
	struct bench b = bench_arguments(argc, argv);

	for (size_t i = 0; i < sizeof sized / sizeof *sized; i++) {
		if (!bench_is(&b, sized[i].row))
			continue;
		if (sized[i].what == 0)
			measure_many(&b, sized[i].series);
		else
			measure_export(&b, sized[i].series, sized[i].what == 2);
	}
	if (bench_is(&b, "empty_loop") || bench_is(&b, "probe_unattached"))
		bench_measure(&b, "floor", loop_empty, NULL);
	if (bench_is(&b, "counter_add") || bench_is(&b, "counter_add_static"))
		bench_measure(&b, "floor", loop_add, NULL);
	if (bench_is(&b, "counter_add_labels"))
		measure_labels(&b);
	if (bench_is(&b, "histogram_explicit") || bench_is(&b, "histogram_explicit_16_series"))
		measure_record(&b, false);
	if (bench_is(&b, "histogram_exponential"))
		measure_record(&b, true);
	if (bench_is(&b, "gauge_set"))
		bench_measure(&b, "floor", loop_set, NULL);
	if (bench_is(&b, "thread_first_use"))
		bench_measure_threads(&b, "floor", once_lease, take(4096), false);
	if (bench_is(&b, "thread_first_use_new"))
		bench_measure_threads(&b, "floor", once_page, NULL, true);
	if (bench_is(&b, "bytes_per_series"))
		measure_series_bytes(&b);
	if (bench_is(&b, "bytes_per_thread"))
		bench_bytes_per_thread(&b, "floor", once_page, NULL);
	return 0;
}
