/* weir, the command: which instruments of a model measure requests, of whatever kind, and which belong together.
 *
 * A group is a histogram of seconds, with the counter that has its requests by how they ended, where the histogram does not say so
 * itself; or such a counter alone. They belong together by their labels, then by how their names begin. Pure. Invariant: nothing is
 * known of any one service: an instrument is taken for what its kind, unit, SLO, labels and name say (meaning.h). */
#ifndef WEIR_CLI_GROUPS_H
#define WEIR_CLI_GROUPS_H

#include "meaning.h"

struct group {
	const struct model_instrument *latency; /* NULL: none */
	const struct model_instrument *codes;   /* that says how they ended; may be latency itself; NULL: none */
	uint8_t latency_roles[MODEL_LABELS_MAX], codes_roles[MODEL_LABELS_MAX];
	bool has_route, has_tenant;
	int points;
};

struct groups {
	struct group *list;
	size_t count;
	const struct group *main;    /* the requests that the service is there for; NULL: nothing looks like it */
	const struct group *tenants; /* the best that knows who asked; NULL */
};

/* False: no memory. All points into the model, which must live as long. */
bool groups_make(struct groups *groups, const struct model *model);
void groups_free(struct groups *groups);

/* What a group's rows are told apart by: its first instrument. */
static inline const struct model_instrument *group_first(const struct group *g)
{
	return g->latency != NULL ? g->latency : g->codes;
}
static inline const uint8_t *group_first_roles(const struct group *g)
{
	return g->latency != NULL ? g->latency_roles : g->codes_roles;
}

#endif
