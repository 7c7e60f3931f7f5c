/* orders: one call of the gateway's to its store: what is asked, what comes back.
 *
 * Invariant: between client_call and its done it belongs to the client. Nothing in it is allocated. */
#ifndef ORDERS_CALL_H
#define ORDERS_CALL_H

#include <stdbool.h>
#include <stddef.h>

enum { ANSWER_MAX = 256, CALL_HEADERS = 6, CALL_TEXT = 2048 };

struct call {
	/* asked */
	bool post;
	char path[40];
	const char *body;
	size_t body_len;
	size_t headers_count, text_len;
	const char *headers[CALL_HEADERS]; /* "name: value", in text */

	/* answered */
	int status;          /* 0: nobody answered, and failure says why */
	const char *failure; /* "timeout", "connection_refused" and so on */
	size_t answer_len;
	char answer[ANSWER_MAX];

	/* the client's */
	void (*done)(struct call *call); /* in a thread of the client's */
	struct call *next;
	char text[CALL_TEXT];
};

/* Begins a call without headers. */
void call_begin(struct call *call, bool post);
/* Adds one; what does not fit is left out. */
void call_header(struct call *call, const char *name, const char *value);

#endif
