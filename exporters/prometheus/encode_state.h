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
	double bound; /* in the exported unit */
};

struct weir__protobuf; /* encode_protobuf.h */
struct weir__encoder {
	struct weir__out *out;
	struct weir__protobuf *protobuf; /* NULL: text */
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
bool weir__encode_finish(struct weir__encoder *e); /* at a family's end */
/* The one sample of a gauge that no instrument is behind, with e->labels. */
bool weir__encode_lone(struct weir__encoder *e, uint64_t value, struct weir__scale scale);

/* encode_histogram.c */
bool weir__encode_histogram(struct weir__encoder *e, const struct weir_series *s, const struct weir__frame *frame,
                            bool has_labels);
/* e->les, of the series' bounds */
bool weir__encode_les(struct weir__encoder *e, const struct weir_series *s, bool has_labels);
enum { WEIR__BUCKETS_SHOWN = 160 };
/* How often neighbours are merged until there are at most so many: index i goes to floor(i / 2), so that buckets are
 * those of a coarser scale. */
unsigned weir__merges(const struct weir_series *s);
int64_t weir__merged(int64_t index, unsigned shift); /* floor(index / 2^shift) */
/* The newest exemplar of the buckets from one up to another; NULL: none. */
const struct weir_exemplar *weir__exemplar_of(const struct weir_series *s, size_t from, size_t to);
char *weir__put_hex(char *at, const uint8_t *bytes, size_t count);
char *weir__encode_exemplar(const struct weir__encoder *e, char *at, const struct weir_exemplar *x);
enum { WEIR__EXEMPLAR_MOST = 256 };

/* encode_meta.c: target_info; the SLO families. */
bool weir__encode_target(struct weir__encoder *e);
bool weir__encode_slos(struct weir__encoder *e);

#endif
