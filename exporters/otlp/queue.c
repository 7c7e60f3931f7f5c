/* weir-otlp: requests that wait. See queue.h. Layer: exporter, pure. */
#include "queue.h"

#include <stdlib.h>

struct weir__otlp_request *weir__otlp_request_new(enum weir__otlp_signal signal, uint8_t *bytes, size_t len, uint64_t items)
{
	struct weir__otlp_request *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->signal = signal;
	r->bytes = bytes;
	r->len = r->room = len;
	r->items = items;
	return r;
}

void weir__otlp_request_free(struct weir__otlp_request *r)
{
	if (r != NULL)
		free(r->bytes);
	free(r);
}

void weir__otlp_queue_put(struct weir__otlp_queue *q, struct weir__otlp_request *r)
{
	r->next = NULL;
	if (q->last != NULL)
		q->last->next = r;
	else
		q->first = r;
	q->last = r;
	q->count++;
	q->unprepared += !r->prepared;
	if (r->bytes != NULL)
		q->memory_bytes += r->len;
	q->stored_bytes += r->stored_bytes;
}

void weir__otlp_queue_remove(struct weir__otlp_queue *q, struct weir__otlp_request *r)
{
	struct weir__otlp_request *before = NULL, *at = q->first;

	while (at != NULL && at != r) {
		before = at;
		at = at->next;
	}
	if (at == NULL)
		return;
	if (before != NULL)
		before->next = r->next;
	else
		q->first = r->next;
	if (q->last == r)
		q->last = before;
	r->next = NULL;
	q->count--;
	q->unprepared -= !r->prepared;
	if (r->bytes != NULL)
		q->memory_bytes -= r->len;
	q->stored_bytes -= r->stored_bytes;
}

struct weir__otlp_request *weir__otlp_queue_oldest(const struct weir__otlp_queue *q)
{
	struct weir__otlp_request *r = q->first;

	while (r != NULL && r->busy)
		r = r->next;
	return r;
}

void weir__otlp_queue_replace(struct weir__otlp_queue *q, struct weir__otlp_request *r, uint8_t *bytes, size_t len)
{
	if (r->bytes != NULL)
		q->memory_bytes -= r->len;
	if (r->bytes != bytes)
		free(r->bytes);
	r->bytes = bytes;
	r->len = r->room = len;
	if (bytes != NULL)
		q->memory_bytes += len;
}

void weir__otlp_queue_store(struct weir__otlp_queue *q, struct weir__otlp_request *r, uint64_t stored_bytes)
{
	q->stored_bytes += stored_bytes - r->stored_bytes;
	r->stored_bytes = stored_bytes;
}

void weir__otlp_queue_prepared(struct weir__otlp_queue *q, struct weir__otlp_request *r)
{
	q->unprepared -= !r->prepared;
	r->prepared = true;
}
