/* weir-prometheus: the byte buffer that encoders write into: grown, flushed through a callback, or the caller's own
 * memory.
 *
 * Layer: exporter, pure. Invariant: after weir__out_room(out, n) said true, n + WEIR__OUT_SLACK bytes from out->at
 * may be written, so that short pieces are copied in fixed sizes, past their end. Once an error stands, room says
 * false for ever. Writer: the one thread that encodes. */
#ifndef WEIR_PROM_OUT_H
#define WEIR_PROM_OUT_H

#include <weir/base.h>

#include <string.h>

enum { WEIR__OUT_SLACK = 64 };

struct weir__out {
	char *at, *end;
	char *start;
	bool (*more)(struct weir__out *out, size_t need); /* makes need bytes of room; false: error is set */
	int error;
	/* flushed and fixed: */
	weir_write_fn *write;
	void *arg;
	char *buf; /* fixed: the caller's */
	size_t size, total;
};

/* Grown: out->start holds what was written; weir__out_free, or take start, which is malloc's. hint: bytes to begin
 * with. */
void weir__out_grown(struct weir__out *out, size_t hint);
/* Flushed: in pieces of 64 KiB at most, but for longer lines; weir__out_finish sends the last. */
void weir__out_flushed(struct weir__out *out, weir_write_fn *write, void *arg);
/* Fixed: buf as far as it goes; after weir__out_finish, out->total is what it takes. */
void weir__out_fixed(struct weir__out *out, char *buf, size_t size);
int weir__out_finish(struct weir__out *out);
void weir__out_free(struct weir__out *out);

static inline size_t weir__out_used(const struct weir__out *out)
{
	return (size_t)(out->at - out->start);
}

static inline bool weir__out_room(struct weir__out *out, size_t need)
{
	if (__builtin_expect((size_t)(out->end - out->at) >= need + WEIR__OUT_SLACK && out->error == 0, 1))
		return true;
	return out->error == 0 && out->more(out, need + WEIR__OUT_SLACK);
}

/* Appends bytes; false when there is no room. */
static inline bool weir__out_put(struct weir__out *out, const void *bytes, size_t len)
{
	if (!weir__out_room(out, len))
		return false;
	if (len != 0)
		memcpy(out->at, bytes, len);
	out->at += len;
	return true;
}

static inline bool weir__out_text(struct weir__out *out, const char *text)
{
	return weir__out_put(out, text, strlen(text));
}

#endif
