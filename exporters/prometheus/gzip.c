/* weir-prometheus: gzip. See gzip.h. Layer: exporter. */
#include "gzip.h"

#include <weir/abi/private.h>

#include <stdlib.h>
#include <zlib.h>

/* The lowest level: text of this kind shrinks to a tenth already, at a third of the default's time. */
enum { LEVEL = 1, GZIP_WINDOW = 15 + 16, MEMORY = 8, PIECE = 64 * 1024 };

struct weir__gzip {
	z_stream z;
	struct weir__out *to;
	bool failed;
};

struct weir__gzip *weir__gzip_new(struct weir__out *to)
{
	struct weir__gzip *g = calloc(1, sizeof *g);
	int result;

	if (g == NULL)
		return NULL;
	g->to = to;
	weir_private_gate_enter();
	result = deflateInit2(&g->z, LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY, Z_DEFAULT_STRATEGY);
	weir_private_gate_leave();
	if (result != Z_OK) {
		free(g);
		return NULL;
	}
	return g;
}

static bool run(struct weir__gzip *g, int flush)
{
	int result = Z_OK;

	do {
		size_t room;

		if (!weir__out_room(g->to, PIECE / 4)) {
			g->failed = true;
			return false;
		}
		room = (size_t)(g->to->end - g->to->at);
		if (room > PIECE)
			room = PIECE;
		g->z.next_out = (Bytef *)g->to->at;
		g->z.avail_out = (uInt)room;
		weir_private_gate_enter();
		result = deflate(&g->z, flush);
		weir_private_gate_leave();
		g->to->at += room - g->z.avail_out;
	} while (result == Z_OK && (g->z.avail_out == 0 || flush == Z_FINISH));
	if (result != Z_OK && result != Z_BUF_ERROR && result != Z_STREAM_END)
		g->failed = true;
	return !g->failed;
}

int weir__gzip_write(void *gzip, const void *bytes, size_t len)
{
	struct weir__gzip *g = gzip;

	for (const char *from = bytes; len != 0 && !g->failed;) {
		size_t piece = len < PIECE ? len : PIECE; /* so that the gate is never held for long */

		g->z.next_in = (z_const Bytef *)from;
		g->z.avail_in = (uInt)piece;
		run(g, Z_NO_FLUSH);
		from += piece;
		len -= piece;
	}
	return g->failed ? WEIR_ENOMEM : WEIR_OK;
}

int weir__gzip_end(struct weir__gzip *g)
{
	bool ok = !g->failed && run(g, Z_FINISH);

	weir_private_gate_enter();
	deflateEnd(&g->z);
	weir_private_gate_leave();
	free(g);
	return ok ? WEIR_OK : WEIR_ENOMEM;
}
