/* bench: the floors of contexts and spans: for each row the least code that does the job at all: two readings of a clock,
 * an id, and the bytes of the span into a ring that comes round; the hex digits of a header read and written. No checks, no
 * limits, nobody who reads what is written. Invariant: the same texts as weir_span.c. */
#define _GNU_SOURCE
#include "bench.h"
#include "floor_tls.h"
#include "workload.h"

#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { RING = 256 * 1024, RECORD_MAX = 512, ENCODED = 163, SPANS = 1000, WAITING = 100000 };

static struct {
	char *at, *end, *begin;
	uint64_t id, cells[32];
	uint8_t trace_id[16], parent_id[8];
	uint32_t flags;
} ring;

static void *take(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	bench_require(memory != MAP_FAILED, "out of memory");
	return memory;
}

static void open_ring(size_t bytes)
{
	ring.begin = ring.at = take(bytes);
	ring.end = ring.begin + bytes;
}

/* ---- clocks ---- */

static inline uint64_t counter(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return bench_now();
#endif
}

static inline uint64_t clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

__extension__ typedef unsigned __int128 wide;
static uint64_t scale = UINT64_C(0x66666666); /* ns a tick, times 2^32 */

static inline uint64_t to_ns(uint64_t ticks)
{
	return (uint64_t)((wide)ticks * scale >> 32);
}

/* ---- spans ---- */

static inline uint64_t next_id(void)
{
	uint64_t z = ring.id += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Of constants only the copies are left. */
static inline char *put_text(char *to, const char *key, size_t key_len, const char *value, size_t len)
{
	*to = (char)key_len;
	to[1] = (char)len;
	memcpy(to + 2, key, key_len);
	memcpy(to + 2 + key_len, value, len);
	return to + 2 + key_len + len;
}
#define KEY(text) (text), sizeof(text) - 1

struct head {
	uint64_t bytes, start_ns, duration_ns, id;
	uint8_t trace_id[16], parent_id[8];
};

static inline char *put_span(char *at, uint64_t i, uint64_t start, uint64_t id)
{
	struct head *h = (struct head *)(void *)at;

	memcpy(h->trace_id, ring.trace_id, sizeof h->trace_id);
	memcpy(h->parent_id, ring.parent_id, sizeof h->parent_id);
	h->start_ns = start;
	h->id = id;
	at += sizeof *h;
	memcpy(at, "orders.find_one", 15);
	at = put_text(at + 15, KEY("order.id"), work_ids[i % WORK_TURNS], WORK_ID_BYTES);
	at = put_text(at, KEY("order.state"), KEY("accepted"));
	return put_text(at, KEY("db.system"), KEY("postgresql"));
}

static inline __attribute__((always_inline)) void sampled(uint64_t count, bool tsc)
{
	for (uint64_t i = 0; i < count; i++) {
		uint64_t start = tsc ? counter() : clock_now(), id = next_id();
		struct head *h = (struct head *)(void *)ring.at;
		char *at = put_span(ring.at, i, tsc ? to_ns(start) : start, id);

		h->duration_ns = tsc ? to_ns(counter() - start) : clock_now() - start;
		h->bytes = (uint64_t)(at - ring.at);
		ring.at += (h->bytes + 7) & ~UINT64_C(7);
		if (ring.at + RECORD_MAX > ring.end)
			ring.at = ring.begin;
		bench_barrier();
	}
}

static void loop_sampled(void *arg, unsigned thread, uint64_t count)
{
	(void)arg, (void)thread;
	sampled(count, true);
}

static void loop_sampled_clock(void *arg, unsigned thread, uint64_t count)
{
	(void)arg, (void)thread;
	sampled(count, false);
}

static void loop_exemplar(void *arg, unsigned thread, uint64_t count)
{
	(void)arg, (void)thread;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t start = counter(), id = next_id(), took = to_ns(counter() - start);
		struct head *h = (struct head *)(void *)ring.at;
		unsigned bucket = (unsigned)__builtin_clzll(took | 1) % 16;

		memcpy(h->trace_id, ring.trace_id, sizeof h->trace_id);
		memcpy(h->parent_id, ring.parent_id, sizeof h->parent_id);
		h->start_ns = to_ns(start);
		h->duration_ns = took;
		h->id = id;
		memcpy(h + 1, "orders.find_one", 16);
		ring.cells[1 + bucket]++;
		ring.cells[0] += took;
		ring.at += sizeof *h + 16;
		if (ring.at + RECORD_MAX > ring.end)
			ring.at = ring.begin;
		bench_barrier();
	}
}

/* A flag says no, twice; the span knows that it is open, then that it is not. */
static void loop_unsampled(void *arg, unsigned thread, uint64_t count)
{
	(void)arg, (void)thread;
	for (uint64_t i = 0; i < count; i++) {
		volatile uint32_t state = 1;

		if (__atomic_load_n(&ring.flags, __ATOMIC_RELAXED) != 0)
			next_id();
		state = 2;
		(void)state;
		bench_barrier();
	}
}

static void loop_timed(void *arg, unsigned thread, uint64_t count)
{
	(void)arg, (void)thread;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t start = counter(), took;

		bench_barrier();
		took = to_ns(counter() - start);
		bench_opaque(took);
	}
}

/* And a trace id. */
static void loop_root(void *arg, unsigned thread, uint64_t count)
{
	(void)arg, (void)thread;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t start = counter(), id[2] = {next_id(), next_id()}, took;

		memcpy(ring.trace_id, id, sizeof id);
		bench_barrier();
		took = to_ns(counter() - start);
		bench_opaque(took);
	}
}

