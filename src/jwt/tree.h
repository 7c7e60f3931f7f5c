/* weir-jwt: a JSON text, read in place into a table of nodes. Layer: jwt, pure: no allocation, no I/O.
 *
 * For claims: jansson would copy them, piece by piece, into memory that nobody wipes.
 * Strict: RFC 8259, UTF-8, each member's name once, no NUL in a string, and bounds on depth, values and members; what breaks a
 * rule is no JSON. Strings are unescaped where they stand, so that who wipes the bytes has wiped all that was read of them.
 * Invariant: nodes stand in the order of the text; a node's content lies between it and next. Writer: read. */
#ifndef WEIR_JWT_TREE_H
#define WEIR_JWT_TREE_H

#include <weir/base.h>

enum { WEIR__JWT_NODES = 1024, WEIR__JWT_DEPTH = 16, WEIR__JWT_MEMBERS = 256 };
enum weir__jwt_type {
	WEIR__JWT_NULL,
	WEIR__JWT_FALSE,
	WEIR__JWT_TRUE,
	WEIR__JWT_NUMBER,
	WEIR__JWT_STRING,
	WEIR__JWT_ARRAY,
	WEIR__JWT_OBJECT
};

struct weir__jwt_node {
	uint32_t at, len;         /* strings: unescaped; numbers, true, false: as they stand */
	uint32_t key_at, key_len; /* of a member */
	uint32_t next;            /* behind it and all that it holds */
	enum weir__jwt_type type;
};

struct weir__jwt_tree {
	char *bytes;
	uint32_t count;
	struct weir__jwt_node nodes[WEIR__JWT_NODES];
};

/* The bytes stay the caller's, and are written over. false: not JSON, by the rules above. */
bool weir__jwt_tree_read(struct weir__jwt_tree *tree, char *bytes, size_t len);

/* Of an object: the member of that name; of an array: the value at index; NULL: none, or another type. */
const struct weir__jwt_node *weir__jwt_tree_member(const struct weir__jwt_tree *tree, const struct weir__jwt_node *of,
                                                   struct weir_str name);
const struct weir__jwt_node *weir__jwt_tree_item(const struct weir__jwt_tree *tree, const struct weir__jwt_node *of, size_t index);
/* An array's or object's values one after the other: first, then next until NULL. */
const struct weir__jwt_node *weir__jwt_tree_first(const struct weir__jwt_tree *tree, const struct weir__jwt_node *of);
const struct weir__jwt_node *weir__jwt_tree_next(const struct weir__jwt_tree *tree, const struct weir__jwt_node *of,
                                                 const struct weir__jwt_node *now);
struct weir_str weir__jwt_tree_text(const struct weir__jwt_tree *tree, const struct weir__jwt_node *node);

#endif
