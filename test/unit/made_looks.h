/* Segments made by hand (made_segment.h) of instruments with several labels, and looks at them one after the other. */
#ifndef MADE_LOOKS_H
#define MADE_LOOKS_H

#include "../../src/cli/look.h"
#include "made_segment.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* Labels and values end with NULL. slo: ppm, then the threshold. */
static inline struct weir_segment_instrument *made_labelled(struct made *m, uint32_t id, uint8_t kind, uint8_t unit, const char *name,
                                                            const char *const *labels, const uint64_t *bounds, uint32_t bounds_count,
                                                            uint64_t slo_ppm, uint64_t slo_threshold)
{
	struct {
		struct weir_segment_instrument head;
		uint64_t lists[64];
	} r = {.head = {.type = WEIR_RECORD_INSTRUMENT, .kind = kind, .unit = unit, .id = id, .name = made_string(m, name),
	                .help = made_string(m, "Help."), .bounds_count = bounds_count, .slo_objective_ppm = slo_ppm, .slo_threshold = slo_threshold}};
	uint32_t *at = (uint32_t *)(void *)(r.lists + bounds_count);

	for (uint32_t b = 0; b < bounds_count; b++)
		r.lists[b] = bounds[b];
	for (; *labels != NULL; labels++)
		at[r.head.labels_count++] = made_string(m, *labels);
	r.head.bytes = (uint32_t)sizeof r.head + bounds_count * 8 + (r.head.labels_count + 1) / 2 * 8;
	return made_record(m, &r, r.head.bytes);
}

/* turn 0: a series that takes no turns. values NULL: the overflow series. */
static inline void *made_valued(struct made *m, uint32_t instrument, uint32_t cell, uint32_t cells, const char *const *values, uint32_t turn)
{
	struct {
		struct weir_segment_claim_series head;
		uint32_t values[16];
	} r = {.head = {.series = {.type = turn == 0 ? WEIR_RECORD_SERIES : WEIR_RECORD_CLAIM_SERIES, .flags = values == NULL, .instrument = instrument,
	                           .cell = cell, .cells = cells}}};
	uint32_t head = turn == 0 ? sizeof r.head.series : sizeof r.head, *at = (uint32_t *)(void *)((char *)&r + head);

	for (; values != NULL && *values != NULL; values++)
		at[r.head.series.values_count++] = made_string(m, *values);
	if (turn != 0)
		r.head.turn = turn;
	r.head.series.bytes = head + (r.head.series.values_count + 1) / 2 * 8;
	return made_record(m, &r, r.head.series.bytes);
}

/* A look at it as it is now; at_s is set, so that a test knows the time between two. */
static inline void made_look(struct look *look, const struct made *m, double at_s)
{
	int fd = memfd_create("made", MFD_CLOEXEC);
	const char *why = NULL;

	if (fd < 0 || pwrite(fd, m->base, made_bytes(), 0) != (ssize_t)made_bytes() || !look_take(look, fd, &why)) {
		fprintf(stderr, "no look: %s\n", why != NULL ? why : "no memfd");
		abort();
	}
	close(fd);
	look->at_s = at_s;
}

#endif
