/* weir-prometheus: answers. See answer.h. Layer: exporter. */
#include "answer.h"

#include "encode.h"
#include "gzip.h"

#include <weir/abi/private.h>
#include <weir/metric.h>

#include <stdlib.h>

WEIR_HISTOGRAM(encode_time,
               WEIR_BUCKETS(WEIR_SECONDS, WEIR_BOUNDS(WEIR_MS(1) / 10, WEIR_MS(1) / 4, WEIR_MS(1) / 2, WEIR_MS(1),
                                                      WEIR_MS(5) / 2, WEIR_MS(5), WEIR_MS(10), WEIR_MS(25), WEIR_MS(50),
                                                      WEIR_MS(100), WEIR_MS(250), WEIR_MS(500), WEIR_S(1))),
               "weir_prometheus_encode_duration_seconds",
               "Time to make an answer's bytes from a snapshot, gzip included.");

static int encode(const struct weir_snapshot *snapshot, struct weir__prom_variant variant, bool gzip,
                  struct weir__out *out)
{
	struct weir__gzip *stream;
	struct weir__out plain;
	int error, end;

	if (!gzip)
		return weir__prom_encode(snapshot, variant, out);
	stream = weir__gzip_new(out);
	if (stream == NULL)
		return WEIR_ENOMEM;
	weir__out_flushed(&plain, weir__gzip_write, stream);
	error = weir__prom_encode(snapshot, variant, &plain);
	end = weir__out_finish(&plain);
	if (error == WEIR_OK)
		error = end;
	end = weir__gzip_end(stream);
	return error != WEIR_OK ? error : end;
}

static struct MHD_Response *response_of(char *bytes, size_t len, struct weir__prom_variant variant, bool gzip)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_FREE);

	if (r == NULL) {
		free(bytes);
		return NULL;
	}
	if (MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, weir__prom_content_type(variant)) == MHD_YES &&
	    MHD_add_response_header(r, MHD_HTTP_HEADER_VARY, "Accept, Accept-Encoding") == MHD_YES &&
	    (!gzip || MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip") == MHD_YES))
		return r;
	MHD_destroy_response(r);
	return NULL;
}

/* With the gate open: snapshots and encoding are weir's own. */
static bool make_bytes(struct weir__answers *answers, struct weir__prom_variant variant, bool gzip,
                       struct weir__out *out)
{
	size_t *hint = &answers->size[weir__prom_variant_index(variant)][gzip];
	struct weir_stopwatch watch;
	char *bytes;

	if (answers->snapshot == NULL) {
		uint64_t now = weir_private_clock_ns();

		if (weir_snapshot_new(&answers->snapshot) != WEIR_OK)
			return false;
		answers->taken_ns = now;
	}
	watch = weir_stopwatch_begin();
	weir__out_grown(out, *hint + *hint / 16 + 4096);
	if (encode(answers->snapshot, variant, gzip, out) != WEIR_OK) {
		weir__out_free(out);
		return false;
	}
	weir_stopwatch_record(&watch, &encode_time);
	*hint = weir__out_used(out);
	bytes = *hint != 0 ? realloc(out->start, *hint) : NULL;
	if (bytes != NULL)
		out->start = bytes;
	return true;
}

struct MHD_Response *weir__answer_metrics(struct weir__answers *answers, struct weir__prom_variant variant,
                                          enum weir__prom_coding coding)
{
	bool gzip = coding == WEIR__GZIP, ok;
	struct MHD_Response **kept = &answers->kept[weir__prom_variant_index(variant)][gzip];
	struct weir__out out;

	weir__answers_expire(answers, weir_private_clock_ns());
	if (*kept == NULL) {
		weir_private_gate_leave();
		ok = make_bytes(answers, variant, gzip, &out);
		weir_private_gate_enter();
		if (!ok)
			return NULL;
		*kept = response_of(out.start, answers->size[weir__prom_variant_index(variant)][gzip], variant, gzip);
	}
	return *kept;
}

struct MHD_Response *weir__answer_text(const char *content_type, const char *text)
{
	struct MHD_Response *r =
	    MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);

	if (r != NULL && MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, content_type) != MHD_YES) {
		MHD_destroy_response(r);
		r = NULL;
	}
	return r;
}

void weir__answers_drop(struct weir__answers *answers)
{
	for (unsigned i = 0; i < WEIR__PROM_VARIANTS; i++)
		for (unsigned gzip = 0; gzip < 2; gzip++) {
			if (answers->kept[i][gzip] != NULL)
				MHD_destroy_response(answers->kept[i][gzip]);
			answers->kept[i][gzip] = NULL;
		}
	weir_snapshot_destroy(answers->snapshot);
	answers->snapshot = NULL;
}

uint64_t weir__answers_expire(struct weir__answers *answers, uint64_t now)
{
	if (answers->snapshot == NULL)
		return UINT64_MAX;
	if (now - answers->taken_ns <= answers->max_age_ns)
		return answers->taken_ns + answers->max_age_ns + 1;
	weir__answers_drop(answers);
	return UINT64_MAX;
}
