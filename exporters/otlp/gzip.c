/* weir-otlp: gzip. See gzip.h. Layer: exporter. */
#include "gzip.h"

#include <weir/abi/private.h>

#include <zlib.h>

/* The lowest level: names and ids repeat, so that it shrinks most of what the highest would, in a fraction of the time. */
enum { LEVEL = 1, GZIP_WINDOW = 15 + 16, MEMORY = 8, PIECE = 64 * 1024, OUT_PIECE = 16 * 1024 };

static int locked_deflate(z_stream *z, int flush)
{
	int result;

	weir_private_gate_enter();
	result = deflate(z, flush);
	weir_private_gate_leave();
	return result;
}

/* Takes in what z has, or ends the stream. */
static bool run(z_stream *z, struct weir__otlp_bytes *to, int flush)
{
	int result;

	do {
		size_t room;

		if (!weir__otlp_room(to, OUT_PIECE))
			return false;
		room = (size_t)(to->end - to->at) < PIECE ? (size_t)(to->end - to->at) : PIECE;
		z->next_out = to->at;
		z->avail_out = (uInt)room;
		result = locked_deflate(z, flush);
		to->at += room - z->avail_out;
	} while (result == Z_OK && (z->avail_out == 0 || flush == Z_FINISH));
	return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR; /* the last: all was taken before */
}

int weir__otlp_gzip(struct weir__otlp_bytes *to, const void *bytes, size_t len)
{
	size_t before = weir__otlp_used(to);
	const uint8_t *from = bytes;
	z_stream z = {0};
	int result;
	bool ok = true;

	weir_private_gate_enter();
	result = deflateInit2(&z, LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY, Z_DEFAULT_STRATEGY);
	weir_private_gate_leave();
	if (result != Z_OK)
		return WEIR_ENOMEM;
	while (ok && len != 0) {
		size_t piece = len < PIECE ? len : PIECE;

		z.next_in = (z_const Bytef *)from;
		z.avail_in = (uInt)piece;
		ok = run(&z, to, Z_NO_FLUSH);
		from += piece;
		len -= piece;
	}
	ok = ok && run(&z, to, Z_FINISH);
	weir_private_gate_enter();
	deflateEnd(&z);
	weir_private_gate_leave();
	if (!ok)
		weir__otlp_cut(to, before);
	return ok ? WEIR_OK : WEIR_ENOMEM;
}
