/* weir-otlp: a batch of ended spans as requests: the loop over the cursor. See encode.h. Layer: exporter, pure. */
#include "encode.h"

#include "encode_attr.h"
#include "encode_span.h"

void weir__otlp_spans_begin(struct weir__otlp_spans *s, struct weir_batch *batch)
{
	*s = (struct weir__otlp_spans){.batch = batch};
	weir_ended_begin(&s->ended, batch);
	s->held = weir_ended_next(&s->ended);
}

/* A piece that no memory was found for is given up: the cursor goes back to where the piece began. */
static int give_up(struct weir__otlp_spans *s, size_t passed, size_t too_large)
{
	weir__otlp_spans_begin(s, s->batch);
	while (s->held && s->passed < passed) {
		s->held = weir_ended_next(&s->ended);
		s->passed++;
	}
	s->too_large = too_large;
	return WEIR_ENOMEM;
}

/* A span is known to be too much once it is written: it is cut off again, and begins the next piece. */
int weir__otlp_spans_next(struct weir__otlp_spans *s, struct weir__otlp_bytes *to, size_t max_bytes, size_t *count)
{
	struct weir__otlp_request request;
	size_t before = weir__otlp_used(to), passed = s->passed, too_large = s->too_large;

	*count = 0;
	if (!s->held)
		return WEIR_OK;
	request = weir__otlp_request_open(to, weir_batch_resource(s->batch));
	while (s->held && !to->failed) {
		size_t used = weir__otlp_used(to);

		weir__otlp_put_span(to, &s->ended);
		if (!to->failed && weir__otlp_used(to) - before + WEIR__REQUEST_END > max_bytes) {
			weir__otlp_cut(to, used);
			if (*count != 0)
				break;
			s->too_large++;
		} else {
			*count += 1;
		}
		s->held = weir_ended_next(&s->ended);
		s->passed++;
	}
	weir__otlp_request_close(to, &request);
	if (to->failed || *count == 0)
		weir__otlp_cut(to, before);
	if (to->failed) {
		*count = 0;
		return give_up(s, passed, too_large);
	}
	return WEIR_OK;
}