/* The thread's current one, and the variable that others see, whose address is known. */
static void loop_attach(void *arg, unsigned thread, uint64_t count)
{
	uint64_t *seen = NULL, **slot = &seen;

	(void)thread;
	bench_opaque(slot);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t *former = bench_floor_tls;

		bench_floor_tls = arg;
		bench_barrier();
		*slot = arg;
		bench_barrier();
		bench_floor_tls = former;
		bench_barrier();
		*slot = former;
		bench_barrier();
	}
}

/* ---- a header in and out ---- */

static uint8_t digits[256];
static char pairs[256][2];

static void make_tables(void)
{
	static const char hex[] = "0123456789abcdef";

	memset(digits, 0xff, sizeof digits);
	for (unsigned i = 0; i < 16; i++)
		digits[(unsigned char)hex[i]] = (uint8_t)i;
	for (unsigned i = 0; i < 256; i++) {
		pairs[i][0] = hex[i >> 4];
		pairs[i][1] = hex[i & 15];
	}
}

static inline bool read_hex(uint8_t *to, const char *text, size_t bytes)
{
	unsigned bad = 0;

	for (size_t i = 0; i < bytes; i++) {
		uint8_t high = digits[(unsigned char)text[2 * i]], low = digits[(unsigned char)text[2 * i + 1]];

		bad |= (high | low) & 0xf0u;
		to[i] = (uint8_t)(high << 4 | low);
	}
	return bad == 0;
}

static inline void write_hex(char *to, const uint8_t *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		memcpy(to + 2 * i, pairs[from[i]], 2);
}

static void loop_extract_inject(void *arg, unsigned thread, uint64_t count)
{
	const char *in = arg;
	char out[64];

	(void)thread;
	for (uint64_t i = 0; i < count; i++) {
		uint8_t trace[16], span[8], flags = 0;
		bool whole;

		bench_opaque(in);
		whole = in[0] == '0' && in[1] == '0' && in[2] == '-' && in[35] == '-' && in[52] == '-' && read_hex(trace, in + 3, 16) &&
		        read_hex(span, in + 36, 8) && read_hex(&flags, in + 53, 1);
		bench_require(whole, "the header is malformed");
		bench_barrier();
		memcpy(out, "00-", 3);
		write_hex(out + 3, trace, 16);
		out[35] = '-';
		write_hex(out + 36, span, 8);
		out[52] = '-';
		write_hex(out + 53, &flags, 1);
		bench_barrier();
	}
	bench_require(memcmp(out, in, 55) == 0, "what went out is not what came in");
}

/* ---- out ---- */

static char encoded[ENCODED], *bytes;

static inline void encode(char *to, const struct head *h)
{
	memcpy(to, encoded, sizeof encoded);
	memcpy(to + 4, h->trace_id, 16);
	memcpy(to + 22, &h->id, 8);
	memcpy(to + 32, h->parent_id, 8);
	memcpy(to + 60, &h->start_ns, 8);
	memcpy(to + 69, &h->duration_ns, 8);
}

/* The bytes are copied, ids and times put in: what is in a span is known beforehand. */
static uint64_t once_encode(void *arg)
{
	const struct head *heads = arg;
	uint64_t began = bench_now();

	for (size_t i = 0; i < SPANS; i++)
		encode(bytes + i * ENCODED, &heads[i]);
	bench_barrier();
	return bench_now() - began;
}

static void loop_total(void *arg, unsigned thread, uint64_t count)
{
	const struct head *heads = arg;

	(void)thread;
	for (uint64_t done = 0; done < count; done += SPANS) {
		sampled(SPANS, true);
		for (size_t i = 0; i < SPANS; i++)
			encode(bytes + i * ENCODED, &heads[i]);
		bench_barrier();
	}
}

static void measure_bytes(const struct bench *b)
{
	uint64_t before;

	open_ring((size_t)WAITING * RECORD_MAX);
	before = bench_resident_bytes();
	sampled(WAITING, true);
	bench_print(b, "floor", ((double)bench_resident_bytes() - (double)before) / WAITING);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *row;
		bench_loop *loop;
	} rows[] = {
	    {"span_sampled", loop_sampled},
	    {"span_sampled_threaded", loop_sampled},
	    {"span_sampled_no_tsc", loop_sampled_clock},
	    {"span_kept", loop_sampled},
	    {"span_unsampled", loop_unsampled},
	    {"span_disabled", loop_unsampled},
	    {"span_unsampled_timed", loop_timed},
	    {"span_unsampled_root", loop_root},
	    {"exemplar_record", loop_exemplar},
	    {"ctx_attach_detach", loop_attach},
	};
	struct bench b = bench_arguments(argc, argv);

	make_tables();
	bytes = take(SPANS * ENCODED);
	if (bench_is(&b, "bytes_per_span")) {
		measure_bytes(&b);
		return 0;
	}
	open_ring(RING);
	memset(ring.begin, 1, RING);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (bench_is(&b, rows[i].row))
			bench_measure(&b, "floor", rows[i].loop, ring.begin);
	if (bench_is(&b, "extract_inject") || bench_is(&b, "extract_inject_8_headers"))
		bench_measure(&b, "floor", loop_extract_inject, (void *)(uintptr_t)work_traceparent);
	if (bench_is(&b, "span_cpu_total"))
		bench_measure(&b, "floor", loop_total, ring.begin);
	if (bench_is(&b, "otlp_encode_1000_spans"))
		bench_measure_once(&b, "floor", once_encode, ring.begin);
	return 0;
}
