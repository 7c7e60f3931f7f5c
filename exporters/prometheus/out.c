/* weir-prometheus: the byte buffer. See out.h. Layer: exporter, pure: no data of its own. */
#include "out.h"

#include <stdlib.h>

enum { CHUNK = 64 * 1024 };

static bool fail(struct weir__out *out, int error)
{
	out->error = error;
	return false;
}

/* Moves what is there into a larger block; start is malloc's, or NULL. */
static bool grow(struct weir__out *out, size_t need)
{
	size_t used = weir__out_used(out), size = (size_t)(out->end - out->start);
	char *start;

	if (need > SIZE_MAX / 4 || used > SIZE_MAX / 4)
		return fail(out, WEIR_ENOMEM);
	if (size < 256)
		size = 256;
	while (size - used < need)
		size *= 2;
	start = realloc(out->start, size);
	if (start == NULL)
		return fail(out, WEIR_ENOMEM);
	out->start = start;
	out->at = start + used;
	out->end = start + size;
	return true;
}

static int send_chunk(struct weir__out *out)
{
	size_t used = weir__out_used(out);

	if (out->write != NULL) {
		if (used != 0 && out->write(out->arg, out->start, used) < 0)
			return WEIR_EIO;
	} else if (out->start != out->buf) { /* fixed, past its end: what no longer fits is only counted */
		size_t left = out->size > out->total ? out->size - out->total : 0;

		if (left != 0)
			memcpy(out->buf + out->total, out->start, used < left ? used : left);
	}
	out->total += used;
	out->at = out->start;
	return WEIR_OK;
}

static bool flush(struct weir__out *out, size_t need)
{
	int error = send_chunk(out);

	if (error != WEIR_OK)
		return fail(out, error);
	if (out->write == NULL && out->start == out->buf) /* from the caller's memory to a block of our own */
		out->start = out->at = out->end = NULL;
	return (size_t)(out->end - out->at) >= need || grow(out, need > CHUNK ? need : CHUNK);
}

void weir__out_grown(struct weir__out *out, size_t hint)
{
	*out = (struct weir__out){.more = grow};
	if (hint != 0)
		grow(out, hint);
}

void weir__out_flushed(struct weir__out *out, weir_write_fn *write, void *arg)
{
	*out = (struct weir__out){.more = flush, .write = write, .arg = arg};
}

void weir__out_fixed(struct weir__out *out, char *buf, size_t size)
{
	if (buf == NULL)
		size = 0;
	*out = (struct weir__out){.start = buf, .at = buf, .buf = buf, .size = size, .more = flush};
	out->end = size != 0 ? buf + size : buf;
}

int weir__out_finish(struct weir__out *out)
{
	if (out->error == WEIR_OK)
		out->error = send_chunk(out);
	if (out->start != out->buf)
		free(out->start);
	out->start = out->at = out->end = out->buf;
	return out->error;
}

void weir__out_free(struct weir__out *out)
{
	free(out->start);
	*out = (struct weir__out){.more = grow, .error = out->error};
}
