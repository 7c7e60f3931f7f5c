/* L4: an ended span as lines of text, for people. Pure: writer of a text is who has it.
 * Invariant: what comes out is sound UTF-8, and has no control character but the newline at each line's end. */
#ifndef WEIR_CONSOLE_TEXT_H
#define WEIR_CONSOLE_TEXT_H

#include <weir/exporter.h>

struct weir__text { /* zeroed at first; freed by free(ptr) */
	char *ptr;
	size_t len, size;
	bool failed; /* there was no memory: what is there is a part */
};
void weir__text_put(struct weir__text *t, const void *bytes, size_t len);
void weir__text_format(struct weir__text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "GET /orders/{id} [server] 1.5 ms error "timeout" span=00f067aa0ba902b7", and a line each, behind "| ", for what else it has. */
void weir__text_span(struct weir__text *t, const struct weir_ended *span);

#endif
