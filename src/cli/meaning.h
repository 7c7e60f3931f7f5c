/* weir, the command: what names of instruments and labels mean to who looks after a service, and what a status says.
 *
 * By the semantic conventions' names, old and new, and those that are customary with Prometheus; dots are as good as underscores,
 * and case does not matter. Pure. Invariant: a name that is not known means nothing, and is shown as it is. */
#ifndef WEIR_CLI_MEANING_H
#define WEIR_CLI_MEANING_H

#include "segment_model.h"

enum role {
	ROLE_OTHER,
	ROLE_ROUTE,
	ROLE_METHOD,
	ROLE_STATUS, /* how it ended: code, http.response.status_code, rpc.grpc.status_code, outcome */
	ROLE_ERROR,  /* error.type: any text is an error */
	ROLE_TENANT, /* who asked */
	ROLE_NOISE,  /* says nothing of requests: url.scheme, server.port */
};

enum outcome {
	OUTCOME_FINE,
	OUTCOME_REFUSED, /* the client's doing: 4xx and its like */
	OUTCOME_ERROR,   /* the service's: 5xx and its like */
};

enum role meaning_of_label(struct model_text name);
/* Of a label whose role is ROLE_STATUS or ROLE_ERROR. */
enum outcome meaning_of_status(enum role role, struct model_text name, struct model_text value);

/* weir's own, the sdk's, or the process'. */
bool meaning_is_own(struct model_text name);
/* How much a name sounds like the requests that a service is there for: the higher the more. */
int meaning_of_name(struct model_text name);
/* Whether a name has this text in it, both by the same alphabet. */
bool meaning_has(struct model_text name, const char *part);

enum { MEANING_NAME_MOST = 256 };
/* Small letters, digits and underscores, cut to what has room; without the ending that a unit or a counter has. */
void meaning_normal(char out[MEANING_NAME_MOST], struct model_text name);

#endif
