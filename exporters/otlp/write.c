/* weir-otlp: the bytes for who sends by himself. See weir/otlp.h. Layer: exporter, pure: no data of its own. */
#include "encode.h"

enum { PIECE = 64 * 1024 };

/* In pieces, as what takes bytes may copy them; then the bytes are freed. */
static int hand_out(struct weir__otlp_bytes *b, int error, weir_write_fn *write, void *arg)
{
	for (size_t at = 0, used = weir__otlp_used(b), len; error == WEIR_OK && at < used; at += len) {
		len = used - at < PIECE ? used - at : PIECE;
		if (write(arg, b->start + at, len) < 0)
			error = WEIR_EIO;
	}
	weir__otlp_bytes_free(b);
	return error;
}

int weir_otlp_write_metrics(const struct weir_snapshot *snapshot, weir_write_fn *write, void *arg)
{
	struct weir__otlp_bytes bytes = {0};
	struct weir__otlp_metrics m;
	size_t count;

	weir__otlp_metrics_begin(&m, snapshot, NULL);
	return hand_out(&bytes, weir__otlp_metrics_next(&m, &bytes, SIZE_MAX, &count), write, arg);
}

int weir_otlp_write_spans(struct weir_batch *batch, weir_write_fn *write, void *arg)
{
	struct weir__otlp_bytes bytes = {0};
	struct weir__otlp_spans s;
	size_t count;

	weir__otlp_spans_begin(&s, batch);
	return hand_out(&bytes, weir__otlp_spans_next(&s, &bytes, SIZE_MAX, &count), write, arg);
}
