/* weir, the command: instruments of requests. See groups.h. No data of its own. */
#include "groups.h"

#include <stdlib.h>
#include <string.h>

static bool has_role(const struct model_instrument *i, const uint8_t *roles, enum role role)
{
	for (uint32_t k = 0; k < i->record->labels_count; k++)
		if (roles[k] == role)
			return true;
	return false;
}

static bool has_status(const struct model_instrument *i, const uint8_t *roles)
{
	return has_role(i, roles, ROLE_STATUS) || has_role(i, roles, ROLE_ERROR);
}

static bool has_claims(const struct model *model, const struct model_instrument *i)
{
	for (const struct model_series *s = NULL; (s = model_next(model, i, s)) != NULL;)
		if (s->record->type == WEIR_RECORD_CLAIM_SERIES)
			return true;
	return false;
}

/* A claim's label says who asked, whatever it is called: the last that means nothing else. */
static void read_roles(uint8_t roles[MODEL_LABELS_MAX], const struct model *model, const struct model_instrument *i)
{
	uint32_t last = MODEL_LABELS_MAX;

	for (uint32_t k = 0; k < i->record->labels_count; k++) {
		roles[k] = (uint8_t)meaning_of_label(model_label(model, i, k));
		if (roles[k] == ROLE_OTHER)
			last = k;
	}
	if (last != MODEL_LABELS_MAX && !has_role(i, roles, ROLE_TENANT) && has_claims(model, i))
		roles[last] = ROLE_TENANT;
}

static bool same(struct model_text a, struct model_text b)
{
	return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

/* Every label by which a histogram's rows are told apart is the counter's too; so that its requests can be told apart alike. */
static bool covers(const struct model *model, const struct group *g, const struct model_instrument *codes, const uint8_t *roles)
{
	for (uint32_t k = 0; k < g->latency->record->labels_count; k++) {
		bool there = g->latency_roles[k] == ROLE_NOISE;

		for (uint32_t c = 0; c < codes->record->labels_count && !there; c++)
			there = same(model_label(model, g->latency, k), model_label(model, codes, c));
		if (!there)
			return false;
	}
	return has_role(codes, roles, ROLE_TENANT) == g->has_tenant;
}

/* The length of the word at *text without an s at its end; goes on behind it. */
static size_t word(const char **text)
{
	const char *from = *text;
	size_t len = strcspn(from, "_");

	*text += len + (from[len] == '_');
	return len - (len > 1 && from[len - 1] == 's');
}

/* How many words two names begin with in common. */
static int words_alike(struct model_text a, struct model_text b)
{
	char x[MEANING_NAME_MOST], y[MEANING_NAME_MOST];
	const char *p = x, *q = y;
	int words = 0;

	meaning_normal(x, a);
	meaning_normal(y, b);
	while (*p != '\0' && *q != '\0') {
		const char *from = p, *other = q;
		size_t len = word(&p), size = word(&q);

		if (len != size || memcmp(from, other, len) != 0)
			break;
		words++;
	}
	return words;
}

static struct group *add(struct groups *groups, const struct model *model, const struct model_instrument *latency,
                         const struct model_instrument *codes)
{
	struct group *larger = realloc(groups->list, (groups->count + 1) * sizeof *larger), *g;

	if (larger == NULL)
		return NULL;
	groups->list = larger;
	g = &groups->list[groups->count++];
	*g = (struct group){.latency = latency, .codes = codes};
	if (latency != NULL)
		read_roles(g->latency_roles, model, latency);
	if (codes != NULL)
		read_roles(g->codes_roles, model, codes);
	g->has_route = has_role(group_first(g), group_first_roles(g), ROLE_ROUTE);
	g->has_tenant = has_role(group_first(g), group_first_roles(g), ROLE_TENANT);
	return g;
}

static bool is_counter_of_requests(const struct model_instrument *i)
{
	return model_is_counter(i) && i->record->unit == 0 && i->record->labels_count != 0 && !meaning_is_own(i->name);
}

/* The counter that says how a histogram's requests ended. */
static void find_codes(struct group *g, const struct model *model)
{
	int most = 0;

	if (has_status(g->latency, g->latency_roles)) {
		g->codes = g->latency;
		memcpy(g->codes_roles, g->latency_roles, sizeof g->codes_roles);
		return;
	}
	for (uint32_t n = 0; n < model->instruments_count; n++) {
		const struct model_instrument *i = &model->instruments[n];
		uint8_t roles[MODEL_LABELS_MAX];
		int words;

		if (!is_counter_of_requests(i))
			continue;
		read_roles(roles, model, i);
		words = words_alike(g->latency->name, i->name);
		if (words <= most || !has_role(i, roles, ROLE_STATUS) || !covers(model, g, i, roles))
			continue;
		most = words;
		g->codes = i;
		memcpy(g->codes_roles, roles, sizeof roles);
	}
}

static bool is_taken(const struct groups *groups, const struct model_instrument *i)
{
	for (size_t n = 0; n < groups->count; n++)
		if (groups->list[n].codes == i)
			return true;
	return false;
}

static int points_of(const struct group *g)
{
	return meaning_of_name(group_first(g)->name) + (g->latency != NULL ? 20 : 0) + (g->codes != NULL ? 20 : 0) + (g->has_route ? 20 : 0) +
	       (g->latency != NULL && g->latency->record->slo_objective_ppm != 0 ? 40 : 0) - (g->has_tenant && !g->has_route ? 50 : 0);
}

static void choose(struct groups *groups)
{
	for (size_t n = 0; n < groups->count; n++) {
		struct group *g = &groups->list[n];

		g->points = points_of(g);
		if (groups->main == NULL || g->points > groups->main->points)
			groups->main = g;
		if (g->has_tenant && (groups->tenants == NULL || g->points > groups->tenants->points))
			groups->tenants = g;
	}
}

bool groups_make(struct groups *groups, const struct model *model)
{
	*groups = (struct groups){.list = NULL};
	for (uint32_t n = 0; n < model->instruments_count; n++) {
		const struct model_instrument *i = &model->instruments[n];
		struct group *g;

		if (i->record->kind != MODEL_HISTOGRAM || i->record->unit != 1 || i->shown == 0 || meaning_is_own(i->name))
			continue;
		g = add(groups, model, i, NULL);
		if (g == NULL) {
			groups_free(groups);
			return false;
		}
		find_codes(g, model);
	}
	for (uint32_t n = 0; n < model->instruments_count; n++) {
		const struct model_instrument *i = &model->instruments[n];
		uint8_t roles[MODEL_LABELS_MAX];

		if (!is_counter_of_requests(i) || i->shown == 0 || is_taken(groups, i))
			continue;
		read_roles(roles, model, i);
		if (has_role(i, roles, ROLE_STATUS) && add(groups, model, NULL, i) == NULL) {
			groups_free(groups);
			return false;
		}
	}
	choose(groups);
	return true;
}

void groups_free(struct groups *groups)
{
	free(groups->list);
	*groups = (struct groups){.list = NULL};
}
