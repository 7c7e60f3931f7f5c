/* L3: what the two halves of a span's life share: span.c (begin, what happened) and span_end.c (end, record). See context.h. */
#ifndef WEIR_SPAN_INTERNAL_H
#define WEIR_SPAN_INTERNAL_H

#include "attr.h"
#include "atomic.h"
#include "context.h"

static inline struct weir__span *of(const struct weir_span *span)
{
	return (struct weir__span *)(void *)(uintptr_t)span;
}

static inline struct weir__bytes bytes_of(const struct weir__span *s)
{
	/* each read once: where two threads are at it, what was compared is what is used;
	 * and words that are read together wait until all have left the store buffer */
	struct weir__bytes b = {(char *)(uintptr_t)s->own, weir__load_relaxed(&s->used), sizeof s->own};

	if (__builtin_expect((weir__load_relaxed(&s->state) & WEIR__SPAN_ELSEWHERE) != 0, 0)) {
		b.at = weir__load_relaxed(&s->bytes);
		b.size = weir__load_relaxed(&s->size);
	}
	return b;
}

static inline bool records(const struct weir__span *s)
{
	return (s->state & (WEIR__SPAN_OPEN | WEIR__SPAN_RECORDS)) == (WEIR__SPAN_OPEN | WEIR__SPAN_RECORDS);
}

static inline void count_up(uint16_t *counter, size_t n)
{
	*counter = n < (size_t)(UINT16_MAX - *counter) ? (uint16_t)(*counter + n) : UINT16_MAX;
}

#endif
