/* weir-jwt: which claim is meant: a member's name, or a JSON pointer (RFC 6901), taken apart once. Layer: jwt, pure.
 *
 * A name that begins with / is a pointer; any other is one of the claims set's members, also "https://example.com/tenant".
 * Writer: make; nothing changes after it. */
#ifndef WEIR_JWT_PATH_H
#define WEIR_JWT_PATH_H

#include "tree.h"

enum { WEIR__JWT_STEPS = WEIR__JWT_DEPTH - 1 };

struct weir__jwt_path {
	char *text; /* the steps, unescaped */
	struct weir_str step[WEIR__JWT_STEPS];
	size_t steps;
};

/* WEIR_EINVAL (no name, a ~ that is neither ~0 nor ~1, more than WEIR__JWT_STEPS), WEIR_ENOMEM. */
int weir__jwt_path_make(struct weir__jwt_path *path, const char *claim);
void weir__jwt_path_free(struct weir__jwt_path *path);
/* NULL: there is none, or it is null. */
const struct weir__jwt_node *weir__jwt_path_find(const struct weir__jwt_path *path, const struct weir__jwt_tree *tree);

#endif
