/* weir-jwt: what a JWS's header says, and whether it asks for more than we do.
 *
 * Layer: jwt, pure. Invariant: each member that is looked at is of its type; what would change how the token is read, or where its
 * key comes from, is refused by name, whatever its value. */
#ifndef WEIR_JWT_HEADER_H
#define WEIR_JWT_HEADER_H

#include "alg.h"

#include <weir/jwt.h>

#include <jansson.h>

struct weir__jws_header {
	json_t *object;   /* holds what kid points to */
	const char *kid;  /* NULL: none */
	size_t kid_len;
	enum weir__jwt_alg alg;
};

/* text: the decoded header. type: as in jws.h. WEIR_JWT_OK, and it goes back by free; or why not, and there is nothing to free. */
enum weir_jwt_result weir__jws_header_read(struct weir__jws_header *header, const char *text, size_t len, const char *type);
void weir__jws_header_free(struct weir__jws_header *header);

#endif
