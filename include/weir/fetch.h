/* weir: how a document is fetched for weir: a callback, so that who wants none has no HTTP library. weir_otlp_fetch (weir/otlp.h) is
 * one, on libcurl; weir-jwt asks it for key sets. */
#ifndef WEIR_FETCH_H
#define WEIR_FETCH_H

#include <weir/base.h>

WEIR_BEGIN_DECLS_

/* The question, and the answer: status 200 with a body, 304, or anything else; below 0 is a WEIR_E* (no answer). etag is what the
 * former answer said, "" at first. The callback runs on a thread of weir's own, all signals blocked, behind the gate that exit()
 * waits for (50 ms); it may block up to timeout_ns, and keeps nothing of what it is given. body is let go by release, which may be
 * NULL. What it logs must not hold the URL, where that holds secrets. */
struct weir_fetch {
	const char *url, *etag; /* asked */
	uint64_t timeout_ns;
	size_t limit; /* of the body's bytes: more is a failure */
	int status; /* answered */
	char *body;
	size_t body_len;
	char new_etag[128];
	uint64_t max_age_ns; /* Cache-Control; 0: not said */
	void (*release)(struct weir_fetch *fetch);
};
typedef void weir_fetch_fn(void *arg, struct weir_fetch *fetch);

WEIR_END_DECLS_
#endif
