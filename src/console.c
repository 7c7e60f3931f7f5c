/* L5: the console exporter. See console.h. A trace is printed behind the batch in which its local root has come, with what of it
 * came by then; where none comes, after a while, or when there is no more room. Spans are made to text as they come, so that
 * nothing of a batch is kept. Writer of a console: its exporter's callbacks, one at a time. */
#define _GNU_SOURCE
#include "console.h"

#include "console_out.h"
#include "console_text.h"
#include "pipeline.h"
#include "port.h"
#include "registry.h"
#include "tally.h"

#include <weir/abi/private.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SPANS_MAX = 4096, TRACES_MAX = 1024, DEPTH_SHOWN = 40 };
#define BYTES_MAX WEIR_MIB(4)
#define ROOTLESS_NS WEIR_S(5)   /* so long a trace waits for its local root */
#define PATIENCE_NS WEIR_MS(100) /* so long a turn that is no flush waits for a reader that has kept up until then */
#define FLUSH_NS WEIR_S(5)       /* so long a flush does, and half its time at most: other exporters have theirs behind it */
#define NONE UINT32_MAX

struct span {
	uint8_t id[8], parent[8];
	uint64_t start_ns;
	char *text; /* its lines */
	size_t len;
	bool local_root, printed;
	uint32_t first_child, next; /* places in the trace; NONE */
	uint32_t up;                /* its parent's place; NONE: it is not here */
};
struct trace {
	struct trace *next;
	uint8_t id[16];
	uint64_t since_ns; /* its first span came */
	bool rooted;
	struct span *spans;
	uint32_t count, room;
	size_t bytes;
};
struct console {
	uint32_t generation; /* of the process that this speaks of */
	struct trace *first; /* the oldest first */
	uint32_t traces, spans;
	size_t bytes;
	struct weir__console_out out;
};

/* In a forked child: what is there was the parent's, and may be half written. */
static void see_fork(struct console *c)
{
	uint32_t now = weir__generation();

	if (c->generation != now)
		*c = (struct console){.generation = now};
}

/* ---- one trace as text ---- */

static int by_start(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->start_ns != y->start_ns ? (x->start_ns < y->start_ns ? -1 : 1) : memcmp(x->id, y->id, sizeof x->id);
}

struct place {
	uint8_t id[8];
	uint32_t at;
};

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, sizeof((struct place *)0)->id);
}

/* Who hangs below whom; children by their start, since spans are sorted so. */
static void link_spans(struct trace *t, struct place *places)
{
	for (uint32_t i = 0; i < t->count; i++) {
		memcpy(places[i].id, t->spans[i].id, sizeof places[i].id);
		places[i].at = i;
		t->spans[i].first_child = t->spans[i].next = t->spans[i].up = NONE;
		t->spans[i].printed = false;
	}
	qsort(places, t->count, sizeof *places, by_id);
	for (uint32_t i = t->count; i-- > 0;) {
		struct span *s = &t->spans[i];
		const struct place *p = bsearch(s->parent, places, t->count, sizeof *places, by_id);

		if (p == NULL || p->at == i)
			continue;
		s->up = p->at;
		s->next = t->spans[p->at].first_child;
		t->spans[p->at].first_child = i;
	}
}

static void put_span(struct weir__text *text, struct span *s, uint32_t depth)
{
	static const char spaces[] = "                                                                                ";
	const char *line = s->text, *end = s->text + s->len;
	size_t indent = 2 * (size_t)(depth + 1 < DEPTH_SHOWN ? depth + 1 : DEPTH_SHOWN);

	s->printed = true;
	while (line < end) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));

		weir__text_put(text, spaces, line == s->text ? indent : indent + 2 < sizeof spaces ? indent + 2 : indent);
		weir__text_put(text, line, (size_t)(stop + 1 - line));
		line = stop + 1;
	}
	if (s->up == NONE && !s->local_root) {
		uint64_t parent = 0;

		for (size_t i = 0; i < sizeof s->parent; i++)
			parent = parent << 8 | s->parent[i];
		weir__text_format(text, "%.*s| below %016" PRIx64 ", which is not here\n", (int)(indent + 2), spaces, parent);
	}
}

/* A span, and all below it, without recursion. What was printed already ends a way: ids of others may lead round. */
static void put_tree(struct weir__text *text, struct trace *t, uint32_t root)
{
	uint32_t at = root, depth = 0;

	put_span(text, &t->spans[at], depth);
	for (;;) {
		uint32_t next = t->spans[at].first_child;

		while (next != NONE && t->spans[next].printed)
			next = t->spans[next].next;
		if (next != NONE) {
			depth++;
		} else {
			if (at == root)
				return;
			next = t->spans[at].up;
			depth--;
			at = next;
			continue;
		}
		at = next;
		put_span(text, &t->spans[at], depth);
	}
}

static void put_trace(struct weir__text *text, struct trace *t)
{
	time_t seconds = (time_t)(t->spans[0].start_ns / WEIR_S(1));
	struct tm when;

	weir__text_put(text, "trace ", 6);
	for (size_t i = 0; i < sizeof t->id; i++)
		weir__text_format(text, "%02x", t->id[i]);
	if (gmtime_r(&seconds, &when) != NULL)
		weir__text_format(text, " %04d-%02d-%02dT%02d:%02d:%02d.%06luZ", when.tm_year + 1900, when.tm_mon + 1, when.tm_mday,
		                  when.tm_hour, when.tm_min, when.tm_sec, (unsigned long)(t->spans[0].start_ns % WEIR_S(1) / 1000));
	weir__text_format(text, "%s\n", t->rooted ? "" : " (in part)");
	for (uint32_t i = 0; i < t->count; i++)
		if (t->spans[i].up == NONE)
			put_tree(text, t, i);
	for (uint32_t i = 0; i < t->count; i++) /* spans that are each other's parents */
		if (!t->spans[i].printed)
			put_tree(text, t, i);
}

