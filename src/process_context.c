/* L5: the process context. See process_context.h. Writer of all data: the holder of the set-up lock, which is in memory that fork
 * wipes; a child has none of the parent's (its header is not inherited), and makes its own.
 *
 * Invariant: a reader that finds the same time before and behind its reading, and not 0, has read one state. */
#define _GNU_SOURCE
#include "process_context.h"

#include "atomic.h"
#include "port.h"
#include "registry.h"
#include "snapshot.h"
#include "tag.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif
enum { PAYLOAD_BYTES = 1 << 16, VERSION = 2 };
static const char name[] = "OTEL_CTX";

struct header {
	char signature[8];
	uint32_t version, payload_bytes;
	uint64_t published_ns; /* 0: it is being changed. Release; readers are other processes */
	const uint8_t *payload;
};
_Static_assert(sizeof(struct header) == 32 || sizeof(void *) != 8, "as OTEP 4719 has it");

static struct {
	struct header *header; /* NULL: none is published */
	uint8_t *payload;      /* a mapping; what is said stands at its end */
	uint32_t generation;   /* of the process that this speaks of */
	uint32_t tags;         /* which are told of. Relaxed: the tick only compares it */
} published;

/* ---- protobuf, written from its end on, so that each length is known when it is needed ---- */

struct out {
	uint8_t *first, *at;
	bool full;
};

static void put(struct out *o, const void *bytes, size_t len)
{
	if (len > (size_t)(o->at - o->first))
		o->full = true;
	else
		memcpy(o->at -= len, bytes, len);
}

static void put_varint(struct out *o, uint64_t value)
{
	uint8_t bytes[10];
	size_t len = 0;

	for (; value > 0x7f; value >>= 7)
		bytes[len++] = (uint8_t)(value | 0x80);
	bytes[len++] = (uint8_t)value;
	put(o, bytes, len);
}

static void put_tag(struct out *o, uint8_t tag)
{
	put(o, &tag, 1);
}

/* What stands before end is the value of this field. */
static void put_head(struct out *o, uint8_t tag, const uint8_t *end)
{
	put_varint(o, (uint64_t)(end - o->at));
	put_tag(o, tag);
}

static void put_text(struct out *o, uint8_t tag, struct weir_str text)
{
	const uint8_t *end = o->at;

	put(o, text.ptr, text.len);
	put_head(o, tag, end);
}

enum { /* number and wire type of fields */
	CONTEXT_RESOURCE = 0x0a, CONTEXT_ATTRIBUTE = 0x12, RESOURCE_ATTRIBUTE = 0x0a, KEY = 0x0a, VALUE = 0x12,
	TEXT = 0x0a, BOOLEAN = 0x10, INTEGER = 0x18, REAL = 0x21, ARRAY = 0x2a, ARRAY_VALUE = 0x0a,
};

/* A pair of field tag; its value, a KeyValue's, stands before value_end. */
static void put_key(struct out *o, uint8_t tag, struct weir_str key, const uint8_t *value_end)
{
	put_head(o, VALUE, value_end);
	put_text(o, KEY, key);
	put_head(o, tag, value_end);
}

static void put_attribute(struct out *o, const struct weir_attr *a)
{
	const uint8_t *end = o->at;

	if (a->type == WEIR_ATTR_STR) {
		put_text(o, TEXT, a->as.str);
	} else if (a->type == WEIR_ATTR_BOOL) {
		put_varint(o, a->as.boolean);
		put_tag(o, BOOLEAN);
	} else if (a->type == WEIR_ATTR_INT) {
		put_varint(o, (uint64_t)a->as.integer);
		put_tag(o, INTEGER);
	} else if (a->type == WEIR_ATTR_DOUBLE) {
		put(o, &a->as.real, sizeof a->as.real);
		put_tag(o, REAL);
	} else {
		return;
	}
	put_key(o, RESOURCE_ATTRIBUTE, a->key, end);
}

static void put_one_key(struct out *o, const char *key)
{
	const uint8_t *end = o->at;

	put_text(o, TEXT, weir_str_of(key));
	put_head(o, ARRAY_VALUE, end);
}

