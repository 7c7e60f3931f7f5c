/* orders: a call's headers. See call.h. Pure. */
#include "call.h"

#include <string.h>

void call_begin(struct call *call, bool post)
{
	call->post = post;
	call->path[0] = '\0';
	call->body = NULL;
	call->body_len = 0;
	call->headers_count = 0;
	call->text_len = 0;
	call->status = 0;
	call->failure = NULL;
	call->answer_len = 0;
}

void call_header(struct call *call, const char *name, const char *value)
{
	char *at = call->text + call->text_len;
	size_t name_len = strlen(name), value_len = strlen(value), len = name_len + 2 + value_len + 1;

	if (len > sizeof call->text - call->text_len || call->headers_count == CALL_HEADERS)
		return;
	memcpy(at, name, name_len);
	memcpy(at + name_len, ": ", 2);
	memcpy(at + name_len + 2, value, value_len + 1);
	call->headers[call->headers_count++] = at;
	call->text_len += len;
}