static void print(struct console *c, struct trace **link)
{
	struct trace *t = *link;
	struct place *places = malloc(t->count * sizeof *places);
	struct weir__text text = {NULL, 0, 0, places == NULL || t->count == 0};

	if (places != NULL && t->count != 0) {
		qsort(t->spans, t->count, sizeof *t->spans, by_start);
		link_spans(t, places);
		put_trace(&text, t);
	}
	free(places);
	if (text.failed) {
		weir__tally(WEIR__SPANS_LATE, t->count);
		free(text.ptr);
	} else {
		weir__console_out_put(&c->out, text.ptr, text.len, t->count);
	}
	*link = t->next;
	c->traces--;
	c->spans -= t->count;
	c->bytes -= t->bytes;
	for (uint32_t i = 0; i < t->count; i++)
		free(t->spans[i].text);
	free(t->spans);
	free(t);
}

static void print_all(struct console *c)
{
	while (c->first != NULL)
		print(c, &c->first);
}

/* Those whose root is there, and those that waited long enough. */
static void print_due(struct console *c)
{
	uint64_t now = weir__clock_ns();

	for (struct trace **link = &c->first; *link != NULL;)
		if ((*link)->rooted || now - (*link)->since_ns >= ROOTLESS_NS)
			print(c, link);
		else
			link = &(*link)->next;
}

/* ---- what comes ---- */

static struct trace *trace_of(struct console *c, const uint8_t id[16])
{
	struct trace **link = &c->first, *t;

	for (; *link != NULL; link = &(*link)->next)
		if (memcmp((*link)->id, id, 16) == 0)
			return *link;
	t = calloc(1, sizeof *t);
	if (t == NULL)
		return NULL;
	memcpy(t->id, id, sizeof t->id);
	t->since_ns = weir__clock_ns();
	*link = t;
	c->traces++;
	return t;
}

static bool add_span(struct console *c, const struct weir_ended *e)
{
	static const uint8_t nobody[8];
	struct weir__text text = {NULL, 0, 0, false};
	struct trace *t;
	struct span *s;

	while (c->first != NULL && (c->spans >= SPANS_MAX || c->traces >= TRACES_MAX || c->bytes >= BYTES_MAX))
		print(c, &c->first);
	weir__text_span(&text, e);
	t = text.failed ? NULL : trace_of(c, e->ids.trace_id);
	if (t != NULL && t->count == t->room) {
		uint32_t room = t->room != 0 ? 2 * t->room : 8;
		struct span *more = realloc(t->spans, room * sizeof *more);

		if (more != NULL) {
			t->spans = more;
			t->room = room;
		}
	}
	if (t == NULL || t->count == t->room) {
		free(text.ptr);
		return false;
	}
	s = &t->spans[t->count++];
	memset(s, 0, sizeof *s);
	memcpy(s->id, e->ids.span_id, sizeof s->id);
	memcpy(s->parent, e->parent_id, sizeof s->parent);
	s->start_ns = e->start_ns;
	s->text = text.ptr;
	s->len = text.len;
	s->local_root = e->remote_parent || memcmp(e->parent_id, nobody, sizeof nobody) == 0;
	t->rooted = t->rooted || s->local_root;
	t->bytes += text.size;
	c->bytes += text.size;
	c->spans++;
	return true;
}

static int take_spans(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	struct console *c = arg;
	struct weir_ended e;
	uint32_t lost = 0;
	bool stuck;

	see_fork(c);
	stuck = c->out.first != NULL;
	weir_ended_begin(&e, batch);
	while (weir_ended_next(&e))
		lost += !add_span(c, &e);
	if (lost != 0)
		weir__tally(WEIR__SPANS_LATE, lost);
	print_due(c);
	weir__console_out_run(&c->out, weir__clock_ns() + (stuck ? 0 : timeout_ns < PATIENCE_NS ? timeout_ns : PATIENCE_NS));
	return WEIR_OK; /* what could not be written is counted there */
}

static void be_idle(void *arg)
{
	struct console *c = arg;

	see_fork(c);
	print_due(c);
	weir__console_out_run(&c->out, 0);
}

static int flush(void *arg, uint64_t timeout_ns)
{
	struct console *c = arg;

	see_fork(c);
	print_all(c);
	return weir__console_out_run(&c->out, weir__clock_ns() + (timeout_ns / 2 < FLUSH_NS ? timeout_ns / 2 : FLUSH_NS));
}

static void closed(void *arg)
{
	struct console *c = arg;

	flush(c, 0);
	weir__console_out_drop(&c->out);
	free(c);
}

void weir__console_start(void)
{
	struct weir_exporter_options o = {.size = sizeof o, .name = "console", .spans = take_spans, .flush = flush, .closed = closed};
	struct weir_exporter *e;
	struct console *c = calloc(1, sizeof *c);
	int error = WEIR_ENOMEM;

	if (c != NULL) {
		c->generation = weir__generation();
		o.arg = c;
		error = weir_exporter_new(&e, &o);
	}
	if (error == WEIR_OK)
		weir__exporter_idle(e, be_idle);
	else
		weir_private_log(WEIR_LOG_ERROR, "OTEL_TRACES_EXPORTER=console: %s", weir_error_text(error));
}
