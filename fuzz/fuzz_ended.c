/* Fuzz: a batch of span records whose bytes are anything: the cursor reads nothing outside them, gives each span at most once,
 * and all that it gives can be read. Input: one record after another, each a head of six bytes (name's length, tracestate's,
 * entries' in two, kind, kept) and as many bytes as these say. */
#include "spans.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORDS_MAX = 16, HEAD = 6 };
static volatile uint64_t sum; /* so that what is read is read */

static void require(bool what)
{
	if (!what)
		abort();
}

static void read_text(struct weir_str text)
{
	for (size_t i = 0; i < text.len; i++)
		sum += (uint8_t)text.ptr[i];
}

static void read_attrs(struct weir_attrs attrs)
{
	for (size_t i = 0; i < attrs.count; i++) {
		const struct weir_attr *a = &attrs.ptr[i];
		const struct weir_list list = a->as.list;

		read_text(a->key);
		for (size_t j = 0; j < i; j++) /* each key once */
			require(attrs.ptr[j].key.len != a->key.len || memcmp(attrs.ptr[j].key.ptr, a->key.ptr, a->key.len) != 0);
		switch (a->type) {
		case WEIR_ATTR_STR:
		case WEIR_ATTR_BYTES:
			read_text(a->as.str);
			break;
		case WEIR_ATTR_BOOL:
			sum += a->as.boolean;
			break;
		case WEIR_ATTR_INT:
		case WEIR_ATTR_DOUBLE:
			sum += (uint64_t)a->as.integer;
			break;
		case WEIR_ATTR_STRS:
			for (size_t j = 0; j < list.count; j++)
				read_text(((const struct weir_str *)list.ptr)[j]);
			break;
		case WEIR_ATTR_BOOLS:
			for (size_t j = 0; j < list.count; j++)
				sum += ((const bool *)list.ptr)[j];
			break;
		case WEIR_ATTR_INTS:
		case WEIR_ATTR_DOUBLES:
			for (size_t j = 0; j < list.count; j++)
				sum += ((const uint64_t *)list.ptr)[j];
			break;
		default:
			abort();
		}
	}
}

static size_t read_all(struct weir_batch *batch)
{
	struct weir_ended e;
	size_t count = 0;

	for (weir_ended_begin(&e, batch); weir_ended_next(&e); count++) {
		require(e.kind >= WEIR_INTERNAL && e.kind <= WEIR_CONSUMER);
		require(e.status <= WEIR_STATUS_ERROR);
		read_text(e.name);
		read_text(e.tracestate);
		read_text(e.failure);
		read_attrs(e.attrs);
		for (size_t i = 0; i < e.events_count; i++) {
			read_text(e.events[i].name);
			sum += e.events[i].time_ns + e.events[i].dropped_attrs;
			read_attrs(e.events[i].attrs);
		}
		for (size_t i = 0; i < e.links_count; i++) {
			sum += e.links[i].ids.flags + e.links_dropped_attrs[i];
			read_attrs(e.links[i].attrs);
		}
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct weir__span_record *list[RECORDS_MAX];
	struct weir__span_record *made[RECORDS_MAX];
	struct weir_batch batch = {.list = list};
	size_t first, second;

	while (size >= HEAD && batch.count < RECORDS_MAX) {
		size_t name = data[0], tracestate = data[1], entries = data[2] + 256u * data[3], room = size - HEAD;
		struct weir__span_record *r;

		name = name < room ? name : room;
		tracestate = tracestate < room - name ? tracestate : room - name;
		entries = entries < room - name - tracestate ? entries : room - name - tracestate;
		r = calloc(1, sizeof *r + name + tracestate + entries); /* so that a read past it is seen */
		require(r != NULL);
		r->bytes = (uint32_t)(sizeof *r + name + tracestate + entries);
		r->name_len = (uint16_t)name;
		r->tracestate_len = (uint16_t)tracestate;
		r->entries_len = (uint32_t)entries;
		r->kind = data[4];
		r->kept = data[5] & 3;
		r->state = (uint32_t)data[5] << 2;
		memcpy(r + 1, data + HEAD, name + tracestate + entries);
		list[batch.count] = made[batch.count] = r;
		batch.count++;
		data += HEAD + name + tracestate + entries;
		size -= HEAD + name + tracestate + entries;
	}
	first = read_all(&batch);
	second = read_all(&batch); /* what could not be read is passed over */
	require(first == second && first <= batch.count);
	for (size_t i = 0; i < batch.count; i++) {
		require(list[i] == made[i] || list[i] == NULL);
		free(made[i]);
	}
	free(batch.room);
	return 0;
}
