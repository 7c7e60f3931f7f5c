/* weir-jwt: which claims leave a token, and as what. Layer: jwt; extracting is pure.
 *
 * A claim is text: a string as it is, a number and a truth value as JSON writes them, an array of these joined by commas, or its
 * first. null, the empty text, an object, and an array that holds one are no value: the claim is not there. Invariant: what is
 * not on the list stands nowhere in struct weir__jwt_values. Writer of a policy: make; nothing changes it after. */
#ifndef WEIR_JWT_POLICY_H
#define WEIR_JWT_POLICY_H

#include "path.h"
#include "top.h"

#include <weir/jwt.h>

enum {
	WEIR__JWT_CLAIMS = 8,
	WEIR__JWT_SUBJECT = WEIR__JWT_CLAIMS, /* places of values behind the policy's */
	WEIR__JWT_ISSUER,
	WEIR__JWT_VALUES,
	WEIR__JWT_TEXT = 240, /* bytes of all values: as many as a context holds */
	WEIR__JWT_LISTED = 1000,
	WEIR__JWT_HASH = 16,
};

struct weir__jwt_claim {
	struct weir__jwt_path path;
	char *equals; /* NULL: any */
	bool hashed, first, required;
	int tag;
	struct weir__jwt_top *top; /* a label whose values are chosen by traffic; NULL: not that */
	char **listed;             /* a label whose values are these; NULL: not that */
	uint64_t *places;          /* of listed ones */
	size_t listed_count;
};

struct weir__jwt_policy {
	struct weir__jwt_claim claim[WEIR__JWT_CLAIMS];
	size_t count;
	unsigned char key[32]; /* of hashed claims: the one given, hashed, or random */
};

/* What leaves a token: words, so that the cache copies it as such. */
struct weir__jwt_values {
	uint64_t mark[WEIR__JWT_CLAIMS]; /* of label values: the listed one's number from 1 on, or its mark in top; 0: other */
	uint16_t hint[WEIR__JWT_CLAIMS]; /* where it stood in top */
	uint8_t len[WEIR__JWT_VALUES];   /* 0: not there */
	uint16_t too_long;               /* a bit a value */
	uint32_t used;                   /* of text */
	char text[WEIR__JWT_TEXT];       /* one behind the other */
};

/* Errors, said in the log: WEIR_EINVAL, WEIR_ECONFLICT, WEIR_ELIMIT, WEIR_ENOMEM; then there is nothing to free. */
int weir__jwt_policy_make(struct weir__jwt_policy *policy, const struct weir_jwt_claim *claims, size_t count,
                          struct weir_str hash_key, uint64_t idle_ns);
/* Gives up the places of what was chosen by traffic. */
void weir__jwt_policy_free(struct weir__jwt_policy *policy);
void weir__jwt_policy_tend(struct weir__jwt_policy *policy, uint64_t now_ns);

/* WEIR_JWT_OK, or WEIR_JWT_CLAIM: one that is required is not there, or one is not equal. */
enum weir_jwt_result weir__jwt_policy_extract(const struct weir__jwt_policy *policy, const struct weir__jwt_tree *tree,
                                              struct weir__jwt_values *values);

/* The label's place of value number i; 0: other. first: not from the cache, and so it may take one. */
uint64_t weir__jwt_policy_place(const struct weir__jwt_policy *policy, size_t i, struct weir__jwt_values *values,
                                struct weir_str value, uint64_t now_ns, bool first);

#endif
