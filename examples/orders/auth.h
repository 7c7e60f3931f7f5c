/* orders: who asks. With --jwks a request to /api/v1/ needs a bearer token that verifies, and the scope of what it does; its
 * tenant and its user then stand in all that is measured and traced of it. Without weir-jwt, and so with ORDERS_BARE, there
 * is no such check, and --jwks is refused: a service that lets everybody in must not look like one that does not.
 *
 * Invariant: what a refused client is told has nothing in it that its token did not say itself. */
#ifndef ORDERS_AUTH_H
#define ORDERS_AUTH_H

#include <stdbool.h>
#include <stddef.h>

struct args;
struct exchange;
struct link;

enum { AUTH_LINKS_MAX = 2 };

#ifndef ORDERS_JWT

#define AUTH_EXCHANGE
#define auth_is_there() false
#define auth_start(args) ((void)(args), true)
#define auth_stop() (void)0
#define auth_outer(links) ((void)(links), (size_t)0)
#define auth_inner(links) ((void)(links), (size_t)0)

#else

#include <weir/weir.h>

#define AUTH_EXCHANGE                                                                                                  \
	struct weir_stopwatch guarded_since;                                                                           \
	bool guarded; /* a request to the API */

extern const struct link link_tenant; /* outside of status: measures a request to the API by tenant, refused or not */
extern const struct link link_auth;   /* inside of recovery: 401, 403, 400 where a header is missing, 503 without keys */

#define auth_is_there() true
/* Before the first request and behind weir_init, if there is one: a verifier where args have keys. False: it has said why. */
bool auth_start(const struct args *args);
/* After the last request, and before weir_shutdown. */
void auth_stop(void);
/* Each puts its link, where there is a verifier, and says how many. */
size_t auth_outer(const struct link **links);
size_t auth_inner(const struct link **links);

#endif
#endif