static void put_all(struct out *o, uint32_t tags)
{
	const struct weir_attrs *resource = weir__resource();
	const uint8_t *end = o->at;

	for (uint32_t n = tags; n != 0; n--) {
		const char *key = weir__tag(n)->attribute;

		put_one_key(o, key != NULL ? key : "");
	}
	put_one_key(o, "http.route");
	put_head(o, ARRAY, end);
	put_key(o, CONTEXT_ATTRIBUTE, weir_str_of("threadlocal.attribute_key_map"), end);
	end = o->at;
	put_text(o, TEXT, weir_str_of("tlsdesc_v1_dev"));
	put_key(o, CONTEXT_ATTRIBUTE, weir_str_of("threadlocal.schema_version"), end);
	end = o->at;
	for (size_t i = resource != NULL ? resource->count : 0; i != 0; i--)
		put_attribute(o, &resource->ptr[i - 1]);
	put_head(o, CONTEXT_RESOURCE, end);
}

/* ---- where it stands ---- */

/* By raw calls: weir's threads have descriptor tables of their own, and ThreadSanitizer takes two files of one number for one. */
static struct header *make_header(void)
{
	struct header *h;
	long fd = syscall(SYS_memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING | 8 /* MFD_NOEXEC_SEAL */), at = -1;

	if (fd < 0)
		fd = syscall(SYS_memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd >= 0 && syscall(SYS_ftruncate, fd, (long)WEIR__PAGE) == 0)
		at = syscall(SYS_mmap, 0L, (long)WEIR__PAGE, (long)(PROT_READ | PROT_WRITE), (long)MAP_PRIVATE, fd, 0L);
	if (fd >= 0)
		syscall(SYS_close, fd);
	if (at == -1)
		at = syscall(SYS_mmap, 0L, (long)WEIR__PAGE, (long)(PROT_READ | PROT_WRITE), (long)(MAP_PRIVATE | MAP_ANONYMOUS), -1L, 0L);
	if (at == -1)
		return NULL;
	h = (struct header *)(uintptr_t)at;
	if (madvise(h, WEIR__PAGE, MADV_DONTFORK) != 0) {
		munmap(h, WEIR__PAGE);
		return NULL;
	}
	return h;
}

static void forget_parents(void)
{
	if (published.generation == weir__generation())
		return;
	if (published.payload != NULL)
		weir__unmap(published.payload, PAYLOAD_BYTES);
	published.payload = NULL;
	published.header = NULL;
	published.generation = weir__generation();
}

void weir__process_context_publish(void)
{
	uint8_t *payload = weir__map(PAYLOAD_BYTES, true, false), *former;
	struct out o = {payload, payload + PAYLOAD_BYTES, payload == NULL};
	struct header *h;
	struct timespec now;
	uint32_t tags = 0;

	forget_parents();
	while (weir__tag(tags + 1) != NULL)
		tags++;
	if (payload != NULL)
		put_all(&o, tags);
	h = published.header != NULL || o.full ? published.header : make_header();
	if (o.full || h == NULL) {
		if (payload != NULL)
			weir__unmap(payload, PAYLOAD_BYTES);
		return;
	}
	weir__store_relaxed(&h->published_ns, UINT64_C(0));
	/* each is released, and so comes behind the one before; a reader's fence is its system call */
	memcpy(h->signature, name, sizeof h->signature);
	weir__store_release(&h->version, (uint32_t)VERSION);
	weir__store_release(&h->payload_bytes, (uint32_t)(payload + PAYLOAD_BYTES - o.at));
	weir__store_release(&h->payload, (const uint8_t *)o.at);
	clock_gettime(CLOCK_BOOTTIME, &now);
	weir__store_release(&h->published_ns, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, h, WEIR__PAGE, name); /* a reader may wait for this call: at each change */
	former = published.payload;
	published.header = h;
	published.payload = payload;
	weir__store_relaxed(&published.tags, tags);
	if (former != NULL)
		weir__unmap(former, PAYLOAD_BYTES);
}

void weir__process_context_remove(void)
{
	forget_parents();
	if (published.header == NULL)
		return;
	munmap(published.header, WEIR__PAGE);
	weir__unmap(published.payload, PAYLOAD_BYTES);
	published.header = NULL;
	published.payload = NULL;
}

void weir__process_context_tick(void)
{
	struct weir__wiped *wiped = weir__wiped();

	if (weir__tag(weir__load_relaxed(&published.tags) + 1) == NULL || wiped == NULL || !weir__lock_until(&wiped->set_up, 1))
		return;
	if (published.header != NULL && published.generation == weir__generation())
		weir__process_context_publish();
	weir__unlock(&wiped->set_up);
}
