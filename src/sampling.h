/* L3: which requests are recorded. A setting is immutable and kept for ever; one pointer publishes it. Writer: set, under the
 * set-up lock. */
#ifndef WEIR_SAMPLING_H
#define WEIR_SAMPLING_H

#include <weir/lifecycle.h>

enum { WEIR__RULES_MAX = 64 };
struct weir__rule {
	char *name_prefix, *attr_key, *attr_prefix; /* NULL: any */
	size_t name_len, key_len, prefix_len;
	enum weir_span_kind kind;
	uint64_t threshold; /* of 2^56: rejected below it; 2^56: never */
};
struct weir__sampling {
	bool always, never, ignore_parent, keep_failed, keep_slow;
	bool refuses; /* a root, whatever it is */
	uint64_t threshold;
	uint32_t per_second;
	size_t rules_count;
	uint64_t keep_bytes;
	struct weir__sampling *former; /* so that none is out of reach */
	struct weir__rule rules[];
};
extern struct weir__sampling *weir__sampling_current; /* release by put; acquire. Never NULL */
static inline const struct weir__sampling *weir__sampling(void) /* any thread */
{
	return __atomic_load_n(&weir__sampling_current, __ATOMIC_ACQUIRE);
}
/* ratio of OTEL_TRACES_SAMPLER_ARG, in ppm; WEIR_EINVAL, WEIR_ENOMEM. */
int weir__sampling_put(const struct weir_sampling *sampling);

/* The decision on a root: true: sampled; *threshold is what stands on the wire for it, UINT64_MAX: nothing. */
bool weir__sampling_decide(const struct weir__sampling *s, uint64_t randomness, enum weir_span_kind kind, struct weir_str name,
                           struct weir_attrs attrs, uint64_t *threshold);
#define WEIR__NEVER (UINT64_C(1) << 56)

#endif
