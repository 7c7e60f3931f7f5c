/* weir-prometheus: what the parts of the text encoder share while one snapshot is encoded.
 *
 * Layer: exporter, pure. Invariant: nothing of it outlives weir__prom_encode. Writer: the thread that encodes. */
#ifndef WEIR_PROM_ENCODE_STATE_H
#define WEIR_PROM_ENCODE_STATE_H

#include "encode.h"
#include "encode_frame.h"
#include "encode_number.h"

/* Before the labels of a sample: name{ or name or {"name", ; what differs by the sample's suffix. */
enum weir__head {
	WEIR__HEAD_VALUE, /* the sample of one value; histograms: _sum */
	WEIR__HEAD_CREATED,
	WEIR__HEAD_BUCKET,
	WEIR__HEAD_COUNT,
	WEIR__HEADS,
};

/* A bucket's line between its labels and its count: ,le="0.5"}_ */
struct weir__le {
	struct weir__piece text;
	size_t buckets; /* how many buckets are below and at it */
};

struct weir__encoder {
	struct weir__out *out;
	const struct weir_snapshot *snapshot;
	bool openmetrics;
	enum weir__prom_escaping escaping;

	/* of the family that is encoded */
	struct weir_family family;
	struct weir__out
	    name; /* under the scheme, without quotes; family_len of it are the family's, the rest a sample's */
	size_t family_len;
	bool quoted;
	struct weir__scale scale;
	struct weir__labels labels;
	struct weir__frame frame, overflow;
	bool has_overflow; /* that frame is made */
	struct weir__out heads;
	struct weir__piece head[WEIR__HEADS];

	/* the bounds that the le texts below were made of */
	uint64_t *bounds;
	struct weir__le *les;
	size_t bounds_count, les_count, les_room;
	bool bounds_known;
	struct weir__out le_text;

	/* families seen, by name */
	struct weir__out seen_names;
	struct weir__seen {
		uint64_t hash;
		size_t at, len; /* len 0: free */
	} * seen;
	size_t seen_count, seen_mask;
};

/* What stands between a sample's labels and its value. */
static inline char *weir__encode_tail(const struct weir__encoder *e, char *at, bool has_labels)
{
	if (has_labels || e->quoted)
		*at++ = '}';
	*at++ = ' ';
	return at;
}

/* encode.c. False: no memory, or no room. */
bool weir__encode_heads(struct weir__encoder *e, bool has_labels);
bool weir__encode_start(struct weir__encoder *e, const char *name, size_t len, const char *type, enum weir_unit unit,
                        const char *help, bool *again);
bool weir__encode_sample(struct weir__encoder *e, enum weir__head head, const struct weir__frame *frame,
                         const struct weir_str *values, const char *value, size_t len);

/* encode_histogram.c */
bool weir__encode_histogram(struct weir__encoder *e, const struct weir_series *s, const struct weir__frame *frame,
                            bool has_labels);
char *weir__encode_exemplar(const struct weir__encoder *e, char *at, const struct weir_exemplar *x);
enum { WEIR__EXEMPLAR_MOST = 256 };

/* encode_meta.c: target_info; the SLO families. */
bool weir__encode_target(struct weir__encoder *e);
bool weir__encode_slos(struct weir__encoder *e);

#endif
