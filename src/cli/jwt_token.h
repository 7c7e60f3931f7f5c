/* weir jwt: a token taken apart, without any belief in it; and JSON for a terminal.
 *
 * Invariant: nothing here says that a token is good. */
#ifndef WEIR_CLI_JWT_TOKEN_H
#define WEIR_CLI_JWT_TOKEN_H

#include "whole.h"

#include <jansson.h>
#include <stdint.h>

enum { TOKEN_FILE_MAX = 1 << 20 };

struct token {
	struct whole input;  /* standard input */
	const char *text;    /* the token in it */
	size_t len;
	size_t payload, payload_len; /* where it stands in text */
	json_t *header, *claims;     /* NULL: not JSON objects, or not to be read: an encrypted one */
	bool encrypted;
};

/* From standard input, with or without Bearer before it. False: there is none, and it has complained. */
bool token_read(struct token *token, const char *who);
/* Fills in the rest. False: what keeps it from being read, in *why. */
bool token_split(struct token *token, const char **why);
void token_end(struct token *token);

/* What a token's author wrote moves no terminal: control characters and marks of direction stand as \u.... */
bool json_print(const json_t *json);
/* {"exp": "2026-11-27T09:00:00Z, in 4 m 48 s", ...} of those that are there; NULL: no memory. */
json_t *json_dates(const json_t *claims, int64_t now);

#endif
